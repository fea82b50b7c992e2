"""Deposits: lodged by a store, returned to it, or used for a payment that it failed to make.

Movements are added and never changed. Those of a store come one after the other, each from the balance that the one
before it left: the database refuses any other.
"""

from __future__ import annotations

from datetime import date
from uuid import UUID

from sqlalchemy import select

from settlement.deposits.rules import LODGED, RETURNED, USED, balance_after, check_amount, signed
from settlement.deposits.tables import DepositRow
from settlement.exposure.service import lock_store, update_exposures
from settlement.proposals.service import lock_window
from settlement.proposals.tables import Leg, Settlement
from settlement.states.rules import CONFIRMED, FAILED, LEG
from settlement.states.service import change_state
from tenants.foundation import clock, ids
from tenants.foundation.database import Unit, unit_of_work
from tenants.foundation.errors import Conflict, NotFound
from tenants.networks.service import check_name
from tenants.staff.rules import Actor
from tenants.stores.service import find_store

# Why a leg that was covered like this is confirmed.
REASON = "deposit"


def lodge_deposit(tenant_id: UUID, store_code: str, amount: int, reference: str, actor: Actor) -> DepositRow:
    """`amount` in minor units, positive; `reference` is the bank's, and booked once. Raises `Conflict`."""
    return book(tenant_id, store_code, LODGED, amount, reference, actor)


def return_deposit(tenant_id: UUID, store_code: str, amount: int, reference: str, actor: Actor) -> DepositRow:
    """As `lodge_deposit`; no more than is lodged."""
    return book(tenant_id, store_code, RETURNED, amount, reference, actor)


def book(tenant_id: UUID, store_code: str, kind: str, amount: int, reference: str, actor: Actor) -> DepositRow:
    check_amount(amount)
    check_name(reference)
    store = find_store(tenant_id, store_code)
    with unit_of_work(tenant_id) as session:
        lock_store(session, store.store_id)
        check_not_booked(session, store.store_id, kind, reference)
        row = add_movement(session, tenant_id, store.store_id, kind, amount, actor, reference=reference)
    update_exposures(tenant_id)
    return row


def check_not_booked(session: Unit, store_id: UUID, kind: str, reference: str) -> None:
    statement = select(DepositRow.deposit_id).where(
        DepositRow.store_id == store_id, DepositRow.kind == kind, DepositRow.reference == reference
    )
    earlier = session.scalar(statement)
    if earlier is not None:
        shown = ids.show(ids.DEPOSIT, earlier)
        raise Conflict(f"{shown} has booked {reference!r} already.", code="deposit_exists", deposit_id=shown)


def use_deposit(tenant_id: UUID, leg_id: UUID, actor: Actor) -> tuple[DepositRow, str]:
    """Cover a failed leg that a store remits, as a whole: it becomes confirmed, and no other leg changes.

    With the store's code. Raises `NotFound` for an unknown leg, `Conflict` for one that has not failed or is more
    than what is lodged.
    """
    with unit_of_work(tenant_id) as session:
        lock_window(session, month_of_leg(session, leg_id))
        leg = session.scalars(select(Leg).where(Leg.leg_id == leg_id).with_for_update()).one()
        check_failed(leg)
        store_code = lock_store(session, leg.store_id)
        row = add_movement(session, tenant_id, leg.store_id, USED, leg.amount, actor, leg_id=leg_id)
        change_state(session, LEG, leg, CONFIRMED, actor.shown, REASON)
    update_exposures(tenant_id)
    return row, store_code


def month_of_leg(session: Unit, leg_id: UUID) -> date:
    join = (Settlement.tenant_id == Leg.tenant_id) & (Settlement.settlement_id == Leg.settlement_id)
    month = session.scalar(select(Settlement.month).join(Leg, join).where(Leg.leg_id == leg_id))
    if month is None:
        raise NotFound(f"There is no leg {ids.show(ids.LEG, leg_id)} in this network.", code="leg_unknown")
    return month


def check_failed(leg: Leg) -> None:
    if leg.state != FAILED or leg.amount < 0:
        raise Conflict(
            "A deposit is used for a payment that a store has failed to make; this one is "
            + (f"{leg.state}." if leg.amount > 0 else "head office's to the store."),
            code="leg_not_failed",
            state=leg.state,
        )


def add_movement(
    session: Unit,
    tenant_id: UUID,
    store_id: UUID,
    kind: str,
    amount: int,
    actor: Actor,
    reference: str | None = None,
    leg_id: UUID | None = None,
) -> DepositRow:
    """Holds the store's lock. `amount` is positive, whatever the kind."""
    last = newest(session, store_id)
    sequence, balance = (last.sequence, last.balance) if last else (0, 0)
    row = DepositRow(
        tenant_id=tenant_id,
        deposit_id=ids.new_id(),
        store_id=store_id,
        sequence=sequence + 1,
        kind=kind,
        amount=signed(kind, amount),
        balance_before=balance,
        balance=balance_after(balance, signed(kind, amount)),
        reference=reference,
        leg_id=leg_id,
        made_by=actor.shown,
        made_at=clock.now(),
    )
    session.add(row)
    session.flush()
    return row


def newest(session: Unit, store_id: UUID) -> DepositRow | None:
    statement = select(DepositRow).where(DepositRow.store_id == store_id).order_by(DepositRow.sequence.desc())
    return session.scalar(statement.limit(1))


def list_deposits(tenant_id: UUID, store_code: str) -> list[DepositRow]:
    """All movements of a store, newest first."""
    store = find_store(tenant_id, store_code)
    statement = select(DepositRow).where(DepositRow.store_id == store.store_id).order_by(DepositRow.sequence.desc())
    with unit_of_work(tenant_id) as session:
        return list(session.scalars(statement))
