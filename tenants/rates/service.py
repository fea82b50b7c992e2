from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import UUID

from tenants.foundation import clock, ids
from tenants.rates.tables import RateRow


def make_rate(
    tenant_id: UUID,
    funding_rate: Decimal,
    redemption_rate: Decimal,
    valid_from: date,
    made_by: str,
    valid_until: date | None = None,
    participant_id: UUID | None = None,
) -> RateRow:
    return RateRow(
        tenant_id=tenant_id,
        rate_id=ids.new_id(),
        participant_id=participant_id,
        valid_from=valid_from,
        valid_until=valid_until,
        funding_rate=funding_rate,
        redemption_rate=redemption_rate,
        made_by=made_by,
        made_at=clock.now(),
    )
