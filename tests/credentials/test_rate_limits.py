"""A key may send so many requests and few more; without Redis, as many as it likes. Refused ones do nothing."""

from __future__ import annotations

import logging
import re
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from threading import Barrier
from uuid import uuid4

import pytest
from apiflask import APIFlask
from redis import Redis
from werkzeug.test import TestResponse

from tenants.credentials import web
from tenants.credentials.rules import BURST_SECONDS, RATE_MAX, RATES, limit_of
from tenants.foundation import ids, rate_limits
from tenants.foundation.config import Settings, load_settings
from tenants.foundation.errors import InvalidInput
from tenants.foundation.rate_limits import MICROSECONDS, REFUSED, UNTOLD_SHARE, Limit, RateLimiter
from tests.conftest import NetworkForTests, Till
from tests.test_faults import NO_REDIS, running

# Nothing is refilled while a test runs, however slow the machine: a request every six minutes.
SLOW = Limit(10, 3600)
POLICY = re.compile(r'"default";q=(\d+);w=(\d+)')
LEFT = re.compile(r'"default";r=(\d+);t=(\d+)')


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is no outage of Redis."""
    monkeypatch.setattr(rate_limits, "ANSWER_SECONDS_MAX", 10.0)


@pytest.fixture
def limited(settings: Settings, patient: None) -> Iterator[APIFlask]:
    with running(replace(settings, rate_limit=True)) as app:
        yield app


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "limit_of", lambda role, rate: SLOW)


@pytest.fixture
def redis(settings: Settings) -> Redis:
    return Redis.from_url(settings.redis_url)


@pytest.fixture
def limiter(settings: Settings, patient: None) -> RateLimiter:
    return RateLimiter(settings.redis_url)


def at(app: APIFlask, till: Till) -> Till:
    """The till, talking to another process."""
    return replace(till, client=app.test_client())


def name_of(bucket: str) -> str:
    return f"clearinghouse:rate:{bucket}"


def left_of(answer: TestResponse) -> int:
    found = LEFT.fullmatch(answer.headers["RateLimit"])
    assert found is not None, answer.headers
    return int(found[1])


@pytest.mark.parametrize("quota", [1, 2, 7, 10, 997])
def test_a_full_bucket_lets_its_quota_through_and_not_one_more(limiter: RateLimiter, quota: int) -> None:
    bucket, limit = uuid4().hex, Limit(quota, quota * 60)

    lefts = [limiter.take(bucket, limit) for _ in range(quota + 3)]

    assert lefts == [*reversed(range(quota)), REFUSED, REFUSED, REFUSED]
    assert limiter.take(uuid4().hex, limit) == quota - 1


def test_a_refused_request_costs_nothing_and_time_brings_the_next_one(limiter: RateLimiter, redis: Redis) -> None:
    bucket = uuid4().hex
    for _ in range(20):
        limiter.take(bucket, SLOW)
    redis.decrby(name_of(bucket), 2 * SLOW.interval_microseconds)

    assert [limiter.take(bucket, SLOW) for _ in range(3)] == [1, 0, REFUSED]


def test_an_empty_bucket_fills_up_by_itself_and_is_forgotten(limiter: RateLimiter, redis: Redis) -> None:
    bucket, quick = uuid4().hex, Limit(20, 1)
    while limiter.take(bucket, quick) != REFUSED:
        pass

    while limiter.take(bucket, quick) == REFUSED:
        time.sleep(0.01)
    while redis.exists(name_of(bucket)):
        time.sleep(0.01)


def test_a_clock_that_was_set_back_locks_nobody_out(limiter: RateLimiter, redis: Redis) -> None:
    bucket = uuid4().hex
    redis.set(name_of(bucket), 2 * 10**15 + 10**14)

    assert limiter.take(bucket, SLOW) == 9


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """What is noted to be done afterwards, for the test to do."""
    noted: list[Callable[[], None]] = []
    monkeypatch.setattr(rate_limits, "afterwards", noted.append)
    return noted


def test_a_known_key_does_not_wait_for_redis_which_is_told_of_all_its_requests_at_once(
    limiter: RateLimiter, redis: Redis, later: list[Callable[[], None]]
) -> None:
    bucket, limit = uuid4().hex, Limit(100, 100 * 60)
    assert limiter.take(bucket, limit) == 99
    busy_until = int(redis.get(name_of(bucket)))

    assert [limiter.take(bucket, limit) for _ in range(2)] == [98, 97]
    assert int(redis.get(name_of(bucket))) == busy_until
    [tell] = later
    tell()

    assert int(redis.get(name_of(bucket))) == busy_until + 2 * limit.interval_microseconds
    assert limiter.take(bucket, limit) == 96


def test_a_caller_that_goes_from_worker_to_worker_gets_a_fiftieth_more_from_each(
    settings: Settings, patient: None, later: list[Callable[[], None]]
) -> None:
    bucket, limit = uuid4().hex, Limit(100, 100 * 60)
    workers = [RateLimiter(settings.redis_url) for _ in range(4)]
    for worker in workers:
        worker.take(bucket, limit)

    taken = [worker.take(bucket, limit) for worker in workers for _ in range(150)]

    passed = 4 + len(taken) - taken.count(REFUSED)
    assert 100 <= passed <= 100 + 3 * 2


def test_what_redis_has_not_been_told_when_it_goes_away_fails_nothing(
    settings: Settings, redis: Redis, later: list[Callable[[], None]], caplog: pytest.LogCaptureFixture
) -> None:
    bucket, limit, limiter = uuid4().hex, Limit(100, 100 * 60), RateLimiter(settings.redis_url)
    limiter.take(bucket, limit)
    assert limiter.take(bucket, limit) == 98

    redis.client_pause(60_000, all=False)
    try:
        later.pop()()
        left = limiter.take(bucket, limit)
    finally:
        redis.client_unpause()

    assert left == 97
    assert len(outages(caplog)) == 1


def test_many_threads_get_the_quota_between_them(limiter: RateLimiter) -> None:
    # Of a larger quota a fiftieth passes before it is counted.
    quota = UNTOLD_SHARE - 1
    bucket, limit, barrier = uuid4().hex, Limit(quota, 3600), Barrier(8)

    def take_many(_: int) -> list[int | None]:
        barrier.wait()
        return [limiter.take(bucket, limit) for _ in range(25)]

    with ThreadPoolExecutor(8) as pool:
        taken = [left for lefts in pool.map(take_many, range(8)) for left in lefts]

    assert sorted(left for left in taken if left != REFUSED) == list(range(quota))
    assert taken.count(REFUSED) == len(taken) - quota


def test_twice_the_burst_from_two_workers_at_once_lets_one_burst_through(
    slow: None, settings: Settings, limited: APIFlask, till: Till, card: str
) -> None:
    with running(replace(settings, rate_limit=True)) as second:
        barrier = Barrier(4)

        def send(app: APIFlask) -> list[int]:
            barrier.wait()
            return [at(app, till).accrue(card, 100).status_code for _ in range(SLOW.quota // 2)]

        with ThreadPoolExecutor(4) as pool:
            statuses = Counter(status for found in pool.map(send, [limited, second] * 2) for status in found)

    assert statuses == {201: SLOW.quota, 429: SLOW.quota}
    assert till.balance(card)["available"] == SLOW.quota


def test_one_request_too_many_writes_nothing_and_may_be_sent_again(
    slow: None, limited: APIFlask, till: Till, card: str, redis: Redis
) -> None:
    posting = at(limited, till)
    answers = [posting.accrue(card, 100) for _ in range(SLOW.quota)]
    sale = {"order_ref": "again", "key": "again"}

    refused = posting.accrue(card, 100, **sale)

    assert {answer.status_code for answer in answers} == {201}
    assert (refused.status_code, refused.json["code"]) == (429, "rate_limited")
    assert refused.content_type == "application/problem+json"
    assert refused.headers["RateLimit"] == '"default";r=0;t=1'
    assert refused.headers["Retry-After"] == "1"
    assert till.balance(card)["available"] == SLOW.quota
    for name in redis.scan_iter(name_of("*")):
        redis.delete(name)
    assert posting.accrue(card, 100, **sale).status_code == 201
    assert "Idempotent-Replayed" not in refused.headers


def test_every_answer_to_a_key_tells_what_is_left(limited: APIFlask, till: Till, network: NetworkForTests) -> None:
    posting = at(limited, till)

    answers = [
        posting.call("GET", "/v1/transfers"),
        posting.call("GET", "/v1/cards/79927398713"),
        posting.call("GET", "/v1/stores"),
        posting.post("/v1/accruals", {}),
        posting.call("POST", "/v1/accruals"),
    ]

    assert [answer.status_code for answer in answers] == [200, 404, 403, 422, 400]
    quota = RATES["terminal"] * BURST_SECONDS["terminal"]
    for answer in answers:
        assert POLICY.fullmatch(answer.headers["RateLimit-Policy"])
        assert answer.headers["RateLimit-Policy"] == f'"default";q={quota};w={BURST_SECONDS["terminal"]}'
        assert 0 <= left_of(answer) < quota
        assert len(answer.headers.getlist("RateLimit")) == 1
    network.app = limited
    assert network.hq("GET", "/v1/network").headers["RateLimit-Policy"] == '"default";q=100;w=5'


def test_whoever_has_no_key_is_told_nothing_of_rates(limited: APIFlask) -> None:
    client = limited.test_client()

    for path in ("/healthz", "/v1/network"):
        assert not [name for name, _ in client.get(path).headers if name.startswith("RateLimit")]


def test_a_batch_is_one_request(slow: None, limited: APIFlask, till: Till, card: str) -> None:
    events = [
        {"kind": "accrual", "idempotency_key": str(n), "card": card, "order_ref": str(n), "amount": 100}
        for n in range(30)
    ]

    answer = at(limited, till).call("POST", "/v1/batches", {"events": events})

    assert answer.json["posted"] == 30
    assert left_of(answer) == SLOW.quota - 1


def test_a_keys_own_rate_takes_the_place_of_its_roles(
    limited: APIFlask, till: Till, network: NetworkForTests
) -> None:
    network.app = limited
    terminal = ids.show(ids.TERMINAL, till.terminal_id)
    made = network.hq("POST", f"/v1/terminals/{terminal}/keys", {"rate_limit": 3}).json
    own = replace(at(limited, till), key=made["key"])
    first = own.call("GET", "/v1/transfers")

    changed = network.hq("PATCH", f"/v1/keys/{made['key_id']}", {"rate_limit": 200})
    limited.extensions["principals"].clear()
    second = own.call("GET", "/v1/transfers")
    network.hq("PATCH", f"/v1/keys/{made['key_id']}", {"rate_limit": None})
    limited.extensions["principals"].clear()
    third = own.call("GET", "/v1/transfers")

    assert changed.json["rate_limit"] == 200
    policies = [answer.headers["RateLimit-Policy"] for answer in (first, second, third)]
    assert policies == ['"default";q=6;w=2', '"default";q=400;w=2', '"default";q=100;w=2']


@pytest.mark.parametrize("role", ["terminal", "hq"])
def test_a_bucket_gains_a_request_within_the_second_that_is_told(role: str) -> None:
    for rate in range(1, RATE_MAX + 1):
        limit = limit_of(role, rate)
        assert limit.quota == rate * limit.window_seconds
        assert 0 < limit.interval_microseconds <= MICROSECONDS


@contextmanager
def a_mute_server() -> Iterator[socket.socket]:
    """Takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        server.setblocking(False)
        yield server


