from __future__ import annotations

from uuid import UUID

from rq import Retry

from settlement.statements.documents import SettlementDocument
from settlement.statements.service import (
    chunks,
    load_heading,
    load_settlement,
    render_exports,
    render_statements,
)
from settlement.statements.texts import ENGLISH
from tenants.foundation.months import parse_month, show_month
from tenants.foundation.queue import job_queue

# Statements a job: few enough that a month's are spread over the workers.
STATEMENTS_A_JOB = 100
JOB_SECONDS_MAX = 1800
# A worker that was killed at a job leaves it to the next one, this often.
RETRIES_MAX = 3


def enqueue_documents(tenant_id: UUID, document: SettlementDocument, language: str = ENGLISH) -> list[str]:
    """Jobs that write every document of this version of a month's settlement; their ids.

    A job that dies is safe to run again: it skips what is written, and no document is ever half-written.
    """
    which = (str(tenant_id), show_month(document.month), document.version)
    queue = job_queue()
    how = {"job_timeout": JOB_SECONDS_MAX, "retry": Retry(RETRIES_MAX)}
    jobs = [queue.enqueue(write_exports, *which, **how)]
    codes = [line.store_code for line in document.stores]
    for chunk in chunks(codes, STATEMENTS_A_JOB):
        jobs.append(queue.enqueue(write_statements, *which, chunk, language, **how))
    return [job.id for job in jobs]


def write_exports(tenant_id: str, month: str, version: int) -> list[str]:
    return [str(path) for path in render_exports(load_settlement(UUID(tenant_id), parse_month(month), version))]


def write_statements(
    tenant_id: str, month: str, version: int, codes: list[str], language: str = ENGLISH
) -> list[str]:
    heading = load_heading(UUID(tenant_id), parse_month(month), version)
    return [str(path) for path in render_statements(heading, codes, language=language)]
