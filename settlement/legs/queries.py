"""To be called inside a unit of work."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import func, select

from settlement.legs.rules import DONE
from settlement.proposals.tables import Leg, Settlement
from settlement.states.rules import FAILED, PENDING
from settlement.states.tables import StateChange
from tenants.foundation.database import Unit
from tenants.stores.queries import codes_of_stores


@dataclass(frozen=True)
class ShownLeg:
    """With its store's code, its month, and the change that made it what it is."""

    leg: Leg
    store_code: str
    month: date
    change: StateChange


def show_legs(session: Unit, legs: Sequence[Leg]) -> list[ShownLeg]:
    """In their order. Each table is asked by itself: a join of so many rows is slow until statistics know of them."""
    codes = codes_of_stores(session, {leg.store_id for leg in legs})
    of_legs = select(Settlement.settlement_id, Settlement.month).where(
        Settlement.settlement_id.in_({leg.settlement_id for leg in legs})
    )
    months = {settlement_id: month for settlement_id, month in session.execute(of_legs)}
    made = session.scalars(select(StateChange).where(StateChange.subject_id.in_([leg.leg_id for leg in legs])))
    changes = {(change.subject_id, change.sequence): change for change in made}
    return [
        ShownLeg(leg, codes[leg.store_id], months[leg.settlement_id], changes[leg.leg_id, leg.state_sequence])
        for leg in legs
    ]


def legs_of_settlement(session: Unit, settlement_id: UUID) -> list[ShownLeg]:
    """By the stores' codes."""
    legs = session.scalars(select(Leg).where(Leg.settlement_id == settlement_id)).all()
    return sorted(show_legs(session, legs), key=lambda shown: shown.store_code)


def failed_legs(session: Unit) -> list[ShownLeg]:
    """Of all months, by when they were due."""
    legs = session.scalars(select(Leg).where(Leg.state == FAILED)).all()
    return sorted(show_legs(session, legs), key=lambda shown: (shown.leg.due_on, shown.store_code))


def pending_legs(session: Unit, settlement_id: UUID) -> list[tuple[Leg, str]]:
    """With the stores' codes, by these."""
    legs = session.scalars(select(Leg).where(Leg.settlement_id == settlement_id, Leg.state == PENDING)).all()
    codes = codes_of_stores(session, {leg.store_id for leg in legs})
    return sorted(((leg, codes[leg.store_id]) for leg in legs), key=lambda pending: pending[1])


def months_of(session: Unit, leg_ids: Collection[UUID]) -> dict[UUID, date]:
    """By leg; ids of no leg of this network are left out."""
    join = (Settlement.tenant_id == Leg.tenant_id) & (Settlement.settlement_id == Leg.settlement_id)
    statement = select(Leg.leg_id, Settlement.month).join(Settlement, join).where(Leg.leg_id.in_(leg_ids))
    return {leg_id: month for leg_id, month in session.execute(statement)}


def lock_legs(session: Unit, leg_ids: Collection[UUID]) -> dict[UUID, Leg]:
    statement = select(Leg).where(Leg.leg_id.in_(leg_ids)).order_by(Leg.leg_id).with_for_update()
    return {leg.leg_id: leg for leg in session.scalars(statement.execution_options(populate_existing=True))}


def count_open_legs(session: Unit, settlement_id: UUID) -> int:
    """Those that somebody still waits for."""
    statement = select(func.count()).where(Leg.settlement_id == settlement_id, Leg.state.not_in(DONE))
    return session.scalar(statement) or 0
