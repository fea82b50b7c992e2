"""Jobs through a real queue and a real worker."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest
from rq.job import Job

from clearinghouse.expiry.jobs import expire_network
from settlement.reports.jobs import enqueue_documents
from settlement.serving.jobs import PERIODIC, close_all, expire_all
from settlement.serving.processes import ForkingWorker
from settlement.statements.jobs import write_statements
from settlement.statements.service import statement_path
from settlement.windows.jobs import close_due_months, next_due_month
from settlement.windows.service import cut_off, find_window, publish
from tenants.foundation import clock
from tenants.foundation.months import add_months, month_of
from tenants.foundation.queue import job_queue
from tests.conftest import NetworkForTests

JANUARY = date(2026, 1, 1)


def run_queued_jobs() -> None:
    queue = job_queue()
    ForkingWorker([queue], connection=queue.connection).work(burst=True, logging_level="WARNING")


@pytest.fixture(autouse=True)
def empty_queue(context) -> Iterator[None]:
    """Before, and after: whoever runs a worker next would run the jobs of every network there is."""
    job_queue().empty()
    yield
    job_queue().empty()


def test_statements_are_rendered_by_workers(network: NetworkForTests, card: str) -> None:
    network.tills["A"].accrue(card, 10000, occurred_at="2026-01-10T12:00:00Z")
    document = network.settle(JANUARY)

    job_ids = enqueue_documents(network.tenant_id, document)
    run_queued_jobs()

    connection = job_queue().connection
    assert [Job.fetch(i, connection=connection).get_status().value for i in job_ids] == ["finished"] * len(job_ids)
    assert all(statement_path(document, code).read_bytes().startswith(b"%PDF") for code in "ABC")


def test_a_rendering_job_that_runs_again_gives_the_same_files(network: NetworkForTests, card: str) -> None:
    document = network.settle(JANUARY)

    first = write_statements(str(network.tenant_id), "2026-01", document.version, ["A", "B"])
    content = statement_path(document, "A").read_bytes()
    statement_path(document, "A").unlink()
    again = write_statements(str(network.tenant_id), "2026-01", document.version, ["A", "B"])

    assert again == first
    assert statement_path(document, "A").read_bytes() == content


def test_due_months_are_closed_in_turn_and_only_after_the_grace_days(make_network) -> None:
    opened = add_months(month_of(clock.now().date()), -3)
    network = make_network(opened_on=opened, close_grace_days=0)

    closed = close_due_months(str(network.tenant_id))

    last_month = add_months(month_of(clock.now().date()), -1)
    assert closed[:2] == [opened.isoformat(), add_months(opened, 1).isoformat()]
    assert set(closed[2:]) <= {last_month.isoformat()}  # on the first day of a month it is still in its grace
    assert close_due_months(str(network.tenant_id)) == []


def test_a_close_that_died_after_the_cut_off_is_finished_by_the_next_run(network: NetworkForTests) -> None:
    cut_off(network.tenant_id, JANUARY, "a run that dies here")

    assert next_due_month(network.tenant_id) == JANUARY
    close_due_months(str(network.tenant_id))

    window = find_window(network.tenant_id, JANUARY)
    assert window is not None and window.published_at is not None
    assert window.closed_by == "a run that dies here"


def test_publishing_is_all_or_nothing(network: NetworkForTests) -> None:
    cut_off(network.tenant_id, JANUARY, "test")
    publish(network.tenant_id, JANUARY)

    with pytest.raises(Exception, match="published already"):
        publish(network.tenant_id, JANUARY)


def test_expiry_that_runs_again_expires_nothing_more(network: NetworkForTests, card: str) -> None:
    network.tills["A"].accrue(card, 10000, occurred_at="2026-01-10T12:00:00Z")

    assert expire_network(str(network.tenant_id)) == 100
    assert expire_network(str(network.tenant_id)) == 0


def test_periodic_jobs_fan_out_to_every_network(network: NetworkForTests) -> None:
    expire_all()
    close_all()

    queued = {(job.func_name, job.args[0]) for job in job_queue().get_jobs()}
    tenant = str(network.tenant_id)
    assert ("clearinghouse.expiry.jobs.expire_network", tenant) in queued
    assert ("settlement.windows.jobs.close_due_months", tenant) in queued
    assert {job.__name__ for job, _ in PERIODIC} == {
        "release_overdue_everywhere",
        "expire_all",
        "close_all",
        "make_partitions",
        "purge_all",
        "expire_all_disputes",
        "encrypt_all",
        "erase_all_inactive",
        "measure_all",
        "note_heads",
    }
