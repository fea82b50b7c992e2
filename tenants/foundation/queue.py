"""The job queue. Jobs take ids only, are safe to run twice, and are put in after what they need is committed."""

from __future__ import annotations

from flask import current_app
from redis import Redis
from rq import Queue

QUEUE_NAME = "clearinghouse"


def job_queue(name: str = QUEUE_NAME) -> Queue:
    return Queue(name, connection=Redis.from_url(current_app.config["SETTINGS"].redis_url))
