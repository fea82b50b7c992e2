"""`clearinghouse serve` as a user runs it: real processes, a real port."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

from apiflask import APIFlask

from tenants.foundation.config import Settings
from tenants.foundation.lifetimes import children_of
from tests.foundation.test_logs import cli
from tests.observability.serving import Serving, free_port, serving
from tests.waiting import wait_until


def test_http_jobs_and_scheduler_run_together_and_stop_together(
    app: APIFlask, settings: Settings, tmp_path: Path
) -> None:
    with serving(settings, tmp_path) as started:
        children = children_of(started.process.pid)
        started.tell()

        assert started.wait() == 128 + signal.SIGTERM
    assert len(children) == 4
    assert started.processes() == []


def test_nothing_keeps_the_port_after_a_kill(app: APIFlask, settings: Settings, tmp_path: Path) -> None:
    port = str(free_port())
    with serving(settings, tmp_path, port=port) as started:
        started.tell(signal.SIGKILL)
        wait_until(lambda: started.processes() == [])

    with serving(settings, tmp_path, port=port) as following:
        assert following.is_ready()


def test_without_redis_the_scheduler_says_so_in_one_line(settings: Settings) -> None:
    done = cli(
        "scheduler", DATABASE_URL=settings.database_url, REDIS_URL="redis://127.0.0.1:1/0", CLEARINGHOUSE_LOG="text"
    )

    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("error: Redis can't be reached: ")


def test_a_port_in_use_is_told_in_one_line(app: APIFlask, settings: Settings, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        started = Serving(settings, tmp_path, port=str(port), CLEARINGHOUSE_LOG="text")

        assert started.wait() == 1
    assert started.log.read_text().splitlines() == [
        f"error: Can't listen on 127.0.0.1:{port} (Address already in use): stop what is there, or use --port."
    ]
