"""`clearinghouse serve` as a process of its own, found again by a mark that all its descendants inherit."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen
from uuid import uuid4

from tenants.foundation.config import Settings
from tests.conftest import ROOT
from tests.waiting import wait_until

# A machine that is busy with other tests takes its time.
SECONDS_MAX = 120
MARK = "CLEARINGHOUSE_TEST_MARK"


def is_running(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


def command_line(pid: int) -> str:
    """Nothing of a process that has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        found: int = probe.getsockname()[1]
        return found


class Serving:
    """`lines` are those of the log so far."""

    def __init__(
        self, settings: Settings, folder: Path, *options: str, port: str | None = None, **environment: str
    ) -> None:
        self.mark = uuid4().hex
        self.port = int(port or free_port())
        self.log = folder / f"{self.mark}.log"
        variables = {
            **os.environ,
            "DATABASE_URL": settings.database_url,
            "REDIS_URL": settings.redis_url,
            "CLEARINGHOUSE_VAR": str(settings.var),
            "CLEARINGHOUSE_LOG": "json",
            "CLEARINGHOUSE_RATE_LIMIT": "off",
            "CLEARINGHOUSE_SECRET_KEY": "x" * 64,
            MARK: self.mark,
            **environment,
        }
        given = ["--port", str(self.port), "--workers", "1", "--metrics", "off", *options]
        command = [sys.executable, "-m", "cli", "serve", *given]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=log, stderr=log)

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def is_ready(self) -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except (URLError, ConnectionError, TimeoutError):
            return False

    def processes(self) -> list[int]:
        """Those that are running, `serve` and whatever came from it."""
        return [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if self.owns(entry)]

    def owns(self, entry: Path) -> bool:
        with suppress(OSError):
            return f"{MARK}={self.mark}".encode() in (entry / "environ").read_bytes()
        return False

    def tell(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        return self.process.wait(SECONDS_MAX)


@contextmanager
def serving(settings: Settings, folder: Path, *options: str, port: str | None = None) -> Iterator[Serving]:
    """Ready, and nothing of it is left afterwards."""
    started = Serving(settings, folder, *options, port=port)
    try:
        wait_until(lambda: started.is_ready() or started.process.poll() is not None)
        assert started.process.poll() is None, started.log.read_text()
        yield started
    finally:
        started.tell()
        started.wait()
        for pid in started.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
