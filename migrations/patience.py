"""Migrations that no till waits for: a lock that can't be had soon is given up, and asked for again later.

Whoever waits for a lock on a table makes everybody wait who comes after. So a revision waits for a lock for a second
at most, then everything it has done is undone, the tills catch up, and it begins again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

import psycopg2
from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, text
from sqlalchemy.exc import OperationalError

from tenants.foundation.errors import Unavailable

log = logging.getLogger("migrations")

LOCK_SECONDS_MAX = 1
STATEMENT_SECONDS_MAX = 20
PAUSE_SECONDS = 2.0
TRIES_MAX = 30
LOOK_SECONDS = 0.2
GATE = "hashtextextended('clearinghouse.migrations', 0)"

HOLDER_OF_GATE = text(f"""
    SELECT pid FROM pg_locks
    WHERE locktype = 'advisory' AND granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND ((classid::bigint << 32) | objid::bigint) = {GATE}
""")
BLOCKERS = text("""
    SELECT 'process ' || pid || ', ' || coalesce(nullif(application_name, ''), usename) || ', ' || state || ', for '
           || coalesce(extract(epoch FROM clock_timestamp() - xact_start)::integer, 0) || ' s: ' || left(query, 100)
    FROM pg_stat_activity WHERE pid = ANY (pg_blocking_pids(:pid))
""")


def patient_engine(url: URL, statement_seconds: str | None) -> Engine:
    """Of connections that are never used again: what a revision has set on one must not outlive it."""
    seconds = int(statement_seconds or STATEMENT_SECONDS_MAX)
    options = ("timezone=UTC", f"lock_timeout={LOCK_SECONDS_MAX}s", f"statement_timeout={seconds}s")
    return create_engine(
        url,
        poolclass=NullPool,
        connect_args={
            "options": " ".join(f"-c {option}" for option in options),
            "application_name": "clearinghouse init",
        },
    )


@contextmanager
def one_at_a_time(engine: Engine) -> Iterator[None]:
    """Of two releases that start at once the second waits, then finds nothing to do.

    The lock is the session's, and the kernel ends that with the process: nothing stale is ever left.
    """
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        told = False
        while not connection.scalar(text(f"SELECT pg_try_advisory_lock({GATE})")):
            if not told:
                log.warning("Waiting for another init: process %s of PostgreSQL.", connection.scalar(HOLDER_OF_GATE))
            told = True
            time.sleep(LOOK_SECONDS)
        yield


def try_until_locks_are_had(engine: Engine, upgrade: Callable[[Engine], None]) -> None:
    """Raises `Unavailable` when that takes too many tries, or a statement too long; what is not done is undone."""
    for attempt in range(1, TRIES_MAX + 1):
        with watching(engine) as blockers:
            try:
                return upgrade(engine)
            except OperationalError as error:
                if isinstance(error.orig, psycopg2.errors.QueryCanceled):
                    raise too_long() from error
                if not isinstance(error.orig, psycopg2.errors.LockNotAvailable):
                    raise
        log.warning("Waiting, attempt %s of %s, for %s", attempt, TRIES_MAX, told_of(blockers))
        time.sleep(PAUSE_SECONDS)
    raise Unavailable(
        f"The tables to change were in use in each of {TRIES_MAX} attempts, so nothing was changed further. Last by "
        f"{told_of(blockers)}. End it, or wait for it, and run `clearinghouse init` again.",
        code="database_busy",
    )


def too_long() -> Unavailable:
    return Unavailable(
        "A step of this upgrade took too long to have tills wait for it, so it was undone. Run it at a quiet hour, "
        "with time enough: `clearinghouse init --statement-seconds 3600`.",
        code="migration_too_long",
    )


def told_of(blockers: list[str]) -> str:
    return "; ".join(blockers) or "somebody who has gone since"


@contextmanager
def watching(engine: Engine) -> Iterator[list[str]]:
    """Who was last seen to hold up a connection that is opened meanwhile."""
    pids: list[int] = []
    blockers: list[str] = []
    finished = Event()

    def remember(dbapi_connection: psycopg2.extensions.connection, *_: object) -> None:
        pids.append(dbapi_connection.info.backend_pid)

    def look() -> None:
        with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            while not finished.wait(LOOK_SECONDS):
                found = [told for pid in list(pids) for told in blockers_of(connection, pid)]
                blockers[:] = found or blockers

    event.listen(engine, "connect", remember)
    watch = Thread(target=look)
    watch.start()
    try:
        yield blockers
    finally:
        finished.set()
        watch.join()
        event.remove(engine, "connect", remember)


def blockers_of(connection: Connection, pid: int) -> list[str]:
    return list(connection.scalars(BLOCKERS, {"pid": pid}))
