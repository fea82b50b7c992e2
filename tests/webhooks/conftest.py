"""A receiver that really listens, and a queue with real workers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID

import pytest
from apiflask import APIFlask
from rq import Queue
from sqlalchemy import Engine, text

from clearinghouse.webhooks.jobs import QUEUES, carry_all
from settlement.serving.processes import ForkingWorker
from tenants.foundation.database import db, unit_of_work
from tenants.foundation.queue import job_queue
from tests.conftest import NetworkForTests

# How a receiver answers the call with this number, from 1: a status, or None to hang until it is told to stop.
Manners = Callable[[int], int | None]


@dataclass
class Received:
    """A call as it came: `status` is what it was answered, None when it was left hanging."""

    headers: dict[str, str]
    body: str
    status: int | None

    @property
    def event(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.body)
        return content

    @property
    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = self.event["data"]
        return data


@dataclass
class Receiver:
    """An HTTP server on a free port. Change `manners` to make it fail or hang."""

    manners: Manners = lambda number: 200
    answer: bytes = b"thank you"
    answer_headers: dict[str, str] = field(default_factory=dict)
    calls: list[Received] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)
    called: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    @property
    def port(self) -> int:
        port: int = self.server.server_address[1]
        return port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?shop=1"

    @property
    def accepted(self) -> list[Received]:
        return [call for call in self.calls if call.status == 200]

    def handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                with receiver.called:
                    status = receiver.manners(len(receiver.calls) + 1)
                    headers = {name.lower(): value for name, value in self.headers.items()}
                    receiver.calls.append(Received(headers | {"path": self.path}, body, status))
                    receiver.called.notify_all()
                if status is None:
                    receiver.stopped.wait()
                    self.close_connection = True
                    return
                with suppress(OSError):
                    self.send_response(status)
                    for name, value in receiver.answer_headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(receiver.answer)))
                    self.end_headers()
                    self.wfile.write(receiver.answer)

            def log_message(self, *arguments: Any) -> None:
                pass

        return Handler

    def wait_for_calls(self, count: int) -> None:
        with self.called:
            assert self.called.wait_for(lambda: len(self.calls) >= count, timeout=30), "it was not called"

    def stop(self) -> None:
        self.stopped.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def make_receiver() -> Iterator[Callable[..., Receiver]]:
    made: list[Receiver] = []

    def make(**options: Any) -> Receiver:
        made.append(Receiver(**options))
        return made[-1]

    yield make
    for receiver in made:
        receiver.stop()


@pytest.fixture
def receiver(make_receiver: Callable[..., Receiver]) -> Receiver:
    return make_receiver()


@pytest.fixture
def to_private(app: APIFlask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Receivers of tests listen on the loopback address."""
    settings = replace(app.config["SETTINGS"], webhooks_to_private=True)
    monkeypatch.setitem(app.config, "SETTINGS", settings)


@pytest.fixture
def empty_queues(context: APIFlask, owner: Engine) -> None:
    """Without what other tests have left: their networks are told nothing any more."""
    with owner.begin() as connection:
        connection.execute(text("UPDATE ledger.books SET events_wanted = false WHERE events_wanted"))
    for name in QUEUES:
        queue = job_queue(name)
        queue.empty()
        for job_id in queue.failed_job_registry.get_job_ids():
            queue.failed_job_registry.remove(job_id)


def make_webhook(network: NetworkForTests, url: str, **fields: Any) -> dict[str, Any]:
    """As the API shows it when it is made, `secret` included."""
    answer = network.hq("POST", "/v1/webhooks", {"url": url, **fields})
    assert answer.status_code == 201, answer.json
    made: dict[str, Any] = answer.json
    return made


def deliveries_of(network: NetworkForTests, webhook: dict[str, Any], status: str = "") -> list[dict[str, Any]]:
    """Oldest first."""
    only = f"&status={status}" if status else ""
    answer = network.hq("GET", f"/v1/webhooks/{webhook['webhook_id']}/deliveries?limit=500{only}")
    assert answer.status_code == 200, answer.json
    found: list[dict[str, Any]] = answer.json["deliveries"]
    return found[::-1]


def run_workers() -> None:
    """As the scheduler and a worker would: everything that is due now."""
    carry_all()
    queues = [job_queue(name) for name in QUEUES]
    ForkingWorker(queues, connection=queues[0].connection).work(burst=True, logging_level="WARNING")
    assert not [failure for queue in queues for failure in failures_in(queue)]


def failures_in(queue: Queue) -> list[str]:
    """The stack traces of jobs; a job whose worker was killed has none."""
    jobs = [queue.fetch_job(job_id) for job_id in queue.failed_job_registry.get_job_ids()]
    results = [job.latest_result() for job in jobs if job is not None]
    return [result.exc_string for result in results if result and "Traceback" in str(result.exc_string)]


def let_time_pass(tenant_id: UUID) -> None:
    """As if every wait were over: what is to be tried again is due, no endpoint rests."""
    with unit_of_work(tenant_id):
        db.session.execute(text("UPDATE webhooks.deliveries SET due_at = now() WHERE due_at IS NOT NULL"))
        db.session.execute(text("UPDATE webhooks.endpoints SET paused_until = NULL"))
