"""Disputes: a store does not accept a line of its draft statement, and head office decides.

What is disputed is left out of the month's next proposal and waits. Accepted, it is owed no more. Rejected, or not
decided in time, it stands: in the next proposal, or, once the month is approved without it, as an adjustment in the
open month. All of it under the lock of the month's window, as is proposing and approving.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import date
from uuid import UUID

from clearinghouse.dayclose.service import check_reason
from settlement.adjustments.queries import decided_before
from settlement.adjustments.rules import DISPUTE_RELEASED, NewAdjustment
from settlement.adjustments.service import make_adjustment
from settlement.disputes import queries
from settlement.disputes.queries import FullDispute
from settlement.disputes.rules import (
    DECIDED_WITHIN,
    amount_to_dispute,
    check_amount,
    check_disputable,
    check_other_person,
    check_period,
    check_proposed,
)
from settlement.disputes.tables import DisputeRow
from settlement.proposals.queries import lines_of, live_settlement
from settlement.proposals.rules import Line
from settlement.proposals.service import lock_window
from settlement.states.rules import ACCEPTED, DISPUTE, EXPIRED, FINAL, OPENED, REJECTED
from settlement.states.service import begin, change_state, history
from settlement.states.tables import StateChange
from settlement.windows.tables import Window
from tenants.foundation import clock, ids
from tenants.foundation.database import Unit, unit_of_work
from tenants.foundation.errors import Conflict, NotFound
from tenants.foundation.months import show_month
from tenants.networks.service import today_in
from tenants.staff.rules import Actor
from tenants.stores.queries import own_store
from tenants.stores.tables import Store

log = logging.getLogger(__name__)


def open_dispute(
    tenant_id: UUID,
    actor: Actor,
    month: date,
    store_code: str,
    line_key: str,
    amount: int | None,
    reason: str,
    idempotency_key: str | None = None,
) -> tuple[UUID, bool]:
    """The dispute's id, and whether it was there already: a repeat with the same key opens no other.

    `amount` is in minor units, whichever way the line goes; without it, all of the line that is not disputed yet.
    Raises `NotFound` for what is not the owner's, and `Conflict` when it is too late or there is nothing to dispute.
    """
    check_amount(amount)
    check_reason(reason)
    with unit_of_work(tenant_id) as session:
        store = own_store(session, actor.participant_id, store_code)
        window = lock_window(session, month)
        earlier = queries.find_repeated(session, actor.staff_id, idempotency_key) if idempotency_key else None
        if earlier is not None:
            check_same(earlier, month, store, line_key, amount, reason)
            return earlier.dispute_id, True
        line = line_to_dispute(session, window, store, line_key)
        disputed = queries.disputed_by_line(session, month).get(line_key, 0)
        dispute = DisputeRow(
            tenant_id=tenant_id,
            dispute_id=ids.new_id(),
            month=month,
            store_id=store.store_id,
            line_key=line_key,
            amount=amount_to_dispute(line.amount, disputed, amount),
            reason=reason,
            opened_by=actor.staff_id,
            opened_at=clock.now(),
            state=OPENED,
            state_sequence=1,
            idempotency_key=idempotency_key,
        )
        begin(session, tenant_id, DISPUTE, [dispute.dispute_id], OPENED, actor.shown, reason)
        session.add(dispute)
    return dispute.dispute_id, False


def check_same(
    dispute: DisputeRow, month: date, store: Store, line_key: str, amount: int | None, reason: str
) -> None:
    was = dispute.month, dispute.store_id, dispute.line_key, dispute.reason
    is_same_amount = amount is None or amount == abs(dispute.amount)
    if was != (month, store.store_id, line_key, reason) or not is_same_amount:
        raise Conflict(
            "You have used this Idempotency-Key for another dispute; use a new key for each new one.",
            code="idempotency_key_reused",
            dispute_id=ids.show(ids.DISPUTE, dispute.dispute_id),
        )


def line_to_dispute(session: Unit, window: Window, store: Store, line_key: str) -> Line:
    """The line as it is proposed now. Raises `Conflict` or `NotFound`."""
    check_period(window.month, window.dispute_until, today_in(window.tenant_id))
    settlement = live_settlement(session, window.month)
    check_proposed(window.month, None if settlement is None else settlement.state)
    assert settlement is not None
    lines = {line.key: line for line in lines_of(session, settlement.settlement_id, store.store_id)}
    if line_key not in lines:
        raise NotFound(
            f"The proposed settlement of {show_month(window.month)} has no such line of store {store.code!r}: "
            "look at its lines again.",
            code="line_unknown",
        )
    line = lines[line_key]
    check_disputable(line.kind, line.reference in decided_before(session, window.month))
    return line


def accept(tenant_id: UUID, dispute_id: UUID, actor: Actor, reason: str) -> None:
    """What is disputed is owed no more."""
    decide(tenant_id, dispute_id, actor, ACCEPTED, reason)


def reject(tenant_id: UUID, dispute_id: UUID, actor: Actor, reason: str) -> None:
    """What is disputed stands: in the month while it is not approved, else in the open month."""
    decide(tenant_id, dispute_id, actor, REJECTED, reason)


def decide(tenant_id: UUID, dispute_id: UUID, actor: Actor, state: str, reason: str) -> None:
    """Raises `NotFound`, `Forbidden` for whoever opened it, and `Conflict` when it has been decided already."""
    check_reason(reason)
    with unit_of_work(tenant_id) as session:
        found = queries.find_dispute(session, dispute_id)
        if found is None:
            raise unknown_dispute()
        check_other_person(found.row.opened_by, actor.staff_id)
        lock_window(session, found.row.month)
        take_step(session, queries.lock_dispute(session, tenant_id, dispute_id), state, actor.shown, reason)


def unknown_dispute() -> NotFound:
    return NotFound("There is no such dispute in this network.", code="dispute_unknown")


def take_step(session: Unit, dispute: DisputeRow, state: str, by: str, reason: str) -> None:
    """Whose window the caller has locked."""
    change_state(session, DISPUTE, dispute, state, by, reason)
    if state != ACCEPTED:
        release(session, dispute, by)
    session.flush()


def release(session: Unit, dispute: DisputeRow, by: str) -> None:
    """What an approved settlement holds back joins the open month. Before, the next proposal has it anyway."""
    settlement = live_settlement(session, dispute.month)
    if settlement is None or settlement.state not in FINAL:
        return
    held = queries.held_back(session, settlement.settlement_id, dispute.dispute_id)
    if held is None:
        return
    note = f"{ids.show(ids.DISPUTE, dispute.dispute_id)} of {show_month(dispute.month)}"
    released = NewAdjustment(
        held.payer_id,
        held.payee_id,
        -held.amount,
        DISPUTE_RELEASED,
        note,
        held.origin_month,
        dispute.dispute_id,
    )
    make_adjustment(session, dispute.tenant_id, released, by)


def expire_disputes(tenant_id: UUID, by: str, today: date | None = None) -> list[UUID]:
    """Those not decided in time stand as if rejected; their ids. `today` is the day in the network's time zone."""
    with unit_of_work(tenant_id) as session:
        overdue = queries.undecided_by_month(session, (today or today_in(tenant_id)) - DECIDED_WITHIN)
    expired = [
        dispute_id
        for month, dispute_ids in overdue.items()
        for dispute_id in expire_month(tenant_id, month, dispute_ids, by)
    ]
    if expired:
        log.info("%d disputes were not decided in time and stand", len(expired))
    return expired


