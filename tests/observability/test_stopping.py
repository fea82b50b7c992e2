"""How `serve` ends: what it began is finished, and no process is left, whenever the signal comes."""

from __future__ import annotations

import os
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from apiflask import APIFlask
from redis import Redis
from rq import Queue
from rq.job import Job
from sqlalchemy import Engine, text

from tenants.foundation.config import Settings
from tenants.foundation.lifetimes import children_of
from tenants.foundation.queue import QUEUE_NAME
from tests.conftest import NetworkForTests
from tests.observability.serving import Serving, command_line, serving
from tests.waiting import wait_until

ROUNDS = 6
# By then everything has been started, and everything answers.
START_SECONDS = 6.0


@pytest.fixture
def jobs(settings: Settings) -> Queue:
    with Redis.from_url(settings.redis_url) as connection:
        queue = Queue(QUEUE_NAME, connection=connection)
        yield queue
        queue.empty()


def is_started(job: Job) -> bool:
    return str(job.get_status().value) == "started"


def test_a_signal_at_any_moment_of_the_start_leaves_no_process(
    app: APIFlask, settings: Settings, tmp_path: Path
) -> None:
    for _ in range(ROUNDS):
        seconds = random.uniform(0, START_SECONDS)
        started = Serving(settings, tmp_path)
        time.sleep(seconds)

        started.tell()
        status = started.wait()

        assert status in (128 + signal.SIGTERM, -signal.SIGTERM), (seconds, status, started.log.read_text())
        wait_until(lambda started=started: started.processes() == [], seconds_max=10)


def test_a_signal_while_the_workers_of_the_http_server_load_leaves_none(
    app: APIFlask, settings: Settings, tmp_path: Path
) -> None:
    """They have their parent's handlers of signals at first: what stops them must not be taken for their parent's."""
    started = Serving(settings, tmp_path)
    wait_until(lambda: any(children_of(pid) for pid in children_of(started.process.pid) if is_http_server(pid)))

    started.tell()

    assert started.wait() == 128 + signal.SIGTERM
    assert started.processes() == []


def test_a_request_that_was_begun_is_answered(
    app: APIFlask, settings: Settings, owner: Engine, network: NetworkForTests, tmp_path: Path
) -> None:
    key = network.tills["A"].key
    with serving(settings, tmp_path) as started, ThreadPoolExecutor(1) as pool, owner.connect() as connection:
        connection.execute(text("LOCK TABLE tenants.credentials IN ACCESS EXCLUSIVE MODE"))
        asked = Request(
            f"http://127.0.0.1:{started.port}/v1/transfers",
            headers={"Authorization": f"Bearer {key}", "X-Request-Id": "begun"},
        )
        answer = pool.submit(urlopen, asked, timeout=30)
        waiting = text(
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'tenants.credentials'::regclass"
        )
        wait_until(lambda: connection.scalar(waiting))

        started.tell()
        time.sleep(1)
        connection.rollback()

        assert answer.result(30).status == 200
        assert started.wait() == 128 + signal.SIGTERM
    assert [line["status"] for line in started.lines if line.get("request_id") == "begun"] == [200]


def test_a_job_that_was_begun_is_finished(app: APIFlask, settings: Settings, jobs: Queue, tmp_path: Path) -> None:
    with serving(settings, tmp_path) as started:
        job = jobs.enqueue("time.sleep", 3)
        wait_until(lambda: is_started(job))

        started.tell()
        started.wait()

    assert str(job.get_status().value) == "finished"
    ended = [line for line in started.lines if line.get("job_id") == job.id]
    assert [(line["function"], line["outcome"]) for line in ended] == [("time.sleep", "finished")]


def test_a_second_signal_puts_the_job_back(app: APIFlask, settings: Settings, jobs: Queue, tmp_path: Path) -> None:
    with serving(settings, tmp_path) as started:
        job = jobs.enqueue("time.sleep", 600)
        wait_until(lambda: is_started(job))

        started.tell()
        time.sleep(1.5)
        started.tell()
        started.wait()

    assert str(job.get_status().value) == "queued"
    assert jobs.get_job_ids()[:1] == [job.id]
    assert started.processes() == []


def test_a_kill_of_serve_ends_what_it_has_started(
    app: APIFlask, settings: Settings, jobs: Queue, tmp_path: Path
) -> None:
    with serving(settings, tmp_path) as started:
        wait_until(lambda: len(started.processes()) == 6)

        started.tell(signal.SIGKILL)

        wait_until(lambda: started.processes() == [])


def test_a_killed_http_server_takes_its_workers_along_and_is_started_again(
    app: APIFlask, settings: Settings, tmp_path: Path
) -> None:
    with serving(settings, tmp_path) as started:
        [server] = [pid for pid in children_of(started.process.pid) if is_http_server(pid)]
        workers = children_of(server)
        os.kill(server, signal.SIGKILL)

        wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))
        wait_until(started.is_ready)
    assert "the http ended with status -9; starting it again" in [line["message"] for line in started.lines]


def is_http_server(pid: int) -> bool:
    return "settlement.serving.http_server" in command_line(pid)