def count_connections(server: socket.socket) -> int:
    count = 0
    while True:
        try:
            connection, _ = server.accept()
        except BlockingIOError:
            return count
        connection.close()
        count += 1


def outages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.message for r in caplog.records if r.name == rate_limits.__name__]


def test_without_redis_every_request_passes_and_the_outage_is_logged_once(
    settings: Settings, till: Till, card: str, caplog: pytest.LogCaptureFixture
) -> None:
    with running(replace(settings, rate_limit=True, redis_url=NO_REDIS)) as app:
        answers = [at(app, till).accrue(card, 100) for _ in range(120)]

    assert {answer.status_code for answer in answers} == {201}
    assert {answer.headers.get("RateLimit-Policy") for answer in answers} == {'"default";q=100;w=2'}
    assert not any("RateLimit" in answer.headers for answer in answers)
    assert len(outages(caplog)) == 1


def test_a_redis_that_says_nothing_is_asked_once_and_then_left_alone(
    settings: Settings, till: Till, card: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limits, "PAUSE_SECONDS", 3600)
    with a_mute_server() as server:
        url = f"redis://127.0.0.1:{server.getsockname()[1]}/0"
        with running(replace(settings, rate_limit=True, redis_url=url)) as app:
            answers = [at(app, till).accrue(card, 100) for _ in range(50)]

        assert {answer.status_code for answer in answers} == {201}
        assert count_connections(server) == 1


