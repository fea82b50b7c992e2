"""How long a process lives: no longer than the one that started it."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys

# From <linux/prctl.h>.
PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """The kernel tells this process, if it is one of multiprocessing's, to stop when its parent is gone, even by
    kill -9."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent.pid:
        sys.exit("the process that started this one is gone")
