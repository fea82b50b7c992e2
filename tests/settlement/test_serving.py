"""`clearinghouse serve` as a user runs it: real processes, a real port."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from apiflask import APIFlask

from tenants.foundation.config import Settings
from tests.conftest import ROOT

SECONDS_MAX = 30


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        found: int = probe.getsockname()[1]
        return found


@contextmanager
def serving(settings: Settings, port: int) -> Iterator[subprocess.Popen[str]]:
    environment = {
        **os.environ,
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "CLEARINGHOUSE_VAR": str(settings.var),
        "CLEARINGHOUSE_LOG": "text",
        "CLEARINGHOUSE_SECRET_KEY": "x" * 64,
    }
    command = [sys.executable, "-m", "cli", "serve", "--port", str(port), "--workers", "1", "--metrics", "off"]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=SECONDS_MAX)


def is_ready(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return answer.status == 200
    except (URLError, ConnectionError):
        return False


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS_MAX
    while not condition():
        assert time.monotonic() < deadline, "it did not come to it in time"
        time.sleep(0.1)


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_running(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


def test_http_jobs_and_scheduler_run_together_and_stop_together(app: APIFlask, settings: Settings, port: int) -> None:
    with serving(settings, port) as process:
        wait_until(lambda: is_ready(port))
        children = children_of(process.pid)

    assert len(children) == 4
    assert process.returncode == 128 + signal.SIGTERM
    assert not any(is_running(child) for child in children)


def test_nothing_keeps_the_port_after_a_kill(app: APIFlask, settings: Settings, port: int) -> None:
    with serving(settings, port) as process:
        wait_until(lambda: is_ready(port))
        children = children_of(process.pid)
        process.kill()

        wait_until(lambda: not any(is_running(child) for child in children))

    with serving(settings, port) as following:
        wait_until(lambda: is_ready(port))
        assert following.poll() is None


def test_without_redis_the_scheduler_says_so_in_one_line(app: APIFlask, settings: Settings) -> None:
    environment = {
        **os.environ,
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "CLEARINGHOUSE_VAR": str(settings.var),
    }

    ended = subprocess.run(
        [sys.executable, "-m", "cli", "scheduler"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 1
    [line] = ended.stderr.splitlines()
    assert line.startswith("error: Redis can't be reached: ")


def test_a_port_in_use_is_told_in_one_line(app: APIFlask, settings: Settings, port: int) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with serving(settings, port) as process:
            said, _ = process.communicate(timeout=SECONDS_MAX)

    assert process.returncode == 1
    assert said.strip().splitlines() == [
        f"error: Can't listen on 127.0.0.1:{port} (Address already in use): stop what is there, or use --port."
    ]
