"""What /readyz tells an operator, and how soon."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from apiflask import APIFlask
from redis import Redis
from rq import cron_scheduler_registry, worker_registration
from sqlalchemy import Engine, text
from werkzeug.test import TestResponse

from clearinghouse.app import create_app
from clearinghouse.health import service
from clearinghouse.health.rules import clocks_apart, disk_nearly_full, gone
from clearinghouse.webhooks.jobs import FAST
from tenants.foundation.config import Settings
from tenants.foundation.database import db
from tenants.foundation.queue import QUEUE_NAME
from tests.test_faults import missing, running

GiB = 2**30
SILENCES = [([], True), ([3.0], False), ([400.0], True), ([400.0, 3.0], False), ([149.0], False), ([150.0], True)]
CLOCKS = [
    (100.0, 100.0, 100.1, 0.0),
    (100.05, 100.0, 100.1, 0.0),
    (90.0, 100.0, 100.1, 10.0),
    (160.1, 100.0, 100.1, 60.0),
]
DISKS = [
    (100 * GiB, 50 * GiB, False),
    (100 * GiB, 9 * GiB, True),
    (100 * GiB, 10 * GiB, False),
    (1000 * GiB, 21 * GiB, False),
    (1000 * GiB, 19 * GiB, True),
]


@pytest.mark.parametrize(("silent", "expected"), SILENCES)
def test_they_are_gone_when_all_have_been_silent_for_long(silent: list[float], expected: bool) -> None:
    assert gone(silent) is expected


@pytest.mark.parametrize(("there", "before", "after", "seconds"), CLOCKS)
def test_clocks_differ_by_what_the_question_did_not_take(
    there: float, before: float, after: float, seconds: float
) -> None:
    assert clocks_apart(there, before, after) == pytest.approx(seconds)


@pytest.mark.parametrize(("total", "free", "expected"), DISKS)
def test_a_disk_is_nearly_full_below_a_tenth_and_twenty_gibibytes(total: int, free: int, expected: bool) -> None:
    assert disk_nearly_full(total, free) is expected


def warnings(answer: TestResponse) -> list[str]:
    assert answer.status_code == 200, answer.json
    assert all(len(warning["detail"]) > 40 for warning in answer.json["warnings"])
    return [warning["code"] for warning in answer.json["warnings"]]


@pytest.fixture
def nobody(settings: Settings) -> Iterator[Redis]:
    """A Redis in which no worker and no scheduler is known."""
    with Redis.from_url(settings.redis_url) as connection:
        clear = (worker_registration.REDIS_WORKER_KEYS, cron_scheduler_registry.get_registry_key())
        connection.delete(*clear)
        yield connection
        connection.delete(*clear)


def register_worker(connection: Redis, name: str, queues: str) -> None:
    key = f"rq:worker:{name}"
    heard = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    connection.hset(key, mapping={"last_heartbeat": heard, "queues": queues})
    connection.expire(key, 60)
    connection.sadd(worker_registration.REDIS_WORKER_KEYS, key)


def test_without_workers_and_scheduler_it_is_ready_and_says_so(app: APIFlask, nobody: Redis) -> None:
    answer = app.test_client().get("/readyz")

    assert warnings(answer) == ["no_worker", "no_webhook_worker", "no_scheduler"]


def test_with_workers_and_scheduler_there_is_nothing_to_tell(app: APIFlask, nobody: Redis) -> None:
    register_worker(nobody, "a", f"{QUEUE_NAME},{FAST}")
    nobody.zadd(cron_scheduler_registry.get_registry_key(), {"s": time.time()})

    assert warnings(app.test_client().get("/readyz")) == []


def test_a_worker_for_webhooks_alone_is_not_enough(app: APIFlask, nobody: Redis) -> None:
    register_worker(nobody, "a", FAST)
    nobody.zadd(cron_scheduler_registry.get_registry_key(), {"s": time.time() - 1000})

    assert warnings(app.test_client().get("/readyz")) == ["no_worker", "no_scheduler"]


def test_a_full_disk_and_a_wrong_clock_are_told(
    app: APIFlask, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.var.mkdir(parents=True, exist_ok=True)
    monkeypatch.setattr(service, "disk_nearly_full", lambda total, free: True)
    monkeypatch.setattr(service, "clocks_apart", lambda there, before, after: 3600.0)

    told = warnings(app.test_client().get("/readyz"))

    assert {"clock_differs", "disk_nearly_full"} <= set(told)


def answer_in_time(settings: Settings) -> TestResponse:
    """There is one at all: what is asked for would never answer."""
    with running(settings) as app:
        return app.test_client().get("/readyz")


def test_a_database_that_hangs_is_told(settings: Settings, silent_port: int) -> None:
    hanging = replace(settings, database_url=f"postgresql://nobody@127.0.0.1:{silent_port}/nothing")

    answer = answer_in_time(hanging)

    assert missing(answer) == ["database_unavailable"]
    assert "did not answer within 1 s" in answer.json["missing"][0]["detail"]


def test_a_database_that_waits_for_a_lock_is_told(app: APIFlask, settings: Settings, owner: Engine) -> None:
    with owner.connect() as connection:
        connection.execute(text("LOCK TABLE public.alembic_version IN ACCESS EXCLUSIVE MODE"))

        assert missing(answer_in_time(settings)) == ["database_unavailable"]


def test_a_redis_that_hangs_is_told(app: APIFlask, settings: Settings, silent_port: int) -> None:
    answer = answer_in_time(replace(settings, redis_url=f"redis://127.0.0.1:{silent_port}/0"))

    assert (answer.json["queue"], "queue_unavailable" in warnings(answer)) == ("unavailable", True)


def test_the_way_the_secret_key_is_kept_is_not_told_to_everybody(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CLEARINGHOUSE_SECRET_KEY", raising=False)
    monkeypatch.setenv("DATABASE_URL", settings.database_url)
    (tmp_path / "secret.key").write_text("x" * 64)
    os.chmod(tmp_path / "secret.key", 0o644)
    careless = replace(settings, var=tmp_path)

    found = [weakness.code for weakness in service.weak_key(careless)]
    app = create_app(careless)
    answer = app.test_client().get("/readyz")
    with app.app_context():
        db.engine.dispose()

    assert found == ["secret_key_exposed", "secret_key_local"]
    assert "secret" not in answer.get_data(as_text=True)


def test_a_key_that_is_named_or_private_is_nothing_to_tell(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CLEARINGHOUSE_SECRET_KEY", raising=False)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    (tmp_path / "secret.key").touch(mode=0o600)

    assert list(service.weak_key(replace(settings, var=tmp_path))) == []
