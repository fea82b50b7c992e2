"""What may be done to a dispute in each state, and who may open one when."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest

from settlement.disputes.rules import DECIDED_WITHIN
from settlement.disputes.service import accept, expire_disputes, find_dispute, open_dispute, reject
from settlement.proposals.rules import FUNDING, REDEMPTION
from settlement.proposals.service import propose
from settlement.proposals.service import reject as reject_settlement
from settlement.states.rules import ACCEPTED, EXPIRED, OPENED, REJECTED
from tenants.foundation.database import unit_of_work
from tenants.foundation.errors import ClearinghouseError
from tenants.networks.service import today_in
from tests.conftest import NetworkForTests
from tests.disputes.conftest import use_points
from tests.disputes.month import FEBRUARY, HQ, JANUARY, Month

# action -> state -> next state; None: refused, and nothing changes.
STEPS = {
    "accept": {OPENED: ACCEPTED, ACCEPTED: None, REJECTED: None, EXPIRED: None},
    "reject": {OPENED: REJECTED, ACCEPTED: None, REJECTED: None, EXPIRED: None},
    "expire": {OPENED: EXPIRED, ACCEPTED: None, REJECTED: None, EXPIRED: None},
}
ACTION_TO = {ACCEPTED: "accept", REJECTED: "reject", EXPIRED: "expire"}
MATRIX = [(action, state, to) for action, steps in STEPS.items() for state, to in steps.items()]


def act(month: Month, action: str, dispute_id: Any) -> None:
    if action == "expire":
        long_after = month.let_dispute_until(-1) + DECIDED_WITHIN + timedelta(days=1)
        expire_disputes(month.tenant_id, "scheduler", long_after)
    else:
        decide = {"accept": accept, "reject": reject}[action]
        decide(month.tenant_id, dispute_id, month.preparer, "because")


@pytest.mark.parametrize("is_approved", [False, True])
@pytest.mark.parametrize(("action", "state", "to"), MATRIX)
def test_a_dispute_is_decided_once(month: Month, action: str, state: str, to: str | None, is_approved: bool) -> None:
    dispute_id = month.dispute(month.line(FUNDING, "A", HQ), amount=30)
    if is_approved:
        month.propose()
        month.approve()
    if state != OPENED:
        act(month, ACTION_TO[state], dispute_id)
    before, released = find_dispute(month.tenant_id, dispute_id), month.adjustments()

    if to is None and action != "expire":
        with pytest.raises(ClearinghouseError, match="can't change any more") as refused:
            act(month, action, dispute_id)
        assert (refused.value.code, refused.value.details["state"]) == ("illegal_state", state)
    else:
        act(month, action, dispute_id)

    dispute, changes = find_dispute(month.tenant_id, dispute_id)
    assert dispute.row.state == (to or state)
    assert len(changes) == len(before[1]) + (to is not None)
    if to is None:
        assert [row.adjustment_id for row in month.adjustments()] == [row.adjustment_id for row in released]
    elif to != ACCEPTED:
        assert len(month.adjustments()) == is_approved


def test_what_happened_is_kept_with_who_and_why(month: Month) -> None:
    dispute_id = month.dispute(month.line(FUNDING, "A", HQ))
    reject(month.tenant_id, dispute_id, month.preparer, "the till has it")

    _, changes = find_dispute(month.tenant_id, dispute_id)

    assert [(c.from_state, c.to_state, c.changed_by, c.reason) for c in changes] == [
        ("none", OPENED, month.owner("A").shown, "wrong"),
        (OPENED, REJECTED, month.preparer.shown, "the till has it"),
    ]


def test_who_opened_it_does_not_decide_it(month: Month) -> None:
    dispute_id = month.dispute(month.line(FUNDING, "A", HQ))

    with pytest.raises(ClearinghouseError, match="somebody else decides"):
        accept(month.tenant_id, dispute_id, month.owner("A"), "of course")


def test_a_dispute_of_nobody_is_unknown(month: Month) -> None:
    with pytest.raises(ClearinghouseError) as refused:
        accept(month.tenant_id, uuid4(), month.preparer, "why not")
    assert refused.value.code == "dispute_unknown"


@pytest.mark.parametrize("time_zone", ["Pacific/Kiritimati", "Etc/GMT+12"])
def test_the_last_day_is_that_of_the_networks_time_zone(
    make_network: Callable[..., NetworkForTests], time_zone: str
) -> None:
    """Between the two it is never the same day, so that one of them at least is not that of UTC."""
    network = make_network(time_zone=time_zone)
    network.add_till("A")
    network.add_till("B")
    use_points(network, network.add_card())
    month = Month(network)
    network.close(JANUARY)
    month.propose()
    line = month.line(FUNDING, "A", HQ)

    month.let_dispute_until(0)
    month.dispute(line, amount=1)
    month.let_dispute_until(-1)
    with pytest.raises(ClearinghouseError) as late:
        month.dispute(line, amount=1)

    assert late.value.code == "dispute_period_over"


def test_the_two_time_zones_are_days_apart(make_network: Callable[..., NetworkForTests]) -> None:
    days: list[date] = []
    for zone in ("Pacific/Kiritimati", "Etc/GMT+12"):
        network = make_network(time_zone=zone)
        with unit_of_work(network.tenant_id):
            days.append(today_in(network.tenant_id))

    assert days[0] > days[1]


def test_nothing_is_disputed_while_nothing_is_proposed(month: Month) -> None:
    line = month.line(FUNDING, "A", HQ)
    reject_settlement(month.tenant_id, JANUARY, month.approver, "the fee is missing")

    with pytest.raises(ClearinghouseError, match="when head office has proposed it again") as refused:
        month.dispute(line)
    assert refused.value.code == "settlement_not_proposed"

    propose(month.tenant_id, JANUARY, month.preparer)
    month.dispute(line)


def test_what_is_approved_is_disputed_no_more(month: Month) -> None:
    line = month.line(FUNDING, "A", HQ)
    month.approve()
    month.let_dispute_until(3)

    with pytest.raises(ClearinghouseError, match="adjustment") as refused:
        month.dispute(line)

    assert refused.value.code == "settlement_approved"


@pytest.mark.parametrize("named", ["B", "nowhere", "HQ", "a", ""])
def test_only_ones_own_stores_can_be_disputed_for_and_nobody_learns_of_others(month: Month, named: str) -> None:
    line = month.line(REDEMPTION, HQ, "B")

    with pytest.raises(ClearinghouseError) as refused:
        open_dispute(month.tenant_id, month.owner("A"), JANUARY, named, line.key, 1, "mine")

    assert (refused.value.code, refused.value.message) == ("store_unknown", f"You have no store {named!r}.")


def test_only_lines_of_the_store_can_be_disputed(month: Month) -> None:
    other = month.line(REDEMPTION, HQ, "B")
    for key in (other.key, "funding", "funding/-/-/-", "x" * 200):
        with pytest.raises(ClearinghouseError) as refused:
            open_dispute(month.tenant_id, month.owner("A"), JANUARY, "A", key, 1, "mine")
        assert refused.value.code == "line_unknown"


def test_a_person_of_head_office_owns_no_store(month: Month) -> None:
    with pytest.raises(ClearinghouseError) as refused:
        open_dispute(month.tenant_id, month.preparer, JANUARY, "A", month.line(FUNDING, "A", HQ).key, 1, "mine")
    assert refused.value.code == "store_unknown"


def test_a_month_that_is_not_closed_can_not_be_disputed(month: Month) -> None:
    line = month.line(FUNDING, "A", HQ)
    with pytest.raises(ClearinghouseError) as refused:
        month.dispute(line, month=FEBRUARY)
    assert refused.value.code == "window_unknown"


def test_parts_of_a_line_are_disputed_until_nothing_is_left(month: Month) -> None:
    line = month.line(FUNDING, "A", HQ)
    month.dispute(line, amount=30)
    month.propose()
    month.dispute(line, amount=60)

    with pytest.raises(ClearinghouseError) as refused:
        month.dispute(line, amount=11)
    assert (refused.value.code, refused.value.details) == ("more_than_disputable", {"disputable": 10})
    last = month.dispute(line)
    assert month.find(last).amount == 10
    with pytest.raises(ClearinghouseError) as refused:
        month.dispute(line)
    assert refused.value.code == "line_disputed"
