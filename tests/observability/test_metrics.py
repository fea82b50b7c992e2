"""What Prometheus is told, where, and what it is told when something is down."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from uuid import UUID, uuid4

import pytest
from apiflask import APIFlask
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis
from rq import Queue

from clearinghouse.webhooks.service import create_endpoint
from settlement.exposure.service import set_cap
from settlement.metrics.collecting import Installation
from settlement.metrics.rules import months_to_close
from settlement.metrics.server import CountsOfWorkers
from tenants.foundation.config import Settings
from tenants.foundation.queue import QUEUE_NAME
from tests.conftest import NetworkForTests, Till
from tests.observability.serving import Serving, free_port, serving
from tests.waiting import wait_until

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]

HANGING = "postgresql://nobody@127.0.0.1:{port}/nothing"
CASES = [
    (date(2026, 11, 1), date(2026, 11, 30), 3, 0),
    (date(2026, 11, 1), date(2026, 12, 3), 3, 0),
    (date(2026, 11, 1), date(2026, 12, 4), 3, 1),
    (date(2026, 9, 1), date(2026, 12, 4), 3, 3),
    (date(2026, 11, 1), date(2026, 12, 1), 0, 1),
]


@pytest.mark.parametrize(("first_open", "today", "grace_days", "months"), CASES)
def test_months_should_be_closed_after_their_days_of_grace(
    first_open: date, today: date, grace_days: int, months: int
) -> None:
    assert months_to_close(first_open, today, grace_days) == months


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def found_by(settings: Settings) -> Callable[..., float | None]:
    """As things are now."""
    samples = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in Installation(settings).collect()
        for sample in family.samples
    }
    return lambda name, **labels: samples.get((f"clearinghouse_{name}", tuple(sorted(labels.items()))))


def test_requests_are_counted_by_template_never_by_path(till: Till, card: str) -> None:
    labels = {"method": "GET", "route": "/v1/cards/{number}", "status": "200"}
    before = counted("clearinghouse_http_request_duration_seconds_count", **labels)

    till.balance(card)

    assert counted("clearinghouse_http_request_duration_seconds_count", **labels) == before + 1


def test_what_nobody_serves_is_counted_under_one_name(app: APIFlask) -> None:
    labels = {"method": "OTHER", "route": "(none)", "status": "404"}
    before = counted("clearinghouse_http_request_duration_seconds_count", **labels)

    app.test_client().open(f"/{uuid4().hex}", method="BREW")

    assert counted("clearinghouse_http_request_duration_seconds_count", **labels) == before + 1


def test_events_are_counted_by_kind_and_outcome_and_refusals_by_code(till: Till, card: str) -> None:
    def now() -> list[float]:
        return [
            counted("clearinghouse_postings_total", kind="accrual", outcome="posted"),
            counted("clearinghouse_postings_total", kind="accrual", outcome="replayed"),
            counted("clearinghouse_postings_total", kind="redemption", outcome="refused"),
            counted("clearinghouse_refusals_total", code="insufficient_points"),
            counted("clearinghouse_batch_refusals_total", code="invalid_kind"),
        ]

    before = now()

    till.accrue(card, 1000, order_ref="o-1", key="k-1")
    till.accrue(card, 1000, order_ref="o-1", key="k-1")
    till.redeem(card, 1_000_000)
    till.call("POST", "/v1/batches", {"events": [{"kind": "nonsense"}]})

    assert [after - was for after, was in zip(now(), before, strict=True)] == [1, 1, 1, 1, 1]


def test_a_network_is_told_by_its_code(
    context: APIFlask, settings: Settings, make_network: Callable[..., NetworkForTests]
) -> None:
    today = date.today()
    network = make_network(opened_on=today - timedelta(days=100), close_grace_days=3)
    till, card = network.add_till("A"), network.add_card()
    create_endpoint(network.tenant_id, "https://93.184.215.14/hook")
    till.accrue(card, 1000)
    set_cap(network.tenant_id, "A", 1, "test")

    found = found_by(settings)

    assert found("database_up") == 1
    assert (found("open_month_age_seconds", network=network.code) or 0) > 95 * 24 * 3600
    assert (found("months_overdue", network=network.code, step="close") or 0) >= 2
    assert found("months_overdue", network=network.code, step="approve") == 0
    assert found("exposure_stores", network=network.code, level="reached") == 1
    assert (found("webhook_events", network=network.code, step="outbox") or 0) >= 1
    assert (found("webhook_age_seconds", network=network.code, step="outbox") or -1) >= 0
    assert found("months_unsettled", network=network.code) == 0


def test_closed_months_are_told_until_they_are_settled(
    context: APIFlask, settings: Settings, make_network: Callable[..., NetworkForTests]
) -> None:
    network = make_network(opened_on=date(2026, 1, 1))
    network.add_till("A")

    network.close(date(2026, 1, 1))
    closed = found_by(settings)
    network.settle(date(2026, 1, 1))
    approved = found_by(settings)

    assert closed("months_unsettled", network=network.code) == 1
    assert closed("months_overdue", network=network.code, step="approve") == 1
    assert approved("months_overdue", network=network.code, step="approve") == 0


def test_a_job_that_waits_ages(context: APIFlask, settings: Settings) -> None:
    with Redis.from_url(settings.redis_url) as connection:
        queue = Queue(QUEUE_NAME, connection=connection)
        try:
            before = found_by(settings)("queue_jobs", queue=QUEUE_NAME, state="waiting") or 0
            queue.enqueue("time.sleep", 0)
            found = found_by(settings)
        finally:
            queue.empty()

    assert found("redis_up") == 1
    assert found("queue_jobs", queue=QUEUE_NAME, state="waiting") == before + 1
    assert (found("queue_age_seconds", queue=QUEUE_NAME) or -1) >= 0


def test_partitions_and_clocks_are_told(app: APIFlask, settings: Settings) -> None:
    found = found_by(settings)

    assert (found("partitions_ahead_months") or 0) >= 1
    assert found("clock_difference_seconds") == 0


def test_metrics_survive_a_database_and_a_redis_that_are_down(settings: Settings) -> None:
    found = found_by(
        replace(settings, database_url="postgresql://nobody@127.0.0.1:1/nothing", redis_url="redis://127.0.0.1:1/0")
    )

    assert (found("database_up"), found("redis_up")) == (0, 0)
    assert (found("disk_free_bytes") or 0) > 0


def test_metrics_survive_a_database_that_hangs(settings: Settings, silent_port: int) -> None:
    found = found_by(replace(settings, database_url=HANGING.format(port=silent_port)))

    assert found("database_up") == 0


def test_a_file_that_a_worker_is_just_making_fails_no_scrape(tmp_path: Path) -> None:
    (tmp_path / "counter_1.db").touch()

    assert list(CountsOfWorkers(CollectorRegistry(), tmp_path).collect()) == []


def read(port: int) -> Samples:
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def metrics_port() -> int:
    return free_port()


@pytest.fixture
def served(app: APIFlask, settings: Settings, metrics_port: int, tmp_path: Path) -> Iterator[Serving]:
    with serving(settings, tmp_path, "--workers", "2", "--metrics", f"127.0.0.1:{metrics_port}") as started:
        yield started


def test_workers_counts_are_added_up_at_an_address_apart(
    served: Serving, metrics_port: int, network: NetworkForTests, settings: Settings
) -> None:
    for _ in range(20):
        asked = Request(
            f"http://127.0.0.1:{served.port}/v1/transfers",
            headers={"Authorization": f"Bearer {network.tills['A'].key}"},
        )
        urlopen(asked, timeout=30).close()

    name = "clearinghouse_http_request_duration_seconds_count"
    key = (name, (("method", "GET"), ("route", "/v1/transfers"), ("status", "200")))
    wait_until(lambda: read(metrics_port).get(key) == 20)
    # Two workers of sixteen each, whichever of them is up first; those of jobs come later than HTTP.
    wait_until(lambda: read(metrics_port).get(("clearinghouse_database_pool_size", (("pool", "postings"),))) == 32)
    wait_until(lambda: read(metrics_port)["clearinghouse_workers", (("queue", QUEUE_NAME),)] >= 1)
    samples = read(metrics_port)
    with pytest.raises(HTTPError) as refused:
        urlopen(f"http://127.0.0.1:{served.port}/metrics", timeout=30)
    refused.value.close()
    assert refused.value.code == 404
    assert_bounded(samples, network.tenant_id)


def assert_bounded(samples: Samples, tenant_id: UUID) -> None:
    """Labels hold neither ids nor numbers."""
    values = {value for _, labels in samples for _, value in labels}
    assert len(samples) > 50
    assert not [value for value in values if re.search(r"[0-9]{10}|_[0-9a-z]{26}|-[0-9a-f]{12}$", value)]


def test_a_port_for_metrics_that_is_in_use_is_told_in_one_line(
    app: APIFlask, settings: Settings, served: Serving, metrics_port: int, tmp_path: Path
) -> None:
    second = Serving(settings, tmp_path, "--metrics", f"127.0.0.1:{metrics_port}")

    assert second.wait() == 1
    [told] = [line for line in second.lines if line["level"] == "CRITICAL"]
    assert (told["code"], told["message"].startswith(f"Can't listen on 127.0.0.1:{metrics_port}")) == (
        "port_in_use",
        True,
    )
