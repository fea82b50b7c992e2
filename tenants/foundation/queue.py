"""The job queue. Jobs take ids only, are safe to run twice, and are put in after what they need is committed.

A job knows for whom it was put in, so that the audit log can say so of what it does.
"""

from __future__ import annotations

from typing import Any

from flask import current_app
from redis import Redis
from rq import Queue
from rq.job import Job

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
