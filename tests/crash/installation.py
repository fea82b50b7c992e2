"""An installation of its own, as a user runs it: a folder, `clearinghouse serve` with all its processes, and the
means to kill each of them."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from apiflask import APIFlask

from clearinghouse.app import create_app
from clearinghouse.networks.setup import set_up_database
from settlement.blueprints import BLUEPRINTS
from tenants.foundation import embedded
from tenants.foundation.config import Settings
from tenants.foundation.database import db
from tenants.foundation.lifetimes import children_of
from tenants.foundation.secret_key import load_secret_key
from tests.conftest import ROOT
from tests.observability.serving import command_line, free_port
from tests.waiting import SECONDS_MAX, wait_until

HTTP_WORKERS = 2


def kill(pids: list[int], number: int = signal.SIGKILL) -> None:
    assert pids, "there was nothing to kill"
    for pid in pids:
        # It may have ended since it was found.
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def parent_of(pid: int) -> int | None:
    """None if it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    return int(status.partition("PPid:")[2].split(maxsplit=1)[0])


class Installation:
    """`app` is an application in the test's own process, on the same servers. `log` is what `serve` says."""

    def __init__(self, var: Path, log: Path, environment: dict[str, str]) -> None:
        self.var, self.log, self.port = var, log, free_port()
        named = ("DATABASE_URL", "REDIS_URL")
        inherited = {name: value for name, value in os.environ.items() if name not in named}
        own = {"CLEARINGHOUSE_VAR": str(var), "CLEARINGHOUSE_WEBHOOKS_TO_PRIVATE": "1"}
        self.environment = {**inherited, **own, **environment}
        self.app = self.own_app()
        self.process: subprocess.Popen[bytes] | None = None

    def own_app(self) -> APIFlask:
        servers = embedded.start(self.var)
        assert servers.database_url and servers.redis_url
        urls, secret_key = (servers.database_url, servers.redis_url), load_secret_key(self.var)
        app = create_app(Settings(*urls, self.var, secret_key, webhooks_to_private=True), BLUEPRINTS)
        with app.app_context():
            set_up_database()
        return app

    # ------------------------------------------------------------- `serve`

    def start(self) -> None:
        command = [sys.executable, "-m", "cli", "serve", "--port", str(self.port), "--workers", str(HTTP_WORKERS)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=log, stderr=log)
        self.wait_until_ready()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(SECONDS_MAX)

    def wait_until_ready(self) -> None:
        wait_until(self.is_ready_or_ended, "serve is ready again")
        assert self.process is not None and self.process.poll() is None, self.log.read_text()[-2000:]

    def is_ready_or_ended(self) -> bool:
        return self.is_ready() or (self.process is not None and self.process.poll() is not None)

    def wait_until_whole(self) -> None:
        """Everything that `serve` runs is back, and nothing else is left."""
        self.wait_until_ready()
        wait_until(lambda: len(self.http_workers()) == HTTP_WORKERS, "all HTTP workers are back")
        wait_until(
            lambda: bool(self.job_worker() and self.webhook_worker() and self.scheduler()),
            "workers and scheduler are back",
        )
        wait_until(lambda: not self.left_behind(), "nothing is left of what was killed")

    def is_ready(self) -> bool:
        """With its queue."""
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5) as answer:
                return b'"queue":"ready"' in answer.read()
        except (URLError, OSError):
            return False

    def run(self, *words: str) -> subprocess.Popen[str]:
        """`clearinghouse` with these words, as a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "cli", *words],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def logs(self) -> list[Path]:
        """Of `serve`, PostgreSQL and Redis."""
        return [path for path in (self.log, *sorted((self.var / "log").glob("*.log"))) if path.exists()]

    def mark(self) -> dict[Path, int]:
        """How long the logs are."""
        return {path: path.stat().st_size for path in self.logs()}

    def said_since(self, mark: dict[Path, int]) -> str:
        parts = [path.read_bytes()[mark.get(path, 0) :] for path in self.logs()]
        return b"\n".join(parts).decode(errors="replace")

    # ------------------------------------------------------------- its processes

    @property
    def parent(self) -> int:
        assert self.process is not None
        return self.process.pid

    def child(self, pattern: str) -> list[int]:
        return [pid for pid in children_of(self.parent) if re.search(pattern, command_line(pid))]

    def http_server(self) -> list[int]:
        return self.child("-m settlement.serving.http_server")

    def http_workers(self) -> list[int]:
        found = [child for server in self.http_server() for child in children_of(server)]
        return [pid for pid in found if "resource_tracker" not in command_line(pid)]

    def left_behind(self) -> list[int]:
        """What is left of HTTP servers that were killed, and would go on answering on their port."""
        living = {*self.http_server(), *(child for server in self.http_server() for child in children_of(server))}
        everybody = (int(entry.name) for entry in Path("/proc").glob("[0-9]*"))
        return [pid for pid in everybody if pid not in living and f"--port {self.port} " in command_line(pid) + " "
                and "http_server" in command_line(pid)]  # fmt: skip

    def job_worker(self) -> list[int]:
        return self.child("-m cli worker $")

    def webhook_worker(self) -> list[int]:
        return self.child("--only-webhooks")

    def scheduler(self) -> list[int]:
        return self.child("-m cli scheduler")

    def everything(self) -> list[int]:
        """That `serve` runs, and `serve`."""
        found = [self.parent]
        for pid in found:
            found += children_of(pid)
        return found

    def postmaster(self) -> list[int]:
        """Without a backend that it has just forked: it is called the same until it has a name of its own."""
        found = embedded._postmasters(self.var)
        return [pid for pid in found if parent_of(pid) not in (None, *found)]

    def backends(self) -> list[int]:
        """Those with a connection of somebody."""
        return [pid for pid in embedded._postgres_children(self.var) if "[local]" in command_line(pid)]

    def all_of_postgresql(self) -> list[int]:
        return self.postmaster() + embedded._postgres_children(self.var)

    def redis(self) -> list[int]:
        return embedded._redis_servers(self.var)


@contextmanager
def an_installation(folder: Path | None = None, **environment: str) -> Iterator[Installation]:
    """Serving; removed at the end. In `folder`, or one of its own that PostgreSQL's user can enter."""
    own = Path(tempfile.mkdtemp(prefix="crash-", dir="/tmp"))
    own.chmod(0o755)
    var = ((folder or own) / "var").resolve()
    found = None
    try:
        found = Installation(var, own / "serve.log", environment)
        found.start()
        yield found
    finally:
        if found is not None:
            found.stop()
            found.app.extensions["calls"].engine.dispose()
            with found.app.app_context():
                db.session.remove()
                db.engine.dispose()
        embedded.leave(var)
        embedded.destroy(var)
        shutil.rmtree(own)
