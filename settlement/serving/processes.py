"""What `serve` runs: the HTTP server, job workers and the scheduler, each a process of its own; how it stops them.

While children run, the signals that stop `serve` are only noted: an exception could come between the start of a child
and the note that it is there. A child ends with its parent, whatever that died of (`tenants.foundation.lifetimes`).
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from redis import Redis
from rq.cron import CronScheduler

from clearinghouse.webhooks.jobs import FAST, QUEUES
from settlement.serving.jobs import FREQUENT, PERIODIC
from settlement.serving.worker import ForkingWorker
from tenants.foundation import embedded
from tenants.foundation.config import embedded_servers
from tenants.foundation.errors import ClearinghouseError
from tenants.foundation.lifetimes import PARENT_VARIABLE, STOP_SECONDS_MAX, STOP_SIGNALS, descendants_of
from tenants.foundation.metrics import FOLDER_VARIABLE
from tenants.foundation.queue import QUEUE_NAME, job_queue

log = logging.getLogger(__name__)

POLL_SECONDS = 0.2
RESTART_SECONDS = 2.0
# An HTTP server gives up when it can't start, and when one of its workers was killed twice within seconds. Who gives
# up this soon, this often in a row, can't start.
HTTP_SECONDS_MIN = 10.0
HTTP_STARTS_MAX = 3
REVIVE_SECONDS = 1.0
REVIVE_SECONDS_AFTER_FAILURE = 5.0
# Who has not stopped within `STOP_SECONDS_MAX` is told again: a worker puts its job back then. What is left after
# these is killed.
HURRY_SECONDS_MAX = 5.0
# Settings of glibc, and of Granian's own jemalloc, for the HTTP workers: threads share their arenas, and what a large
# batch takes is given back.
GIVE_MEMORY_BACK = (
    "MALLOC_ARENA_MAX=2",
    "MALLOC_MMAP_THRESHOLD_=65536",
    "MALLOC_TRIM_THRESHOLD_=131072",
    "_RJEM_MALLOC_CONF=narenas:1,dirty_decay_ms:0",
)


class PortInUse(ClearinghouseError):
    code = "port_in_use"


@dataclass
class Child:
    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes]
    started_at: float
    gave_up_soon: int = 0


def run_worker(burst: bool, only_webhooks: bool = False) -> None:
    """Every queue, or those of webhooks only; the first with a job comes first."""
    names = QUEUES if only_webhooks else (QUEUE_NAME, *QUEUES)
    queues = [job_queue(name) for name in names]
    ForkingWorker(queues, queues[0].connection).work(burst=burst, logging_level="WARNING")


def run_scheduler() -> None:
    connection: Redis = job_queue().connection
    # At INFO it says whenever it puts a job into a queue.
    scheduler = CronScheduler(connection=connection, logging_level=logging.WARNING)
    for job, cron in PERIODIC:
        scheduler.register(job, QUEUE_NAME, cron=cron)
    for job, seconds in FREQUENT:
        # One that nobody has taken by the time the next ones come is not needed any more.
        scheduler.register(job, FAST, interval=seconds, ttl=seconds * 3, result_ttl=0)
    scheduler.start()


class EmbeddedServers:
    """PostgreSQL and Redis of this installation, where the environment names no others."""

    def __init__(self, var: Path) -> None:
        self.var = var
        self.look_again_at = 0.0

    def look_after(self) -> None:
        """Start again what has died. What does not start, on a full disk say, is tried again for ever."""
        if time.monotonic() < self.look_again_at:
            return
        try:
            embedded.revive(self.var, **embedded_servers())
            pause = REVIVE_SECONDS
        except embedded.EmbeddedServerError as error:
            log.error("%s", error)
            pause = REVIVE_SECONDS_AFTER_FAILURE
        self.look_again_at = time.monotonic() + pause


def check_port(host: str, port: int, option: str = "--port") -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortInUse(
                f"Can't listen on {host}:{port} ({error.strerror}): stop what is there, or use {option}."
            ) from error


def http_command(host: str, port: int, workers: int, threads: int, metrics: Path | None = None) -> list[str]:
    """`metrics`: the folder in which the workers keep their counts."""
    measured = [f"{FOLDER_VARIABLE}={metrics}"] if metrics else []
    where = ["--host", host, "--port", str(port), "--workers", str(workers), "--threads", str(threads)]
    return ["env", *GIVE_MEMORY_BACK, *measured, sys.executable, "-m", "settlement.serving.http_server", *where]


def cli_command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "cli", *arguments]


@contextmanager
def noting_stop_signals() -> Iterator[list[int]]:
    """The numbers of those that came, in their order."""
    came: list[int] = []
    before = {number: signal.signal(number, lambda number, frame: came.append(number)) for number in STOP_SIGNALS}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def serve_until_told(commands: dict[str, list[str]], signals: list[int], var: Path) -> int:
    """Run until a signal comes, whose number is returned.

    What ends is started again, the embedded servers under `var` too; but not an HTTP server that gives up again and
    again: something that a restart does not mend is wrong then.
    """
    children: list[Child] = []
    servers = EmbeddedServers(var)
    try:
        for name, command in commands.items():
            children.append(Child(name, command, start(command), time.monotonic()))
        while not signals:
            time.sleep(POLL_SECONDS)
            servers.look_after()
            for child in children:
                if child.process.poll() is not None:
                    replace_or_raise(child)
        log.info("stopping, as told by %s", signal.Signals(signals[0]).name)
        return signals[0]
    finally:
        stop(children, signals)
        log.info("all processes have ended")


def start(command: Sequence[str]) -> subprocess.Popen[bytes]:
    """In a group of its own: Ctrl-C is for `serve` alone, which tells its children once."""
    environment = {**os.environ, PARENT_VARIABLE: str(os.getpid())}
    return subprocess.Popen(command, env=environment, process_group=0)


def replace_or_raise(child: Child) -> None:
    status, lived_seconds = child.process.returncode, time.monotonic() - child.started_at
    child.gave_up_soon = child.gave_up_soon + 1 if status >= 0 and lived_seconds < HTTP_SECONDS_MIN else 0
    if child.name == "http" and child.gave_up_soon == HTTP_STARTS_MAX:
        raise ClearinghouseError(f"The HTTP server ended with status {status}; see above.")
    log.warning("the %s ended with status %s; starting it again", child.name, status)
    time.sleep(RESTART_SECONDS)
    child.process, child.started_at = start(child.command), time.monotonic()


def stop(children: Sequence[Child], signals: list[int]) -> None:
    """Have all children end what they are at; one signal more hurries them. Whoever is left is killed, with the
    processes that it has started."""
    tell(children)
    if not wait_for(children, STOP_SECONDS_MAX, signals):
        log.warning("stopping at once what is still running: %s", ", ".join(running(children)))
        tell(children)
        wait_for(children, HURRY_SECONDS_MAX, signals)
    # Handles, not numbers: another process may be given the number of one that ends meanwhile.
    left = [handle for child in children if child.process.poll() is None for handle in family_of(child.process.pid)]
    for handle in left:
        kill(handle)
        os.close(handle)
    for child in children:
        child.process.wait()


def tell(children: Sequence[Child]) -> None:
    for child in children:
        child.process.terminate()


def wait_for(children: Sequence[Child], seconds: float, signals: list[int]) -> bool:
    """Whether all have ended within `seconds`; one signal more ends the waiting."""
    deadline, number = time.monotonic() + seconds, len(signals)
    while running(children) and time.monotonic() < deadline and len(signals) == number:
        time.sleep(0.05)
    return not running(children)


def running(children: Sequence[Child]) -> list[str]:
    return [child.name for child in children if child.process.poll() is None]


def family_of(pid: int) -> list[int]:
    """A handle of the process and of each that descends from it."""
    handles = []
    for member in (pid, *descendants_of(pid)):
        try:
            handles.append(os.pidfd_open(member))
        except ProcessLookupError:
            continue  # It ended while we were looking.
    return handles


def kill(handle: int) -> None:
    try:
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    except ProcessLookupError:
        return  # It has ended by itself, which is all we want.
