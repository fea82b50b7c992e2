"""Work that nobody should wait for: it is noted, and done a moment later by a thread of its own.

Counting a request and writing its line take a twelfth of a posting's time when they are done inside it, a third of
that when many are done in a row. What is noted is done before the process ends; kill -9 loses a tenth of a second's.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

log = logging.getLogger(__name__)

PAUSE_SECONDS = 0.1

noted: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
# The process that has such a thread; a fork of it has none.
doer: threading.Thread | None = None


def afterwards(work: Callable[..., None], *arguments: Any) -> None:
    """Have `work` done soon; at once in a process where `start` was not called. It must not need the request."""
    if doer is None:
        work(*arguments)
    else:
        noted.append((work, arguments))


def start() -> None:
    """Begin doing later what is noted from now on. To be called in the process itself, after any fork."""
    global doer
    # No daemon: the end of the process waits for it.
    doer = threading.Thread(target=keep_doing, name="afterwards", daemon=False)
    doer.start()


def keep_doing() -> None:
    main = threading.main_thread()
    while main.is_alive():
        main.join(PAUSE_SECONDS)
        do_noted()


def do_noted() -> None:
    while noted:
        work, arguments = noted.popleft()
        try:
            work(*arguments)
        except Exception:
            log.exception("something that was to be done afterwards failed")
