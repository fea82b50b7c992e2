"""To be called inside a unit of work."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import Select, and_, func, select, text

from settlement.disputes.tables import DisputeRow
from settlement.proposals.rules import DISPUTED, Dispute
from settlement.proposals.tables import LineRow
from settlement.states.rules import ACCEPTED, OPENED
from settlement.states.tables import StateChange
from settlement.windows.tables import Window
from tenants.foundation.database import Unit
from tenants.staff.tables import Staff
from tenants.stores.tables import Store

# As the disputes are; of an approved settlement, as they were when it was approved. Only afterwards can a decision
# leave an adjustment, or be accepted while the approved lines have it as disputed. No clock is asked: of two
# decisions within a microsecond, or on both sides of a clock that steps back, it would not know which came first.
DISPUTES = text("""
    SELECT d.dispute_id, d.line_key, d.amount,
           CASE WHEN d.state = 'accepted' AND NOT EXISTS (
               SELECT FROM settlement.lines l
               WHERE l.settlement_id = :approved AND l.kind = 'disputed' AND l.reference = d.dispute_id)
           THEN 'accepted' ELSE 'opened' END
    FROM settlement.disputes d
    WHERE d.month = :month AND (d.state IN ('opened', 'accepted') OR EXISTS (
        SELECT FROM settlement.adjustments a WHERE a.reference = d.dispute_id))
    ORDER BY d.dispute_id
""")


def disputes_of(session: Unit, month: date, approved: UUID | None) -> list[Dispute]:
    """Those of `month` that change what it comes to: now, or when the settlement `approved` was approved."""
    return [Dispute(*row) for row in session.execute(DISPUTES, {"month": month, "approved": approved})]


def disputed_by_line(session: Unit, month: date) -> dict[str, int]:
    """By key of a line, how much of it is disputed or was so with success, in the line's own direction."""
    statement = (
        select(DisputeRow.line_key, func.sum(DisputeRow.amount))
        .where(DisputeRow.month == month, DisputeRow.state.in_((OPENED, ACCEPTED)))
        .group_by(DisputeRow.line_key)
    )
    return {key: int(amount) for key, amount in session.execute(statement)}


def held_back(session: Unit, settlement_id: UUID, dispute_id: UUID) -> LineRow | None:
    """The line with which a settlement holds back what is disputed."""
    return session.scalar(
        select(LineRow).where(
            LineRow.settlement_id == settlement_id, LineRow.kind == DISPUTED, LineRow.reference == dispute_id
        )
    )


def lock_dispute(session: Unit, tenant_id: UUID, dispute_id: UUID) -> DisputeRow:
    """As it is now, whatever this unit of work has read of it before."""
    return session.get_one(DisputeRow, (tenant_id, dispute_id), with_for_update=True, populate_existing=True)


def find_repeated(session: Unit, staff_id: UUID, idempotency_key: str | None) -> DisputeRow | None:
    return session.scalar(
        select(DisputeRow).where(DisputeRow.opened_by == staff_id, DisputeRow.idempotency_key == idempotency_key)
    )


def undecided_by_month(session: Unit, cut_off_before: date) -> dict[date, list[UUID]]:
    """The ids of disputes that nobody has decided, of months in which stores could dispute until before a day."""
    join = and_(Window.tenant_id == DisputeRow.tenant_id, Window.month == DisputeRow.month)
    statement = (
        select(DisputeRow.month, DisputeRow.dispute_id)
        .join(Window, join)
        .where(DisputeRow.state == OPENED, Window.dispute_until < cut_off_before)
        .order_by(DisputeRow.month, DisputeRow.dispute_id)
    )
    found: dict[date, list[UUID]] = {}
    for month, dispute_id in session.execute(statement):
        found.setdefault(month, []).append(dispute_id)
    return found


@dataclass(frozen=True)
class FullDispute:
    """A dispute with its window, the codes of its store and of who opened it, and the newest change of its state."""

    row: DisputeRow
    window: Window
    store_code: str
    opener_code: str
    change: StateChange


def list_disputes(
    session: Unit,
    month: date | None = None,
    state: str | None = None,
    store_ids: Collection[UUID] | None = None,
    after: UUID | None = None,
    limit: int | None = None,
) -> list[FullDispute]:
    """Oldest first, those opened after the dispute `after`; of stores among `store_ids`, where given."""
    statement = full_disputes().order_by(DisputeRow.dispute_id).limit(limit)
    if month is not None:
        statement = statement.where(DisputeRow.month == month)
    if state is not None:
        statement = statement.where(DisputeRow.state == state)
    if store_ids is not None:
        statement = statement.where(DisputeRow.store_id.in_(store_ids))
    if after is not None:
        statement = statement.where(DisputeRow.dispute_id > after)
    return [FullDispute(*row) for row in session.execute(statement)]


def find_dispute(session: Unit, dispute_id: UUID) -> FullDispute | None:
    row = session.execute(full_disputes().where(DisputeRow.dispute_id == dispute_id)).one_or_none()
    return None if row is None else FullDispute(*row)


def full_disputes() -> Select[DisputeRow, Window, str, str, StateChange]:
    own = DisputeRow.tenant_id
    newest = and_(
        StateChange.tenant_id == own,
        StateChange.subject_id == DisputeRow.dispute_id,
        StateChange.sequence == DisputeRow.state_sequence,
    )
    return (
        select(DisputeRow, Window, Store.code, Staff.code, StateChange)
        .join(Window, and_(Window.tenant_id == own, Window.month == DisputeRow.month))
        .join(Store, and_(Store.tenant_id == own, Store.store_id == DisputeRow.store_id))
        .join(Staff, and_(Staff.tenant_id == own, Staff.staff_id == DisputeRow.opened_by))
        .join(StateChange, newest)
    )
