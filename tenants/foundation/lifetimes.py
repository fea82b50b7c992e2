"""Processes that must not outlive the one that started them, even when that was killed with kill -9. Linux only."""

from __future__ import annotations

import ctypes
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Names the process whose end is to be one's own: a child that starts when its parent is gone already has to know.
PARENT_VARIABLE = "CLEARINGHOUSE_PARENT"
PR_SET_PDEATHSIG = 1

STOP_SIGNALS = frozenset((signal.SIGTERM, signal.SIGINT))

# Who was told to stop has this long to finish what is begun: a worker its job, the HTTP server its requests.
STOP_SECONDS_MAX = 30.0
LOOK_SECONDS = 1.0

libc = ctypes.CDLL(None, use_errno=True)


def end_with(parent: int, number: signal.Signals = signal.SIGTERM) -> None:
    """Have the kernel send `number` to this process when `parent`, which started it, ends; now, if it has ended."""
    if libc.prctl(PR_SET_PDEATHSIG, number, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent:
        os.kill(os.getpid(), number)


def end_with_serve(patience_seconds: float | None = None) -> None:
    """In a process that `clearinghouse serve` has started, and in those that this one starts: end with the parent.

    With `patience_seconds` it is killed if it is still there so long after its parent. A signal can come while nobody
    heeds it: when the HTTP server puts handlers of its own in place, say.
    """
    parent = os.environ.get(PARENT_VARIABLE)
    if parent is not None:
        end_with(int(parent))
        if patience_seconds is not None:
            arguments = (int(parent), patience_seconds)
            threading.Thread(target=kill_orphan, args=arguments, name="lifetime", daemon=True).start()
        os.environ[PARENT_VARIABLE] = str(os.getpid())


def kill_orphan(parent: int, patience_seconds: float) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    time.sleep(patience_seconds)
    os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def undisturbed(number: signal.Signals = signal.SIGTERM) -> Iterator[None]:
    """What is done in here is done to its end; a signal that comes meanwhile has its effect afterwards.

    Half of a server's start can't be undone: its process may not be there yet, and come all the same.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = signal.signal(number, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        signal.signal(number, before)
        if came:
            os.kill(os.getpid(), number)


def descendants_of(pid: int) -> Iterator[int]:
    """Children, their children, and so on, as they are now."""
    for child in children_of(pid):
        yield child
        yield from descendants_of(child)


def children_of(pid: int) -> list[int]:
    try:
        files = list(Path(f"/proc/{pid}/task").glob("*/children"))
        return [int(child) for file in files for child in file.read_text().split()]
    except OSError:
        return []  # It ended while we were looking.