def test_requests_are_counted_again_when_redis_is_back(
    settings: Settings, redis: Redis, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(rate_limits, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(rate_limits, "ANSWER_SECONDS_MAX", 0.5)
    bucket, limiter = uuid4().hex, RateLimiter(settings.redis_url)
    assert limiter.take(bucket, SLOW) == 9

    redis.client_pause(60_000, all=False)
    try:
        uncounted = [limiter.take(bucket, SLOW) for _ in range(3)]
    finally:
        redis.client_unpause()
    counted = limiter.take(bucket, SLOW)

    assert uncounted == [None] * 3
    assert counted is not None and 0 <= counted < 9
    assert len(outages(caplog)) == 2


def test_a_connection_that_redis_has_closed_is_no_outage(
    limiter: RateLimiter, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    bucket = uuid4().hex
    assert limiter.take(bucket, SLOW) == 9

    redis.client_kill_filter(_type="normal", skipme=True)

    assert limiter.take(bucket, SLOW) == 8
    assert outages(caplog) == []


def test_limits_can_be_switched_off(app: APIFlask, till: Till) -> None:
    assert app.extensions["rate_limiter"] is None
    assert "RateLimit" not in till.call("GET", "/v1/transfers").headers


@pytest.mark.parametrize(("value", "expected"), [("", True), ("on", True), ("off", False)])
def test_the_environment_says_whether_there_are_limits(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, value: str, expected: bool
) -> None:
    set_environment(monkeypatch.setenv, settings, value)

    assert load_settings().rate_limit is expected


def test_a_setting_that_is_neither_on_nor_off_is_refused(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(monkeypatch.setenv, settings, "0")

    with pytest.raises(InvalidInput, match="CLEARINGHOUSE_RATE_LIMIT must be on or off"):
        load_settings()


def set_environment(setenv: Callable[[str, str], None], settings: Settings, rate_limit: str) -> None:
    setenv("DATABASE_URL", settings.database_url)
    setenv("REDIS_URL", settings.redis_url)
    setenv("CLEARINGHOUSE_VAR", str(settings.var))
    setenv("CLEARINGHOUSE_RATE_LIMIT", rate_limit)


def test_nothing_is_logged_while_redis_answers(
    limited: APIFlask, till: Till, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    at(limited, till).call("GET", "/v1/transfers")

    assert outages(caplog) == []
