"""The audit log's part of `ledger check`. Heads that were noted elsewhere are `audit verify`'s: a database that was
restored to an earlier moment lacks entries, and its books are right all the same."""

from __future__ import annotations

from uuid import UUID

from clearinghouse.ledger.checks import Finding
from tenants.audit.service import verify_chain


def check_audit_log(tenant_id: UUID) -> list[Finding]:
    return [
        Finding("audit log", f"entry {difference.sequence}", difference.expected, difference.found)
        for difference in verify_chain(tenant_id, []).differences
    ]
