"""To be called inside a unit of work."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from sqlalchemy import select

from settlement.adjustments.rules import Adjustment
from settlement.adjustments.tables import AdjustmentRow
from tenants.foundation.database import Unit


def adjustments_of(session: Unit, month: date) -> list[Adjustment]:
    """Those that `month` settles, in the order in which they were made."""
    statement = (
        select(AdjustmentRow)
        .where(AdjustmentRow.settlement_month == month)
        .order_by(AdjustmentRow.made_at, AdjustmentRow.adjustment_id)
    )
    return [
        Adjustment(row.adjustment_id, row.payer_id, row.payee_id, row.amount, row.origin_month, noted(row))
        for row in session.scalars(statement)
    ]


def noted(row: AdjustmentRow) -> str:
    return f"{row.reason}: {row.note}" if row.note else row.reason


def list_rows(
    session: Unit, month: date | None = None, after: UUID | None = None, limit: int | None = None
) -> list[AdjustmentRow]:
    """Oldest first, those made after the adjustment `after`; of one month that settles them, if one is named."""
    statement = select(AdjustmentRow).order_by(AdjustmentRow.adjustment_id).limit(limit)
    if month is not None:
        statement = statement.where(AdjustmentRow.settlement_month == month)
    if after is not None:
        statement = statement.where(AdjustmentRow.adjustment_id > after)
    return list(session.scalars(statement))


def find_repeated(session: Unit, made_by: str, idempotency_key: str | None) -> AdjustmentRow:
    return session.scalars(
        select(AdjustmentRow).where(
            AdjustmentRow.made_by == made_by, AdjustmentRow.idempotency_key == idempotency_key
        )
    ).one()


def decided_before(session: Unit, month: date) -> set[UUID]:
    """The ids of those that settle in `month` what a dispute or a payment that failed has left of an earlier one."""
    statement = select(AdjustmentRow.adjustment_id).where(
        AdjustmentRow.settlement_month == month, AdjustmentRow.reference.is_not(None)
    )
    return set(session.scalars(statement))
