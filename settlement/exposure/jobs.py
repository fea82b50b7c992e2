"""What stores have issued and not settled, measured every minute."""

from __future__ import annotations

from uuid import UUID

from settlement.exposure.service import update_exposures


def update_network(tenant_id: str) -> int:
    return update_exposures(UUID(tenant_id))
