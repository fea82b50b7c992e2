"""Approving a proposal: by another person, with every check green. From then on it is what it is."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from settlement.checks.service import check_proposal
from settlement.proposals import queries
from settlement.proposals.service import check_not_approved, derive, finish, live_settlement_of, lock_window
from settlement.proposals.tables import Leg, Settlement
from settlement.states.rules import APPROVED, LEG, PENDING, SETTLEMENT
from settlement.states.service import begin, change_state
from settlement.windows.tables import Window
from tenants.foundation import clock, ids
from tenants.foundation.database import Unit, unit_of_work
from tenants.foundation.errors import Conflict, Forbidden
from tenants.foundation.months import show_month
from tenants.networks.service import today_in
from tenants.staff.rules import Actor


def approve(tenant_id: UUID, month: date, actor: Actor) -> Settlement:
    """Freeze the month's settlement and make a leg for every store that remits or receives.

    Raises `Forbidden` for whoever proposed it, and `Conflict` while stores may still dispute it, when what it is made
    of has changed since, or while a check is red.
    """
    with unit_of_work(tenant_id) as session:
        window = lock_window(session, month)
        settlement = live_settlement_of(session, month)
        check_not_approved(settlement)
        check_two_people(settlement, actor)
        check_day(window, today_in(tenant_id))
        check_current(session, window, settlement)
        check_all_green(session, settlement)
        change_state(session, SETTLEMENT, settlement, APPROVED, actor.shown)
        settlement.approved_by, settlement.approved_at = actor.staff_id, clock.now()
        legs = make_legs(session, window, settlement, actor)
        if not legs:
            finish(session, window, settlement, actor.shown)
        session.flush()
    return settlement


def check_two_people(settlement: Settlement, actor: Actor) -> None:
    if settlement.proposed_by == actor.staff_id:
        raise Forbidden(
            "You proposed this settlement: somebody else has to look at it and approve it.", code="four_eyes"
        )


def check_day(window: Window, today: date) -> None:
    if today <= window.dispute_until:
        raise Conflict(
            f"Stores may dispute {show_month(window.month)} until {window.dispute_until}: approve it after that day.",
            code="disputes_possible",
            dispute_until=window.dispute_until.isoformat(),
        )


def check_current(session: Unit, window: Window, settlement: Settlement) -> None:
    if derive(session, window).content_hash != settlement.content_hash:
        raise Conflict(
            f"Since {show_month(window.month)} was proposed, a rate, fee, adjustment or dispute of it has changed: "
            "propose it again, and look at it again.",
            code="proposal_outdated",
        )


def check_all_green(session: Unit, settlement: Settlement) -> None:
    findings = check_proposal(session, settlement)
    if findings:
        told = "; ".join(f"{f.check}, {f.subject}: expected {f.expected}, found {f.found}" for f in findings[:3])
        raise Conflict(
            f"{show_month(settlement.month)} has {len(findings)} differences ({told}): "
            "`clearinghouse settlement check` shows them all.",
            code="check_failed",
            checks=sorted({finding.check for finding in findings}),
            findings=len(findings),
        )


def make_legs(session: Unit, window: Window, settlement: Settlement, actor: Actor) -> list[Leg]:
    """One for each store that the lines, as the database sums them, leave with something to remit or receive."""
    nets = queries.nets_by_party(session, settlement.settlement_id)
    owed = {store_id: net for store_id, net in nets.items() if net and store_id != settlement.tenant_id}
    legs = [leg_of(window, settlement, store_id, net) for store_id, net in sorted(owed.items())]
    begin(session, settlement.tenant_id, LEG, [leg.leg_id for leg in legs], PENDING, actor.shown)
    session.add_all(legs)
    return legs


def leg_of(window: Window, settlement: Settlement, store_id: UUID, net: int) -> Leg:
    return Leg(
        tenant_id=settlement.tenant_id,
        leg_id=ids.new_id(),
        settlement_id=settlement.settlement_id,
        store_id=store_id,
        amount=net,
        due_on=window.collect_on if net > 0 else window.pay_on,
        state=PENDING,
        state_sequence=1,
    )
