from __future__ import annotations

from uuid import UUID

from rq import Retry

from settlement.languages.rules import ENGLISH
from settlement.statements.documents import SettlementDocument
from settlement.statements.service import (
    chunks,
    load_heading,
    render_statements,
)
from tenants.foundation.months import parse_month, show_month
from tenants.foundation.queue import job_queue

# Statements a job: few enough that a month's are spread over the workers.
STATEMENTS_A_JOB = 100
JOB_SECONDS_MAX = 1800
# A worker that was killed at a job leaves it to the next one, this often.
RETRIES_MAX = 3
# For every job that writes documents.
HOW = {"job_timeout": JOB_SECONDS_MAX, "retry": Retry(RETRIES_MAX)}


def enqueue_statements(tenant_id: UUID, document: SettlementDocument, language: str) -> list[str]:
    """The ids of the jobs that write them all."""
    which = (str(tenant_id), show_month(document.month), document.version)
    codes = [line.store_code for line in document.stores]
    queue = job_queue()
    return [
        queue.enqueue(write_statements, *which, chunk, language, **HOW).id
        for chunk in chunks(codes, STATEMENTS_A_JOB)
    ]


def write_statements(
    tenant_id: str, month: str, version: int, codes: list[str], language: str = ENGLISH
) -> list[str]:
    heading = load_heading(UUID(tenant_id), parse_month(month), version)
    return [str(path) for path in render_statements(heading, codes, language=language)]
