"""To be called inside a unit of work."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import and_, select, text

from settlement.accounting.carrying import Carrying, Movement
from settlement.accounting.rules import LegChange, LostDispute, Party
from settlement.adjustments.tables import AdjustmentRow
from settlement.disputes.tables import DisputeRow
from settlement.netting.queries import IN_PARALLEL
from settlement.proposals.queries import line_of
from settlement.proposals.rules import DISPUTED
from settlement.proposals.tables import Leg, LineRow, Settlement
from settlement.states.rules import ACCEPTED, FINAL
from settlement.states.tables import StateChange
from settlement.terms.queries import rows_in_force
from tenants.foundation import clock, ids
from tenants.foundation.database import Unit
from tenants.networks.tables import Network
from tenants.rates.queries import rate_book
from tenants.stores.service import stores_and_owners

# Each posting with its lot, by who issued the lot and since which of :first_days nothing had changed; holds, releases
# and merges leave points in their lot. Of a debt that moves in a merge both halves are in the same month.
MOVEMENTS = text("""
    SELECT p.settlement_month, l.funder_id, width_bucket(l.issued_on, CAST(:first_days AS date[])) AS period,
           sum(CASE WHEN p.target IN ('lot', 'held') THEN p.points
                    WHEN p.source IN ('lot', 'held') THEN -p.points ELSE 0 END)::bigint AS kept,
           sum(CASE WHEN p.target = 'recovered' THEN p.points
                    WHEN p.source = 'recovered' THEN -p.points ELSE 0 END)::bigint AS redeemed,
           sum(CASE WHEN p.target = 'expired' THEN p.points
                    WHEN p.source = 'expired' THEN -p.points ELSE 0 END)::bigint AS expired,
           sum(CASE WHEN p.source = 'deficit' THEN p.points
                    WHEN p.target = 'deficit' THEN -p.points ELSE 0 END)::bigint AS owed
    FROM ledger.postings p
    LEFT JOIN ledger.lots l ON l.tenant_id = p.tenant_id AND l.lot_id = CASE
        WHEN p.source IN ('lot', 'held', 'expired') THEN p.source_id WHEN p.target = 'lot' THEN p.target_id END
    WHERE p.settlement_month <= :month
      AND NOT (p.source IN ('lot', 'held', 'moved') AND p.target IN ('lot', 'held', 'moved'))
    GROUP BY 1, 2, 3
""")


def movements_through(session: Unit, month: date, first_days: Sequence[date]) -> list[Movement]:
    session.execute(IN_PARALLEL)
    days = "{" + ",".join(map(str, first_days)) + "}"
    rows = session.execute(MOVEMENTS, {"month": month, "first_days": days})
    return [
        Movement(settled, funder_id, first_days[period - 1] if period else date.min, *points)
        for settled, funder_id, period, *points in rows
    ]


def carrying_of(session: Unit, participants: dict[UUID, UUID]) -> Carrying:
    models = [(terms.from_month, terms.model) for terms in rows_in_force(session)]
    return Carrying(participants, rate_book(session), models)


def approved_settlements(session: Unit, through: date) -> list[Settlement]:
    """Of months until `through`, oldest first."""
    statement = select(Settlement).where(Settlement.state.in_(FINAL), Settlement.month <= through)
    return list(session.scalars(statement.order_by(Settlement.month)))


def reasons_of(session: Unit, months: Sequence[date]) -> dict[UUID, str]:
    """By adjustment that these months settle."""
    statement = select(AdjustmentRow.adjustment_id, AdjustmentRow.reason)
    rows = session.execute(statement.where(AdjustmentRow.settlement_month.in_(months)))
    return {adjustment_id: reason for adjustment_id, reason in rows}


def stores_by_id(session: Unit) -> dict[UUID, tuple[Party, UUID, str]]:
    """With the id and name of the participant."""
    return {
        store.store_id: (Party(store.code, owner.code), owner.participant_id, owner.name)
        for store, owner in session.execute(stores_and_owners())
    }


def leg_changes(session: Unit, network: Network, parties: dict[UUID, Party]) -> list[LegChange]:
    """Every step of every leg, in the order in which they were taken."""
    settlement = and_(Settlement.tenant_id == Leg.tenant_id, Settlement.settlement_id == Leg.settlement_id)
    changed = and_(StateChange.tenant_id == Leg.tenant_id, StateChange.subject_id == Leg.leg_id)
    statement = (
        select(Leg, Settlement.month, StateChange)
        .join(Settlement, settlement)
        .join(StateChange, changed)
        .order_by(StateChange.changed_at, Leg.leg_id, StateChange.sequence)
    )
    return [
        LegChange(
            ids.show(ids.LEG, leg.leg_id),
            change.sequence,
            clock.business_date(change.changed_at, network.time_zone),
            month,
            change.from_state,
            change.to_state,
            leg.amount,
            parties[leg.store_id],
        )
        for leg, month, change in session.execute(statement)
    ]


def lost_disputes(session: Unit, network: Network, parties: dict[UUID, Party]) -> list[LostDispute]:
    """Those accepted while an approved settlement held their amount back, in the order of the decisions."""
    settlement = and_(
        Settlement.tenant_id == LineRow.tenant_id,
        Settlement.settlement_id == LineRow.settlement_id,
        Settlement.state.in_(FINAL),
    )
    decided = and_(
        StateChange.tenant_id == DisputeRow.tenant_id,
        StateChange.subject_id == DisputeRow.dispute_id,
        StateChange.to_state == ACCEPTED,
    )
    statement = (
        select(DisputeRow, LineRow, StateChange.changed_at)
        .join(LineRow, and_(LineRow.tenant_id == DisputeRow.tenant_id, LineRow.reference == DisputeRow.dispute_id))
        .join(Settlement, settlement)
        .join(StateChange, decided)
        .where(LineRow.kind == DISPUTED)
        .order_by(StateChange.changed_at, DisputeRow.dispute_id)
    )
    return [
        LostDispute(
            ids.show(ids.DISPUTE, dispute.dispute_id),
            clock.business_date(changed_at, network.time_zone),
            line_of(line),
            parties[dispute.store_id],
        )
        for dispute, line, changed_at in session.execute(statement)
    ]
