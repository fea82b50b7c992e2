from __future__ import annotations

from uuid import UUID

from settlement.disputes.service import expire_disputes


def expire_disputes_of(tenant_id: str) -> int:
    """Have disputes stand that nobody has decided in time; how many."""
    return len(expire_disputes(UUID(tenant_id), by="scheduler"))
