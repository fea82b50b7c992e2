"""What is found out when metrics are asked for, and not counted before: of the database, of Redis, of the machine.

Each part survives the outage of what it asks; then only `…_up` says so.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from threading import Lock

import psycopg2
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from redis import Redis, RedisError
from rq import Queue
from rq.exceptions import NoSuchJobError
from rq.job import Job

from clearinghouse.health.rules import clocks_apart, gone
from clearinghouse.health.service import weak_key
from clearinghouse.webhooks.jobs import QUEUES
from settlement.metrics.queries import NetworkNow, clock_of, last_partition, networks_now
from settlement.metrics.rules import months_to_close
from tenants.foundation import clock
from tenants.foundation.config import Settings
from tenants.foundation.months import month_of
from tenants.foundation.probes import DatabaseProbe, probing, redis_probe
from tenants.foundation.queue import QUEUE_NAME, silence_of_scheduler, silence_of_workers

log = logging.getLogger(__name__)

# For everything that is asked of the database. Prometheus waits for ten seconds.
DATABASE_SECONDS_MAX = 5.0
ALL_QUEUES = (QUEUE_NAME, *QUEUES)


class Installation(Collector):
    """Safe to share between threads: one looks, the others wait for their turn."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.turn = Lock()

    def collect(self) -> Iterable[Metric]:
        with self.turn:
            return [*self.of_database(), *self.of_redis(), *self.of_machine()]

    def describe(self) -> Iterable[Metric]:
        """Nothing, so that registering it asks nobody."""
        return []

    def of_database(self) -> Iterator[Metric]:
        families = NetworkFamilies()
        is_up = 1
        try:
            with probing(self.settings.database_url, DATABASE_SECONDS_MAX) as probe:
                yield from of_server(probe)
                for code, now in networks_now(probe):
                    families.add(code, now)
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            is_up = 0
            log.warning("the database could not be asked for metrics: %s", error)
        except psycopg2.Error:
            log.exception("the database did not understand what was asked for metrics")
        yield from families.all
        yield gauge("database_up", "Whether the database answered in time", is_up)

    def of_redis(self) -> Iterator[Metric]:
        try:
            with redis_probe(self.settings.redis_url) as connection:
                found = [*of_queues(connection), *of_workers(connection, clock.now())]
        except (OSError, RedisError) as error:
            log.warning("Redis could not be asked for metrics: %s", error)
            found = []
        yield from found
        yield gauge("redis_up", "Whether Redis answered in time", int(bool(found)))

    def of_machine(self) -> Iterator[Metric]:
        usage = shutil.disk_usage(self.settings.var)
        yield gauge("disk_free_bytes", "Room on the disk of CLEARINGHOUSE_VAR", usage.free)
        yield gauge("disk_size_bytes", "Size of the disk of CLEARINGHOUSE_VAR", usage.total)
        weaknesses = family("weaknesses", "What is wrong with how the installation is set up, by code", ["code"])
        for weakness in weak_key(self.settings):
            weaknesses.add_metric([weakness.code], 1)
        yield weaknesses


class NetworkFamilies:
    """A value of each for every network; the code of a network is its only label, beside a few fixed ones."""

    def __init__(self) -> None:
        self.open_month = family("open_month_age_seconds", "How long ago the oldest open month began", ["network"])
        self.unsettled = family("months_unsettled", "Closed months whose money is not all settled", ["network"])
        self.overdue = family(
            "months_overdue",
            "Months after the day on which they were to be closed, approved or paid",
            ["network", "step"],
        )
        self.exposure = family("exposure_stores", "Stores near their cap or at it", ["network", "level"])
        self.outbox = family(
            "webhook_events", "Events waiting to become deliveries, and to be delivered", ["network", "step"]
        )
        self.outbox_age = family("webhook_age_seconds", "How long the oldest of them has waited", ["network", "step"])

    @property
    def all(self) -> list[GaugeMetricFamily]:
        return list(vars(self).values())

    def add(self, code: str, now: NetworkNow) -> None:
        self.open_month.add_metric([code], now.open_month_age)
        self.unsettled.add_metric([code], now.unsettled)
        to_close = months_to_close(now.first_open_month, now.today, now.close_grace_days)
        steps = {"close": to_close, "approve": now.approvals_overdue, "pay": now.payments_overdue}
        for step, months in steps.items():
            self.overdue.add_metric([code, step], months)
        for level, stores in {"warning": now.stores_warned, "reached": now.stores_at_cap}.items():
            self.exposure.add_metric([code, level], stores)
        for step, events, age in (
            ("outbox", now.outbox, now.outbox_age),
            ("delivery", now.deliveries, now.deliveries_age),
        ):
            self.outbox.add_metric([code, step], events)
            self.outbox_age.add_metric([code, step], age or 0.0)


def of_server(probe: DatabaseProbe) -> Iterator[Metric]:
    before = time.time()
    apart = clocks_apart(clock_of(probe), before, time.time())
    yield gauge("clock_difference_seconds", "By how much the clocks of here and of the database differ", apart)
    last, this = last_partition(probe), month_of(clock.now().date())
    ahead = (last.year - this.year) * 12 + last.month - this.month if last else -1
    yield gauge("partitions_ahead_months", "Months to come for whose postings there is room", ahead)


def of_queues(connection: Redis) -> Iterator[Metric]:
    waiting = family("queue_jobs", "Jobs by queue and state", ["queue", "state"])
    age = family("queue_age_seconds", "How long the first job of the queue has waited", ["queue"])
    for name in ALL_QUEUES:
        queue = Queue(name, connection=connection)
        waiting.add_metric([name, "waiting"], queue.count)
        waiting.add_metric([name, "started"], queue.started_job_registry.get_job_count(cleanup=False))
        waiting.add_metric([name, "failed"], queue.failed_job_registry.get_job_count(cleanup=False))
        age.add_metric([name], age_of_first(queue, clock.now()))
    yield waiting
    yield age


def age_of_first(queue: Queue, now: datetime) -> float:
    for job_id in queue.get_job_ids(0, 1):
        try:
            job = Job.fetch(job_id, connection=queue.connection)
        except NoSuchJobError:
            continue  # A worker took it while we were looking, or its time was over.
        if job.enqueued_at is not None:
            return float((now - job.enqueued_at).total_seconds())
    return 0.0


def of_workers(connection: Redis, now: datetime) -> Iterator[Metric]:
    count = family("workers", "Workers that said something lately, by the queue they serve", ["queue"])
    heartbeat = family("worker_heartbeat_age_seconds", "How long ago the last of them said something", ["queue"])
    for queue, silent in silence_of_workers(connection, ALL_QUEUES, now).items():
        count.add_metric([queue], sum(not gone([seconds]) for seconds in silent))
        if silent:
            heartbeat.add_metric([queue], min(silent))
    yield count
    yield heartbeat
    silence = silence_of_scheduler(connection, now)
    yield gauge(
        "schedulers", "Whether a scheduler said something lately", int(silence is not None and not gone([silence]))
    )
    if silence is not None:
        yield gauge("scheduler_heartbeat_age_seconds", "How long ago the scheduler said something", silence)


def family(name: str, meaning: str, labels: list[str]) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"clearinghouse_{name}", meaning, labels=labels)


def gauge(name: str, meaning: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"clearinghouse_{name}", meaning, value=value)
