from __future__ import annotations

from uuid import UUID

from clearinghouse.expiry.service import expire_points


def expire_network(tenant_id: str) -> int:
    return expire_points(UUID(tenant_id))
