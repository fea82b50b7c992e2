from __future__ import annotations

from uuid import UUID

from clearinghouse.erasure.service import erase_inactive


def erase_inactive_of(tenant_id: str) -> int:
    return erase_inactive(UUID(tenant_id))
