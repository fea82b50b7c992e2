from __future__ import annotations

from uuid import UUID

from tenants.audit.rules import Entry
from tenants.audit.service import list_entries, verify

MANY = 10_000


def entries_of(tenant_id: UUID) -> list[Entry]:
    """Oldest first."""
    return [entry for entry, _ in reversed(list_entries(tenant_id, MANY))]


def newest(tenant_id: UUID) -> Entry:
    return entries_of(tenant_id)[-1]


def wrong_entries(tenant_id: UUID) -> list[int]:
    return [difference.sequence for difference in verify(tenant_id).differences]
