"""What the log and Redis keep of a job that fails, and what a worker does of its own accord."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import uuid4

import pytest
from apiflask import APIFlask
from redis import Redis
from rq import Queue

from settlement.serving.worker import ForkingWorker
from tenants.foundation import logs
from tenants.foundation.config import Settings
from tenants.foundation.queue import QUEUE_NAME
from tests.foundation.test_logs import Lines
from tests.foundation.test_logs import lines as lines  # the fixture

NAME = "Ottoline Quarrington"


@pytest.fixture
def jobs(settings: Settings) -> Queue:
    """A queue that no other worker looks at."""
    with Redis.from_url(settings.redis_url) as connection:
        queue = Queue(f"{QUEUE_NAME}-{uuid4().hex[:6]}", connection=connection)
        yield queue
        queue.delete(delete_jobs=True)


def work(queue: Queue) -> None:
    ForkingWorker([queue], queue.connection).work(burst=True, logging_level="WARNING")


def test_of_a_job_that_fails_the_log_and_redis_tell_no_values(lines: Lines, context: APIFlask, jobs: Queue) -> None:
    job = jobs.enqueue("builtins.int", NAME)

    work(jobs)

    [failed, ended] = lines()
    assert (failed["level"], failed["message"], failed["job_id"]) == ("ERROR", "the job has failed", job.id)
    assert failed["stack"].endswith("ValueError")
    assert (ended["function"], ended["queue"], ended["outcome"]) == ("builtins.int", jobs.name, "failed")
    kept = job.latest_result().exc_string
    assert "ValueError" in kept
    assert NAME not in kept and NAME not in json.dumps(lines())


def test_a_job_that_is_done_has_one_line(lines: Lines, context: APIFlask, jobs: Queue) -> None:
    job = jobs.enqueue("time.sleep", 0)

    work(jobs)

    [line] = lines()
    assert (line["level"], line["job_id"], line["function"], line["outcome"]) == (
        "INFO",
        job.id,
        "time.sleep",
        "finished",
    )
    assert line["duration_ms"] > 0


def test_what_a_job_logs_says_which_job_it_is(lines: Lines, context: APIFlask, jobs: Queue, tmp_path: Path) -> None:
    job = jobs.enqueue("logging.error", "from inside")

    work(jobs)

    [inside] = [line for line in lines() if line["message"] == "from inside"]
    assert (inside["job_id"], inside["function"]) == (job.id, "logging.error")
    assert "job_id" not in logs.bound
