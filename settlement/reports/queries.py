"""To be called inside a unit of work."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Cast, Text, cast, func, select, text
from sqlalchemy.orm import InstrumentedAttribute

from settlement.netting.tables import FlowRow
from settlement.proposals.rules import BILATERAL, FEE, REDEMPTION
from settlement.proposals.tables import LineRow, Settlement
from settlement.reports.rules import UnpaidLeg
from settlement.states.rules import LEG, REJECTED, SETTLEMENT
from settlement.states.tables import StateChange
from settlement.windows.tables import Window
from tenants.foundation.database import Unit

# By the state that each leg had at a moment. A leg that was carried forward is settled with another month.
UNPAID_LEGS = text("""
    SELECT s.month, t.code, t.name, p.name, l.amount, l.due_on, c.to_state
    FROM settlement.legs l
    JOIN settlement.settlements s USING (tenant_id, settlement_id)
    JOIN tenants.stores t USING (tenant_id, store_id)
    JOIN tenants.participants p USING (tenant_id, participant_id)
    CROSS JOIN LATERAL (
        SELECT to_state FROM settlement.state_changes
        WHERE tenant_id = l.tenant_id AND subject_id = l.leg_id AND changed_at < :before
        ORDER BY sequence DESC LIMIT 1) c
    WHERE c.to_state IN ('pending', 'instructed', 'failed')
    ORDER BY l.due_on, t.code, s.month
""")


def unpaid_legs(session: Unit, before: datetime) -> list[UnpaidLeg]:
    """As they stood just `before` a moment."""
    return [UnpaidLeg(*row) for row in session.execute(UNPAID_LEGS, {"before": before})]


def last_change(session: Unit) -> datetime | None:
    """When a settlement or leg of the network last changed its state."""
    return session.scalar(select(func.max(StateChange.changed_at)).where(StateChange.subject.in_((LEG, SETTLEMENT))))


def published_windows(session: Unit, through: date, count: int) -> Sequence[Window]:
    """The newest `count` published months up to `through`, oldest first."""
    statement = select(Window).where(Window.published_at.is_not(None), Window.month <= through)
    return session.scalars(statement.order_by(Window.month.desc()).limit(count)).all()[::-1]


def live_settlements(session: Unit, since: date, through: date) -> dict[date, Settlement]:
    """By month, those that are not rejected."""
    statement = select(Settlement).where(
        Settlement.month >= since, Settlement.month <= through, Settlement.state != REJECTED
    )
    return {settlement.month: settlement for settlement in session.scalars(statement)}


def flows_of(session: Unit, month: date) -> dict[tuple[str, str], int]:
    """The month's matrix, by issuer and redeemer."""
    statement = select(in_text(FlowRow.funder_id), in_text(FlowRow.redeeming_store_id), FlowRow.points)
    rows = session.execute(statement.where(FlowRow.month == month))
    return {(issuer, redeemer): points for issuer, redeemer, points in rows}


def redemptions_paid(session: Unit, settlement_id: UUID) -> list[tuple[str, int, Decimal]]:
    """(redeemer, points, rate) of each line of the pooled model that pays for recovered points."""
    statement = select(in_text(LineRow.payee_id), LineRow.quantity, LineRow.rate).where(
        LineRow.settlement_id == settlement_id, LineRow.kind == REDEMPTION
    )
    return [
        (redeemer, quantity, rate)
        for redeemer, quantity, rate in session.execute(statement)
        if quantity is not None and rate is not None
    ]


def bilateral_obligations(session: Unit, settlement_id: UUID) -> dict[tuple[str, str], int]:
    """What issuers of points owe redeemers in the model on_redemption."""
    payer, payee = in_text(LineRow.payer_id), in_text(LineRow.payee_id)
    statement = (
        select(payer, payee, func.sum(LineRow.amount))
        .where(LineRow.settlement_id == settlement_id, LineRow.kind == BILATERAL)
        .group_by(payer, payee)
    )
    return {(payer, payee): int(amount) for payer, payee, amount in session.execute(statement)}


def in_text(column: InstrumentedAttribute[UUID]) -> Cast[str]:
    return cast(column, Text)


def fees_of(session: Unit, settlement_id: UUID) -> int:
    statement = select(func.sum(LineRow.amount)).where(LineRow.settlement_id == settlement_id, LineRow.kind == FEE)
    return int(session.scalar(statement) or 0)