def expire_month(tenant_id: UUID, month: date, dispute_ids: Collection[UUID], by: str) -> list[UUID]:
    """But those that somebody has decided meanwhile."""
    with unit_of_work(tenant_id) as session:
        lock_window(session, month)
        disputes = [queries.lock_dispute(session, tenant_id, dispute_id) for dispute_id in dispute_ids]
        expired = [dispute for dispute in disputes if dispute.state == OPENED]
        for dispute in expired:
            take_step(session, dispute, EXPIRED, by, f"not decided within {DECIDED_WITHIN.days} days")
    return [dispute.dispute_id for dispute in expired]


def list_disputes(
    tenant_id: UUID,
    month: date | None = None,
    state: str | None = None,
    after: UUID | None = None,
    limit: int | None = None,
) -> list[FullDispute]:
    """Oldest first, those opened after the dispute `after`."""
    with unit_of_work(tenant_id) as session:
        return queries.list_disputes(session, month, state, None, after, limit)


def find_dispute(tenant_id: UUID, dispute_id: UUID) -> tuple[FullDispute, list[StateChange]]:
    """With all that happened to it."""
    with unit_of_work(tenant_id) as session:
        found = queries.find_dispute(session, dispute_id)
        if found is None:
            raise unknown_dispute()
        return found, history(session, dispute_id)
