"""What becomes of the payments of an approved settlement, and what people decide on them.

Whatever changes a settlement takes turns on its window's row (`lock_window`).
"""

from __future__ import annotations

from datetime import date
from uuid import UUID

from sqlalchemy import select

from settlement.adjustments.rules import LEG_CARRIED, NewAdjustment
from settlement.adjustments.service import make_adjustment
from settlement.deposits.tables import DepositRow
from settlement.legs import queries
from settlement.legs.queries import ShownLeg
from settlement.proposals.service import finish, live_settlement_of, lock_window
from settlement.proposals.tables import Leg, Settlement
from settlement.states.rules import (
    APPROVED,
    CARRIED,
    CONFIRMED,
    FAILED,
    FINAL,
    LEG,
    PENDING,
    SETTLED,
    SETTLEMENT,
    SETTLING,
)
from settlement.states.service import change_state
from settlement.windows.tables import Window
from tenants.foundation import ids
from tenants.foundation.database import Unit, unit_of_work
from tenants.foundation.errors import Conflict, NotFound
from tenants.foundation.months import show_month
from tenants.members.service import check_reason
from tenants.staff.rules import Actor


def approved_settlement(session: Unit, month: date) -> Settlement:
    settlement = live_settlement_of(session, month)
    if settlement.state not in FINAL:
        raise Conflict(
            f"The settlement of {show_month(month)} is {settlement.state}: it is paid once it has been approved.",
            code="settlement_not_approved",
        )
    return settlement


def settle_if_done(session: Unit, window: Window, by: str) -> None:
    """The settlement is settled when no leg of it is still waited for; else it is settling."""
    session.flush()
    settlement = live_settlement_of(session, window.month)
    if settlement.state == SETTLED:
        return
    if not queries.count_open_legs(session, settlement.settlement_id):
        finish(session, window, settlement, by)
    elif settlement.state == APPROVED:
        change_state(session, SETTLEMENT, settlement, SETTLING, by)


def confirm_leg(tenant_id: UUID, leg_id: UUID, actor: Actor, reference: str) -> ShownLeg:
    """By hand: somebody has seen that it was paid, and names where."""
    return decide(tenant_id, leg_id, actor, CONFIRMED, reference)


def fail_leg(tenant_id: UUID, leg_id: UUID, actor: Actor, reason: str) -> ShownLeg:
    """By hand: from now on it is owed."""
    return decide(tenant_id, leg_id, actor, FAILED, reason)


def retry_leg(tenant_id: UUID, leg_id: UUID, actor: Actor, reason: str | None = None) -> ShownLeg:
    """A failed leg is in the next payment file again."""
    return decide(tenant_id, leg_id, actor, PENDING, reason)


def carry_leg(tenant_id: UUID, leg_id: UUID, actor: Actor, reason: str | None = None) -> ShownLeg:
    """What a failed leg leaves owed is settled with the open month."""
    return decide(tenant_id, leg_id, actor, CARRIED, reason)


def decide(tenant_id: UUID, leg_id: UUID, actor: Actor, state: str, reason: str | None) -> ShownLeg:
    """Raises `NotFound` for an unknown leg, `Conflict` with what is possible when it can't become so."""
    check_reason(reason)
    with unit_of_work(tenant_id) as session:
        month = queries.months_of(session, [leg_id]).get(leg_id)
        if month is None:
            raise unknown_leg(leg_id)
        window = lock_window(session, month)
        leg = queries.lock_legs(session, [leg_id])[leg_id]
        if state == FAILED:
            check_not_paid_from_deposit(session, leg)
        change_state(session, LEG, leg, state, actor.shown, reason or "")
        if state == CARRIED:
            make_adjustment(session, tenant_id, carried(leg, month, reason), actor.shown)
        settle_if_done(session, window, actor.shown)
        session.flush()
        [row] = queries.show_legs(session, [leg])
        return row


def check_not_paid_from_deposit(session: Unit, leg: Leg) -> None:
    """What the deposit has paid is gone from it: the store would pay twice."""
    if session.scalar(select(DepositRow.deposit_id).where(DepositRow.leg_id == leg.leg_id)) is not None:
        raise Conflict(
            "The store's deposit has paid this leg. What is wrong with it is put right by an adjustment.",
            code="leg_paid_from_deposit",
        )


def unknown_leg(leg_id: UUID) -> NotFound:
    return NotFound(f"There is no leg {ids.show(ids.LEG, leg_id)} in this network.", code="leg_unknown")


def carried(leg: Leg, month: date, reason: str | None) -> NewAdjustment:
    """What the leg leaves owed, in its direction."""
    note = f"{ids.show(ids.LEG, leg.leg_id)} of {show_month(month)}"
    return NewAdjustment(
        payer_id=leg.store_id,
        payee_id=leg.tenant_id,
        amount=leg.amount,
        reason=LEG_CARRIED,
        note=f"{note}: {reason}" if reason else note,
        origin_month=month,
        reference=leg.leg_id,
    )


def list_legs(tenant_id: UUID, month: date) -> list[ShownLeg]:
    """By store. Raises `Conflict` before the month's settlement is approved."""
    with unit_of_work(tenant_id) as session:
        return queries.legs_of_settlement(session, approved_settlement(session, month).settlement_id)


def list_receivables(tenant_id: UUID) -> list[ShownLeg]:
    """Failed legs of all months, by when they were due: what is still owed, either way."""
    with unit_of_work(tenant_id) as session:
        return queries.failed_legs(session)
