"""Proposing what a closed month comes to, and rejecting a proposal.

A proposal is one version of the month's settlement: all of its lines, or nothing. Proposing again replaces the
version before, which stays, as rejected.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import func, select

from clearinghouse.dayclose.service import check_reason
from settlement.netting.rules import Identity
from settlement.proposals import queries
from settlement.proposals.identities import prove_money
from settlement.proposals.rules import Line, Month, canonical, derive_lines, rounding_of
from settlement.proposals.tables import Settlement
from settlement.seals.service import seal_window
from settlement.states.rules import FINAL, PROPOSED, REJECTED, SETTLED, SETTLEMENT, WINDOW
from settlement.states.service import begin, change_state
from settlement.windows.service import keep, refuse_unless_all_hold, totals_of
from settlement.windows.tables import Window
from tenants.foundation import clock, ids
from tenants.foundation.database import Unit, unit_of_work
from tenants.foundation.errors import Conflict, NotFound
from tenants.foundation.months import show_month
from tenants.staff.rules import Actor


@dataclass(frozen=True)
class Derivation:
    """A month's settlement as it follows from the postings, rates, fees, adjustments and disputes."""

    month: Month
    lines: Sequence[Line]
    identities: Sequence[Identity]

    @property
    def content(self) -> bytes:
        return canonical(self.month.month, self.month.model, self.month.minimum_payout, self.lines)

    @property
    def content_hash(self) -> bytes:
        return hashlib.sha256(self.content).digest()


def propose(tenant_id: UUID, month: date, actor: Actor) -> Settlement:
    """A new version of the month's settlement, in state `proposed`.

    Raises `Conflict` for a month that is not published, is not next in turn, or is approved already, or for a day
    without a rate, and `IntegrityFailure` when a sum does not come out.
    """
    with unit_of_work(tenant_id) as session:
        window = lock_window(session, month)
        check_turn(session, month)
        former = queries.live_settlement(session, month)
        check_not_approved(former)
        derived = derive(session, window)
        refuse_unless_all_hold(month, derived.identities)
        seal_window(session, window)
        if former is not None:
            change_state(session, SETTLEMENT, former, REJECTED, actor.shown, "proposed anew")
            session.flush()
        return write_settlement(session, derived, actor)


def reject(tenant_id: UUID, month: date, actor: Actor, reason: str) -> Settlement:
    """Raises `NotFound` when nothing is proposed for the month, `Conflict` when it is approved already."""
    check_reason(reason)
    with unit_of_work(tenant_id) as session:
        lock_window(session, month)
        settlement = live_settlement_of(session, month)
        change_state(session, SETTLEMENT, settlement, REJECTED, actor.shown, reason)
        session.flush()
    return settlement


def finish(session: Unit, window: Window, settlement: Settlement, by: str) -> None:
    """Nothing is left to pay: the settlement and its window are settled."""
    change_state(session, SETTLEMENT, settlement, SETTLED, by)
    change_state(session, WINDOW, window, SETTLED, by)


def lock_window(session: Unit, month: date) -> Window:
    """All that changes a month's settlement takes turns here. Raises unless the month's points are published."""
    window = session.scalar(select(Window).where(Window.month == month).with_for_update())
    if window is None:
        raise NotFound(
            f"{show_month(month)} has not been closed; `clearinghouse window list` shows the months.",
            code="window_unknown",
        )
    if window.published_at is None:
        raise Conflict(
            f"{show_month(month)} is closed but not published yet; close it again to go on.",
            code="window_not_published",
        )
    return window


def check_turn(session: Unit, month: date) -> None:
    """What the month before carried forward must be known."""
    months = session.scalars(select(Window.month).where(Window.month < month)).all()
    approved = session.scalars(select(Settlement.month).where(Settlement.state.in_(FINAL))).all()
    missing = sorted(set(months) - set(approved))
    if missing:
        raise Conflict(
            f"{show_month(missing[0])} is settled first: propose and approve it.", code="settlement_out_of_turn"
        )


def check_not_approved(settlement: Settlement | None) -> None:
    if settlement is not None and settlement.state in FINAL:
        raise Conflict(
            f"{show_month(settlement.month)} is {settlement.state}: what is wrong with it is put right by an "
            "adjustment in the open month.",
            code="settlement_approved",
        )


def live_settlement_of(session: Unit, month: date) -> Settlement:
    settlement = queries.live_settlement(session, month)
    if settlement is None:
        raise NotFound(
            f"No settlement of {show_month(month)} is proposed: `clearinghouse settlement propose`.",
            code="settlement_unknown",
        )
    return settlement


def derive(session: Unit, window: Window, approved: Settlement | None = None) -> Derivation:
    """As it is now; with `approved`, as it was when that settlement of the month was approved: the same for ever."""
    month = queries.month_of_settlement(session, window.tenant_id, window.month, approved)
    lines = derive_lines(month)
    totals = totals_of(window)
    # What the lots held at the end of the month was proven to be this when its points were published.
    identities = prove_money(month, lines, totals, totals.closing_outstanding)
    return Derivation(month, lines, identities)


def write_settlement(session: Unit, derived: Derivation, actor: Actor) -> Settlement:
    """The sums are the database's, from the lines that it has."""
    tenant_id, month = derived.month.head_office_id, derived.month.month
    settlement_id = ids.new_id()
    versions = session.scalar(select(func.max(Settlement.version)).where(Settlement.month == month)) or 0
    queries.write_lines(session, settlement_id, derived.lines)
    nets = queries.nets_by_party(session, settlement_id)
    begin(session, tenant_id, SETTLEMENT, [settlement_id], PROPOSED, actor.shown)
    settlement = Settlement(
        tenant_id=tenant_id,
        settlement_id=settlement_id,
        month=month,
        version=versions + 1,
        state=PROPOSED,
        state_sequence=1,
        model=derived.month.model,
        minimum_payout=derived.month.minimum_payout,
        proposed_by=actor.staff_id,
        proposed_at=clock.now(),
        stores_net=sum(net for party, net in nets.items() if party != tenant_id),
        hq_net=nets.get(tenant_id, 0),
        rounding=rounding_of(derived.lines, tenant_id),
        identities=[keep(identity) for identity in derived.identities],
        content_hash=derived.content_hash,
    )
    session.add(settlement)
    session.flush()
    return settlement


def get_settlement(tenant_id: UUID, month: date, version: int | None = None) -> Settlement:
    """The version that is not rejected, or the one asked for."""
    with unit_of_work(tenant_id) as session:
        if version is None:
            return live_settlement_of(session, month)
        statement = select(Settlement).where(Settlement.month == month, Settlement.version == version)
        settlement = session.scalar(statement)
    if settlement is None:
        raise NotFound(f"{show_month(month)} has no version {version}.", code="settlement_unknown")
    return settlement


def list_settlements(tenant_id: UUID, month: date | None = None) -> list[Settlement]:
    """By month and version; of one month, if one is named."""
    statement = select(Settlement).order_by(Settlement.month, Settlement.version)
    if month is not None:
        statement = statement.where(Settlement.month == month)
    with unit_of_work(tenant_id) as session:
        return list(session.scalars(statement))
