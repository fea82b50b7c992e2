from __future__ import annotations

from uuid import UUID

from settlement.languages.rules import ENGLISH
from settlement.reports.exports import render_exports
from settlement.statements.documents import SettlementDocument
from settlement.statements.jobs import HOW, enqueue_statements
from settlement.statements.service import load_settlement
from tenants.audit.service import record_act
from tenants.foundation.months import parse_month, show_month
from tenants.foundation.queue import job_queue


def enqueue_documents(tenant_id: UUID, document: SettlementDocument, language: str = ENGLISH) -> list[str]:
    """Jobs that write every document of this version of a month's settlement; their ids.

    A job that dies is safe to run again: it skips what is written, and no document is ever half-written.
    """
    month = show_month(document.month)
    record_act(tenant_id)
    exports = job_queue().enqueue(write_exports, str(tenant_id), month, document.version, **HOW)
    return [exports.id, *enqueue_statements(tenant_id, document, language)]


def write_exports(tenant_id: str, month: str, version: int) -> list[str]:
    return [str(path) for path in render_exports(load_settlement(UUID(tenant_id), parse_month(month), version))]
