from __future__ import annotations

from collections.abc import Iterator, Sequence
from uuid import UUID

from settlement.statements.documents import SettlementDocument
from settlement.statements.service import load_settlement, render_exports, render_statements
from tenants.foundation.months import parse_month, show_month
from tenants.foundation.queue import job_queue

# Statements a job: few enough that a month's are spread over the workers.
STATEMENTS_A_JOB = 25
JOB_SECONDS_MAX = 1800


def enqueue_documents(tenant_id: UUID, document: SettlementDocument) -> list[str]:
    """Jobs that write every document of a published month; their ids.

    A job that dies is safe to run again: it skips what is written, and no document is ever half-written.
    """
    month = show_month(document.month)
    queue = job_queue()
    jobs = [queue.enqueue(write_exports, str(tenant_id), month, job_timeout=JOB_SECONDS_MAX)]
    codes = [line.store_code for line in document.stores]
    for chunk in chunks(codes, STATEMENTS_A_JOB):
        jobs.append(queue.enqueue(write_statements, str(tenant_id), month, chunk, job_timeout=JOB_SECONDS_MAX))
    return [job.id for job in jobs]


def chunks(codes: Sequence[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(codes), size):
        yield list(codes[start : start + size])


def write_exports(tenant_id: str, month: str) -> list[str]:
    return [str(path) for path in render_exports(load_settlement(UUID(tenant_id), parse_month(month)))]


def write_statements(tenant_id: str, month: str, codes: list[str]) -> list[str]:
    document = load_settlement(UUID(tenant_id), parse_month(month))
    return [str(path) for path in render_statements(document, UUID(tenant_id), set(codes))]
