"""How many requests may pass: token buckets in Redis that all workers share.

Limits protect the installation from a caller gone wrong; they are not worth making a till wait. So while a worker
knows a bucket to be more than half full, it lets a few requests through and tells Redis a moment later of all of them
at once: a caller that goes from worker to worker gets so many more from each. And when Redis does not answer at once,
requests pass uncounted and Redis is left alone for a while.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from redis import ConnectionPool, RedisError
from redis.backoff import NoBackoff
from redis.connection import AbstractConnection
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import TimeoutError as TimedOut
from redis.retry import Retry

from tenants.foundation.afterwards import afterwards
from tenants.foundation.metrics import count_uncounted

log = logging.getLogger(__name__)

# Redis answers within a fraction of a millisecond; what takes longer than this is an outage.
ANSWER_SECONDS_MAX = 0.05
# So long requests pass uncounted before one of them asks Redis again.
PAUSE_SECONDS = 5.0
# The part of a quota that a worker lets through before it asks Redis: of 100, two.
UNTOLD_SHARE = 50
# Those that a worker knows; one that it does not know costs a question.
BUCKETS_MAX = 50_000

MICROSECONDS = 1_000_000
REFUSED = -1

# GCRA, the generic cell rate algorithm, for each bucket. Its key holds until when the requests so far keep it busy,
# in microseconds of Redis's clock, which all workers share. ARGV, four a bucket: by how much a request prolongs that,
# the quota, how many have passed already, and whether one more asks to (1 or 0). Answers how many more would pass
# then; -1 when the one that asks may not. What lies more than a window ahead is from before the clock was set back,
# and would lock the key out until then.
TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local lefts = {}
for i, key in ipairs(KEYS) do
    local interval, quota, passed, asks = unpack(ARGV, 4 * i - 3, 4 * i)
    local full = now + interval * quota
    local busy_until = tonumber(redis.call('GET', key) or 0)
    if busy_until < now or busy_until > full then
        busy_until = now
    end
    busy_until = math.min(busy_until + interval * passed, full)
    lefts[i] = math.floor((full - busy_until) / interval) - asks
    if lefts[i] >= 0 then
        busy_until = busy_until + interval * asks
    end
    redis.call('SET', key, string.format('%.0f', busy_until), 'PX', math.ceil((busy_until - now) / 1000))
end
return lefts
"""


@dataclass(frozen=True)
class Limit:
    """A bucket of `quota` requests that fills up evenly, within `window_seconds` when it was empty."""

    quota: int
    window_seconds: int

    @property
    def interval_microseconds(self) -> int:
        return self.window_seconds * MICROSECONDS // self.quota


@dataclass(slots=True)
class Bucket:
    """What a worker knows of one: how many were `left` when Redis told, less the `untold` that have passed since."""

    limit: Limit
    left: int = 0
    untold: int = 0


@dataclass(frozen=True, slots=True)
class Told:
    """Of one bucket: so many have passed, and another one asks to."""

    name: str
    bucket: Bucket
    passed: int
    asks: bool


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
        self._lock = threading.Lock()
        self._buckets: dict[str, Bucket] = {}
        self._untold: dict[str, Bucket] = {}
        self._is_down = False
        self._ask_again_at = 0.0

    def take(self, name: str, limit: Limit) -> int | None:
        """What is left of the bucket's quota after this request; `REFUSED`; or None when Redis can't be asked."""
        left = self._let_through(name, limit)
        return self._ask(name, limit) if left is None else left

    def _let_through(self, name: str, limit: Limit) -> int | None:
        """What is left then; None when Redis has to be asked."""
        with self._lock:
            bucket = self._bucket(name, limit)
            if bucket.left <= limit.quota // 2 or bucket.untold >= limit.quota // UNTOLD_SHARE:
                return None
            is_first = not self._untold
            self._untold[name] = bucket
            bucket.untold += 1
            bucket.left = left = bucket.left - 1
        if is_first:
            afterwards(self.tell_untold)
        return left

    def _ask(self, name: str, limit: Limit) -> int | None:
        with self._lock:
            self._untold.pop(name, None)
            asking = told_of(name, self._bucket(name, limit), asks=True)
        lefts = self._tell([asking])
        return lefts[0] if lefts else None

    def tell_untold(self) -> None:
        """Tell Redis of all that has passed without it."""
        with self._lock:
            told = [told_of(name, bucket) for name, bucket in self._untold.items()]
            self._untold.clear()
        if told:
            self._tell(told)

    def _bucket(self, name: str, limit: Limit) -> Bucket:
        bucket = self._buckets.get(name)
        if bucket is None or bucket.limit != limit:
            if len(self._buckets) >= BUCKETS_MAX:
                self._buckets.clear()
            bucket = self._buckets[name] = Bucket(limit)
        return bucket

    def _tell(self, told: Sequence[Told]) -> list[int] | None:
        """What is left of each now; None when Redis can't be asked."""
        is_first_after_pause = self._is_down
        if is_first_after_pause:
            if time.monotonic() < self._ask_again_at:
                count_uncounted(requests_in(told))
                return None
            # The others go on while this request finds out.
            self._ask_again_at = time.monotonic() + PAUSE_SECONDS
        try:
            lefts = self._call(told)
        except (RedisError, OSError) as error:
            self._go_down(error)
            count_uncounted(requests_in(told))
            return None
        if is_first_after_pause:
            self._is_down = False
            log.warning("Redis is back: requests are counted again.")
        with self._lock:
            for each, left in zip(told, lefts, strict=True):
                each.bucket.left = left - each.bucket.untold
        return lefts

    def _call(self, told: Sequence[Told]) -> list[int]:
        connection = self._connection()
        command: list[str | int] = ["EVAL", TAKE, len(told)]
        command += [f"clearinghouse:rate:{each.name}" for each in told]
        for each in told:
            limit = each.bucket.limit
            command += [limit.interval_microseconds, limit.quota, each.passed, int(each.asks)]
        try:
            return call(connection, command)
        except TimedOut:
            raise
        except ConnectionLost:
            # It may just have been idle for longer than Redis keeps connections.
            return call(connection, command)

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


def told_of(name: str, bucket: Bucket, asks: bool = False) -> Told:
    """To be called with the lock held: what has passed is told once."""
    passed, bucket.untold = bucket.untold, 0
    return Told(name, bucket, passed, asks)


def requests_in(told: Sequence[Told]) -> int:
    return sum(each.passed + each.asks for each in told)


def call(connection: AbstractConnection, command: Sequence[str | int]) -> list[int]:
    connection.send_command(*command)
    lefts: list[int] = connection.read_response()
    return lefts
