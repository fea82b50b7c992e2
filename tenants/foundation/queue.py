"""The job queue. Jobs take ids only, are safe to run twice, and are put in after what they need is committed."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from flask import current_app
from redis import Redis
from rq import Queue, cron_scheduler_registry, worker_registration
from rq.utils import as_text, utcparse
from rq.worker import Worker

QUEUE_NAME = "clearinghouse"


def job_queue(name: str = QUEUE_NAME) -> Queue:
    return Queue(name, connection=Redis.from_url(current_app.config["SETTINGS"].redis_url))


def silence_of_workers(connection: Redis, queues: Collection[str], now: datetime) -> dict[str, list[float]]:
    """By queue, for how many seconds each of its workers has said nothing."""
    silent: dict[str, list[float]] = {name: [] for name in queues}
    for name in worker_registration.get_keys(connection=connection):
        key = f"{Worker.redis_worker_namespace_prefix}{name.removeprefix(Worker.redis_worker_namespace_prefix)}"
        heard, served = connection.hmget(key, "last_heartbeat", "queues")
        if heard and served:
            seconds = (now - utcparse(as_text(heard))).total_seconds()
            for queue in silent.keys() & set(as_text(served).split(",")):
                silent[queue].append(seconds)
    return silent


def silence_of_scheduler(connection: Redis, now: datetime) -> float | None:
    """For how many seconds no scheduler has said anything; None when there is none."""
    newest = connection.zrange(cron_scheduler_registry.get_registry_key(), -1, -1, withscores=True)
    return now.timestamp() - float(newest[0][1]) if newest else None
