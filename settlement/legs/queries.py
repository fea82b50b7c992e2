"""To be called inside a unit of work."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import Row, Select, func, select

from settlement.legs.rules import DONE
from settlement.proposals.tables import Leg, Settlement
from settlement.states.rules import FAILED, PENDING
from settlement.states.tables import StateChange
from tenants.foundation.database import Unit
from tenants.stores.tables import Store

# A leg with the store's code, the month, and the change that made the leg what it is.
ShownLeg = Row[Leg, str, date, StateChange]


def legs_and_stores() -> Select[Leg, str]:
    return select(Leg, Store.code).join(Store, (Store.tenant_id == Leg.tenant_id) & (Store.store_id == Leg.store_id))


def shown_legs() -> Select[Leg, str, date, StateChange]:
    """Legs with the store's code, the month, and the change that made them what they are."""
    settlements = (Settlement.tenant_id == Leg.tenant_id) & (Settlement.settlement_id == Leg.settlement_id)
    changes = (
        (StateChange.tenant_id == Leg.tenant_id)
        & (StateChange.subject_id == Leg.leg_id)
        & (StateChange.sequence == Leg.state_sequence)
    )
    return (
        legs_and_stores()
        .join(Settlement, settlements)
        .join(StateChange, changes)
        .add_columns(Settlement.month, StateChange)
    )


def legs_of_settlement(session: Unit, settlement_id: UUID) -> Sequence[ShownLeg]:
    return session.execute(shown_legs().where(Leg.settlement_id == settlement_id).order_by(Store.code)).all()


def failed_legs(session: Unit) -> Sequence[ShownLeg]:
    return session.execute(shown_legs().where(Leg.state == FAILED).order_by(Leg.due_on, Store.code)).all()


def shown_leg(session: Unit, leg_id: UUID) -> ShownLeg | None:
    return session.execute(shown_legs().where(Leg.leg_id == leg_id)).one_or_none()


def pending_legs(session: Unit, settlement_id: UUID) -> list[tuple[Leg, str]]:
    """With the stores' codes, by these."""
    statement = legs_and_stores().where(Leg.settlement_id == settlement_id, Leg.state == PENDING)
    return [(leg, code) for leg, code in session.execute(statement.order_by(Store.code))]


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
