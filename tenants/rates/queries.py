"""To be called inside a unit of work."""

from __future__ import annotations

from sqlalchemy import select

from tenants.foundation.database import Unit
from tenants.rates.rules import Rate, RateBook
from tenants.rates.tables import RateRow


def rate_book(session: Unit) -> RateBook:
    rows = session.scalars(select(RateRow).where(RateRow.withdrawn_at.is_(None)).order_by(RateRow.valid_from))
    return RateBook(
        Rate(
            row.rate_id,
            row.participant_id,
            row.valid_from,
            row.valid_until,
            row.funding_rate,
            row.redemption_rate,
        )
        for row in rows
    )
