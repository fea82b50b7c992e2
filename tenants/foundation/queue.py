"""The job queue. Jobs take ids only, are safe to run twice, and are put in after what they need is committed.

A job knows for whom it was put in, so that the audit log can say so of what it does.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from flask import current_app
from redis import Redis
from rq import Queue, cron_scheduler_registry, worker_registration
from rq.job import Job
from rq.utils import as_text, utcparse
from rq.worker import Worker

from tenants.audit.rules import safe
from tenants.foundation.acts import JOB, SCHEDULER, Act, current_act

QUEUE_NAME = "clearinghouse"

PUT_IN_FOR = "put_in_for"


class RememberingQueue(Queue):
    def create_job(self, *args: Any, **kwargs: Any) -> Job:
        job = super().create_job(*args, **kwargs)
        act = current_act()
        if act is not None:
            job.meta[PUT_IN_FOR] = act.shown_actor
        return job


def job_queue(name: str = QUEUE_NAME) -> Queue:
    return RememberingQueue(name, connection=Redis.from_url(current_app.config["SETTINGS"].redis_url))


def act_of(job: Job) -> Act:
    """What the audit log says of what a job does; the scheduler puts its own in without a word."""
    return Act(
        kind=JOB,
        actor=job.meta.get(PUT_IN_FOR, SCHEDULER),
        via=f"job {safe(job.id)}",
        action=str(job.func_name).rpartition(".")[2],
        content=repr(job.args).encode(),
    )


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
