"""To be called inside a unit of work."""

from __future__ import annotations

from sqlalchemy import select

from settlement.fees.rules import Fee
from settlement.fees.tables import FeeRow
from tenants.foundation.database import Unit


def fees_in_use(session: Unit) -> list[Fee]:
    rows = session.scalars(select(FeeRow).where(FeeRow.withdrawn_at.is_(None)).order_by(FeeRow.fee_id))
    return [
        Fee(
            row.fee_id,
            row.code,
            row.participant_id,
            row.basis,
            row.rate,
            row.tax_rate,
            row.valid_from,
            row.valid_until,
        )
        for row in rows
    ]
