"""Workers that die in the middle, and two that do the same at once: every statement is there, whole, and once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest
from apiflask import APIFlask
from rq.registry import StartedJobRegistry

from settlement.reports.jobs import enqueue_documents
from settlement.serving.processes import ForkingWorker
from settlement.statements import jobs
from settlement.statements.documents import SettlementDocument
from settlement.statements.service import load_settlement, render_statements, statement_path
from tenants.foundation.config import Settings
from tenants.foundation.lifetimes import children_of
from tenants.foundation.queue import job_queue
from tenants.stores.service import create_stores
from tests.conftest import ROOT, NetworkForTests

JANUARY = date(2026, 1, 1)
STORES = 120


@pytest.fixture
def document(network: NetworkForTests, card: str) -> Iterator[SettlementDocument]:
    job_queue().empty()
    create_stores(network.tenant_id, [f"S{number:03d}" for number in range(STORES - 3)])
    network.tills["A"].accrue(card, 10000, occurred_at="2026-01-10T12:00:00Z")
    yield network.settle(JANUARY)
    job_queue().empty()


def codes_of(document: SettlementDocument) -> list[str]:
    return [line.store_code for line in document.stores]


def written(document: SettlementDocument) -> list[Path]:
    return sorted(statement_path(document, "A").parent.glob("*.pdf"))


def is_whole(path: Path) -> bool:
    content = path.read_bytes()
    return content.startswith(b"%PDF") and content.rstrip().endswith(b"%%EOF")


@contextmanager
def a_worker(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    environment = {
        **os.environ,
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "CLEARINGHOUSE_VAR": str(settings.var),
        "CLEARINGHOUSE_SECRET_KEY": settings.secret_key.decode(),
    }
    worker = subprocess.Popen([sys.executable, "-m", "cli", "worker", "--burst"], cwd=ROOT, env=environment)
    try:
        yield worker
    finally:
        worker.kill()
        worker.wait()


def kill_in_the_middle(worker: subprocess.Popen[bytes], document: SettlementDocument) -> int:
    """How many statements there were."""
    until = time.monotonic() + 60
    while len(written(document)) < 5:
        assert time.monotonic() < until and worker.poll() is None
        time.sleep(0.002)
    for process in [*children_of(worker.pid), worker.pid]:
        os.kill(process, signal.SIGKILL)
    worker.wait()
    return len(written(document))


def test_a_worker_killed_in_the_middle_is_gone_on_from(
    document: SettlementDocument, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "STATEMENTS_A_JOB", 1000)
    enqueue_documents(document.tenant_id, document)
    with a_worker(settings) as worker:
        count = kill_in_the_middle(worker, document)
    before = {path: path.stat() for path in written(document)}
    assert 5 <= count < STORES

    # What any worker does every few minutes, as if its time had come.
    queue = job_queue()
    StartedJobRegistry(queue.name, queue.connection).cleanup(timestamp=time.time() + 3600)
    ForkingWorker([queue], connection=queue.connection).work(burst=True, logging_level="WARNING")

    assert len(written(document)) == STORES
    assert all(is_whole(path) for path in written(document))
    for path, stat in before.items():
        assert (path.stat().st_ino, path.stat().st_mtime_ns) == (stat.st_ino, stat.st_mtime_ns)


def test_two_renders_at_once_give_one_whole_file_each(document: SettlementDocument, app: APIFlask) -> None:
    codes = codes_of(document)[:30]

    def render(number: int) -> list[Path]:
        with app.app_context():
            return render_statements(load_settlement(document.tenant_id, JANUARY), codes)

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(render, range(4)))

    assert all(result == results[0] for result in results)
    assert len(written(document)) == len(codes) and all(is_whole(path) for path in written(document))
    contents = {path: path.read_bytes() for path in written(document)}
    for path in contents:
        path.unlink()
    render_statements(document, codes)
    assert {path: path.read_bytes() for path in written(document)} == contents


def test_documents_asked_for_twice_are_written_once(document: SettlementDocument) -> None:
    enqueue_documents(document.tenant_id, document)
    enqueue_documents(document.tenant_id, document)
    queue = job_queue()
    ForkingWorker([queue], connection=queue.connection).work(burst=True, logging_level="WARNING")

    assert len(written(document)) == STORES
    assert not list(statement_path(document, "A").parent.glob(".*.part"))
