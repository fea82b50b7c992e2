"""How many requests may pass: token buckets in Redis that all workers share, one round trip each.

Limits protect the installation from a caller gone wrong; they are not worth making a till wait. So when Redis does
not answer at once, requests pass uncounted and Redis is left alone for a while.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass

from redis import ConnectionPool, RedisError
from redis.backoff import NoBackoff
from redis.connection import AbstractConnection
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import TimeoutError as TimedOut
from redis.retry import Retry

from tenants.foundation.metrics import count_uncounted

log = logging.getLogger(__name__)

# Redis answers within a fraction of a millisecond; what takes longer than this is an outage.
ANSWER_SECONDS_MAX = 0.05
# So long requests pass uncounted before one of them asks Redis again.
PAUSE_SECONDS = 5.0

MICROSECONDS = 1_000_000
REFUSED = -1

# GCRA, the generic cell rate algorithm. KEYS[1] holds until when the requests so far keep the bucket busy, in
# microseconds of Redis's clock, which all workers share. ARGV: by how much a request prolongs that, and the quota.
# Answers how many more requests would pass now; -1 when this one may not. What lies more than a window ahead is from
# before the clock was set back, and would lock the key out until then.
TAKE = """
local interval, window = tonumber(ARGV[1]), ARGV[1] * ARGV[2]
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local busy_until = tonumber(redis.call('GET', KEYS[1]) or 0)
if busy_until < now or busy_until > now + window then
    busy_until = now
end
local left = math.floor((now + window - busy_until) / interval) - 1
if left >= 0 then
    busy_until = busy_until + interval
    redis.call('SET', KEYS[1], string.format('%.0f', busy_until), 'PX', math.ceil((busy_until - now) / 1000))
end
return left
"""


@dataclass(frozen=True)
class Limit:
    """A bucket of `quota` requests that fills up evenly, within `window_seconds` when it was empty."""

    quota: int
    window_seconds: int

    @property
    def interval_microseconds(self) -> int:
        return self.window_seconds * MICROSECONDS // self.quota


class RateLimiter:
    """Safe to share between threads: each has a connection of its own."""

    def __init__(self, redis_url: str) -> None:
        self._pool = ConnectionPool.from_url(
            redis_url,
            socket_timeout=ANSWER_SECONDS_MAX,
            socket_connect_timeout=ANSWER_SECONDS_MAX,
            retry=Retry(NoBackoff(), 0),
        )
        self._local = threading.local()
        self._is_down = False
        self._ask_again_at = 0.0

    def take(self, bucket: str, limit: Limit) -> int | None:
        """What is left of the quota after this request; `REFUSED`; or None when Redis can't be asked."""
        is_first_after_pause = self._is_down
        if is_first_after_pause:
            if time.monotonic() < self._ask_again_at:
                count_uncounted()
                return None
            # The others go on while this request finds out.
            self._ask_again_at = time.monotonic() + PAUSE_SECONDS
        try:
            left = self._ask(f"clearinghouse:rate:{bucket}", limit)
        except (RedisError, OSError) as error:
            self._go_down(error)
            count_uncounted()
            return None
        if is_first_after_pause:
            self._is_down = False
            log.warning("Redis is back: requests are counted again.")
        return left

    def _ask(self, name: str, limit: Limit) -> int:
        connection = self._connection()
        command = ("EVAL", TAKE, 1, name, limit.interval_microseconds, limit.quota)
        try:
            return ask(connection, command)
        except TimedOut:
            raise
        except ConnectionLost:
            # It may just have been idle for longer than Redis keeps connections.
            return ask(connection, command)

    def _connection(self) -> AbstractConnection:
        """This thread's own; a pool costs as much again as the round trip."""
        if not hasattr(self._local, "connection"):
            self._local.connection = self._pool.make_connection()
        connection: AbstractConnection = self._local.connection
        return connection

    def _go_down(self, error: Exception) -> None:
        self._ask_again_at = time.monotonic() + PAUSE_SECONDS
        if not self._is_down:
            self._is_down = True
            log.warning("Redis can't be asked (%s): requests pass uncounted until it is back.", error)


def ask(connection: AbstractConnection, command: tuple[str | int, ...]) -> int:
    connection.send_command(*command)
    return int(connection.read_response())
