"""To be called inside a unit of work."""

from __future__ import annotations

from datetime import date

from sqlalchemy import select

from settlement.adjustments.tables import AdjustmentRow
from settlement.proposals.rules import Adjustment
from tenants.foundation.database import Unit


def adjustments_of(session: Unit, month: date) -> list[Adjustment]:
    """Those that `month` settles, in the order in which they were made."""
    statement = (
        select(AdjustmentRow)
        .where(AdjustmentRow.settlement_month == month)
        .order_by(AdjustmentRow.made_at, AdjustmentRow.adjustment_id)
    )
    return [
        Adjustment(
            row.adjustment_id, row.payer_id, row.payee_id, row.amount, row.origin_month, row.note or row.reason
        )
        for row in session.scalars(statement)
    ]
