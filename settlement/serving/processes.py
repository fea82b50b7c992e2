"""What `serve` runs: the HTTP server, a job worker and the scheduler, each a process of its own."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis import Redis
from rq import Queue, Worker
from rq.cron import CronScheduler
from rq.job import Job

from clearinghouse.webhooks.jobs import FAST, QUEUES
from settlement.serving.jobs import FREQUENT, PERIODIC
from tenants.foundation import embedded
from tenants.foundation.calls import calls
from tenants.foundation.config import embedded_servers
from tenants.foundation.database import db
from tenants.foundation.database_errors import explain_database_error, first_line
from tenants.foundation.errors import ClearinghouseError, Unavailable
from tenants.foundation.queue import QUEUE_NAME, job_queue

log = logging.getLogger(__name__)

POLL_SECONDS = 0.5
RESTART_SECONDS = 2.0
# An HTTP server that gives up sooner has never served. Later it does so too, when one of its workers was killed twice
# within seconds.
HTTP_SECONDS_MIN = 10.0
REVIVE_SECONDS = 1.0
REVIVE_SECONDS_AFTER_FAILURE = 5.0
# A worker finishes the job it is at; the HTTP server the requests it has.
STOP_SECONDS_MAX = 30.0
# How often a worker looks for jobs whose worker was killed, which are then done again. RQ's own 10 minutes are long
# for whoever waits for statements.
MAINTENANCE_SECONDS = 60


class PortInUse(ClearinghouseError):
    code = "port_in_use"


@dataclass
class Child:
    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes]
    started_at: float


class ForkingWorker(Worker):
    """Runs each job in a fork, which must not use the connections it was born with: they are its parent's."""

    def main_work_horse(self, job: Job, queue: Queue) -> None:
        db.engine.dispose(close=False)
        calls().engine.dispose(close=False)
        super().main_work_horse(job, queue)

    def handle_exception(self, job: Job, *exc_info: Any) -> None:
        """A database that is away is told in one line: jobs fail every few seconds for as long as it lasts."""
        explained = explain_database_error(exc_info[1])
        if isinstance(explained, Unavailable):
            log.warning("the job %s failed: %s: %s", job.func_name, explained.code, first_line(exc_info[1]))
        else:
            super().handle_exception(job, *exc_info)


def run_worker(burst: bool, only_webhooks: bool = False) -> None:
    """Every queue, or those of webhooks only; the first with a job comes first."""
    names = QUEUES if only_webhooks else (QUEUE_NAME, *QUEUES)
    queues = [job_queue(name) for name in names]
    worker = ForkingWorker(queues, connection=queues[0].connection, maintenance_interval=MAINTENANCE_SECONDS)
    worker.work(burst=burst, logging_level="WARNING")


def run_scheduler() -> None:
    connection: Redis = job_queue().connection
    scheduler = CronScheduler(connection=connection, logging_level=logging.WARNING)
    for job, cron in PERIODIC:
        scheduler.register(job, QUEUE_NAME, cron=cron)
    for job, seconds in FREQUENT:
        # One that nobody has taken by the time the next ones come is not needed any more.
        scheduler.register(job, FAST, interval=seconds, ttl=seconds * 3, result_ttl=0)
    scheduler.start()


class EmbeddedServers:
    """PostgreSQL and Redis of this installation, where the environment names no others."""

    def __init__(self, var: Path) -> None:
        self.var = var
        self.look_again_at = 0.0

    def look_after(self) -> None:
        """Start again what has died. What does not start, on a full disk say, is tried again for ever."""
        if time.monotonic() < self.look_again_at:
            return
        try:
            revived = embedded.revive(self.var, **embedded_servers())
            pause = REVIVE_SECONDS
        except embedded.EmbeddedServerError as error:
            log.error("%s", error)
            revived, pause = [], REVIVE_SECONDS_AFTER_FAILURE
        if revived:
            log.warning("%s had ended; started again", " and ".join(revived))
        self.look_again_at = time.monotonic() + pause


def check_port(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortInUse(
                f"Can't listen on {host}:{port} ({error.strerror}): stop what is there, or use --port."
            ) from error


def http_command(host: str, port: int, workers: int, threads: int) -> list[str]:
    options = [
        "--interface",
        "wsgi",
        "--factory",
        "--no-ws",
        "--respawn-failed-workers",
        "--log-level",
        "warning",
    ]
    where = [
        "--host",
        host,
        "--port",
        str(port),
        "--workers",
        str(workers),
        "--blocking-threads",
        str(threads),
    ]
    # Threads that share their memory arenas give more of a large batch's memory back.
    return ["env", "MALLOC_ARENA_MAX=2", sys.executable, "-m", "granian", *options, *where, "cli:make_http_app"]


def cli_command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "cli", *arguments]


def serve_until_told(commands: dict[str, list[str]], var: Path) -> None:
    """Run until SIGTERM or Ctrl-C. What ends is started again, the embedded servers under `var` too; but not an HTTP
    server that gives up at once: something that a restart does not mend is wrong then."""
    children = [Child(name, command, start(command), time.monotonic()) for name, command in commands.items()]
    servers = EmbeddedServers(var)
    try:
        while True:
            time.sleep(POLL_SECONDS)
            servers.look_after()
            for child in children:
                if child.process.poll() is not None:
                    replace_or_raise(child)
    except KeyboardInterrupt:
        log.info("stopping")
    finally:
        stop(children)


def start(command: Sequence[str]) -> subprocess.Popen[bytes]:
    """A child that the kernel tells to stop when this process is gone, even by kill -9: nothing keeps the port."""
    return subprocess.Popen(["setpriv", "--pdeathsig", "TERM", *command])


def replace_or_raise(child: Child) -> None:
    status, lived_seconds = child.process.returncode, time.monotonic() - child.started_at
    if child.name == "http" and status >= 0 and lived_seconds < HTTP_SECONDS_MIN:
        raise ClearinghouseError(f"The HTTP server ended with status {status}; see above.")
    log.warning("the %s ended with status %s; starting it again", child.name, status)
    time.sleep(RESTART_SECONDS)
    child.process, child.started_at = start(child.command), time.monotonic()


def stop(children: Sequence[Child]) -> None:
    for child in children:
        child.process.terminate()
    deadline = time.monotonic() + STOP_SECONDS_MAX
    for child in children:
        try:
            child.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            log.warning("the %s did not stop in time; killing it", child.name)
            child.process.kill()
            child.process.wait()
