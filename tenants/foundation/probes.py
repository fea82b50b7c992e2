"""Questions to the database and to Redis that are answered soon or not at all: for readiness and for metrics.

A server that hangs answers nothing, not even a statement's timeout. So the connection does not block, and whoever
asks looks at the clock. Each prober has a connection of its own, apart from the pools that requests use.
"""

from __future__ import annotations

import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
from psycopg2.extensions import POLL_OK, POLL_READ
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tenants.foundation.database import connect_arguments, normal_url

Row = tuple[Any, ...]

REDIS_SECONDS_MAX = 0.5


class NoAnswer(psycopg2.OperationalError):
    """The database did not answer in time."""


class DatabaseProbe:
    """Autocommit, in the application's role. All that is asked together has `seconds`, from `probing` on."""

    def __init__(self, connection: Any, deadline: float) -> None:
        self._connection, self._deadline = connection, deadline

    def ask(self, sql: str, parameters: dict[str, Any] | None = None) -> list[Row]:
        """The rows of the last statement in `sql`. Raises psycopg2's errors, and `NoAnswer`."""
        cursor = self._connection.cursor()
        cursor.execute(sql, parameters)
        self.wait()
        return list(cursor.fetchall())

    def wait(self) -> None:
        while (state := self._connection.poll()) != POLL_OK:
            reading, writing = ([self._connection], []) if state == POLL_READ else ([], [self._connection])
            left = self._deadline - time.monotonic()
            if left <= 0 or not any(select.select(reading, writing, [], left)):
                raise NoAnswer("no answer in time")


@contextmanager
def probing(url: str, seconds: float) -> Iterator[DatabaseProbe]:
    normal = normal_url(url)
    words, named = normal.get_dialect()().create_connect_args(normal)
    deadline = time.monotonic() + seconds
    connection = psycopg2.connect(*words, **{**named, **connect_arguments()}, async_=True)
    try:
        probe = DatabaseProbe(connection, deadline)
        probe.wait()
        yield probe
    finally:
        connection.close()


def redis_probe(url: str) -> Redis:
    """To be closed by whoever asks for it. Raises RedisError when Redis does not answer at once."""
    return Redis.from_url(
        url,
        socket_timeout=REDIS_SECONDS_MAX,
        socket_connect_timeout=REDIS_SECONDS_MAX,
        retry=Retry(NoBackoff(), 0),
    )
