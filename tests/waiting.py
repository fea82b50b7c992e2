"""What comes to it by itself, sooner or later: later on a machine that has much else to do."""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy import Connection, text

SECONDS_MAX = 300


def wait_until(
    condition: Callable[[], object], what: str | Callable[[], str] = "this", seconds_max: float = SECONDS_MAX
) -> None:
    deadline = time.monotonic() + seconds_max
    while not condition():
        late = time.monotonic() >= deadline
        assert not late, f"{what if isinstance(what, str) else what()}: not within {seconds_max} s"
        time.sleep(0.02)


def wait_until_somebody_waits_for(connection: Connection) -> None:
    """For a lock that the connection's transaction holds."""
    waiting = text(
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
    )
    wait_until(lambda: connection.scalar(waiting), "somebody waits")
