"""The HTTP server's own process: it listens, and keeps its workers running. `clearinghouse serve` starts it."""

from __future__ import annotations

import argparse
import logging
import os
import signal

from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels

from tenants.foundation import logs
from tenants.foundation.lifetimes import STOP_SIGNALS, end_with_serve

# A worker that has not answered what it began by then is killed; its requests may be sent again.
ANSWER_SECONDS_MAX = 20
# Of a request's line and headers together, about: the largest that a till has reason to send is a tenth of it.
HEADER_BYTES_MAX = 32 * 1024
# Granian's lines go the way of all others. Of requests it writes none, as they would hold paths.
LOGGERS = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {},
    "handlers": {},
    "loggers": {"_granian": {"level": "WARNING", "handlers": [], "propagate": True}},
}


def is_news(record: logging.LogRecord) -> bool:
    """Not that there are more threads than Granian likes: most of them wait for PostgreSQL, together."""
    return "Python threads" not in record.getMessage()


def let_workers_be_stopped() -> None:
    """A fork starts with its parent's handlers of signals: one that stops a worker before it has its own would be
    taken for the parent's and be lost. So a worker can be stopped from its first moment on."""
    os.register_at_fork(before=block, after_in_parent=unblock, after_in_child=stop_by_default)


def block() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)


def unblock() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def stop_by_default() -> None:
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    unblock()


def main() -> None:
    end_with_serve()
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", required=True)
    for option in ("--port", "--workers", "--threads"):
        parser.add_argument(option, type=int, required=True)
    given = parser.parse_args()
    logs.configure("http")
    logging.getLogger("_granian").addFilter(is_news)
    let_workers_be_stopped()
    Granian(
        "cli:make_http_app",
        address=given.host,
        port=given.port,
        interface=Interfaces.WSGI,
        factory=True,
        # Whoever is in front speaks HTTP/1.1; what nobody uses nobody has to trust.
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(max_buffer_size=HEADER_BYTES_MAX),
        websockets=False,
        workers=given.workers,
        blocking_threads=given.threads,
        respawn_failed_workers=True,
        workers_kill_timeout=ANSWER_SECONDS_MAX,
        log_level=LogLevels.warning,
        log_dictconfig=LOGGERS,
    ).serve()


if __name__ == "__main__":
    main()
