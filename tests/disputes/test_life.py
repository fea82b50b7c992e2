"""What becomes of a disputed amount, over months and in both models."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select

from settlement.adjustments.service import adjust
from settlement.disputes.rules import DECIDED_WITHIN
from settlement.disputes.service import accept, expire_disputes, reject
from settlement.proposals.rules import (
    ADJUSTMENT,
    BILATERAL,
    DISPUTE_ACCEPTED,
    DISPUTED,
    FUNDING,
    REDEMPTION,
)
from settlement.proposals.service import get_settlement
from settlement.states.rules import ACCEPTED, EXPIRED, OPENED, REJECTED
from tenants.foundation.database import unit_of_work
from tenants.foundation.errors import Conflict
from tenants.rates.service import make_rate
from tenants.rates.tables import RateRow
from tests.conftest import NetworkForTests
from tests.disputes.month import APRIL, FEBRUARY, HQ, JANUARY, MARCH, Month, shown

FUNDED = (FUNDING, "A", HQ, 100, JANUARY)
PAID = (REDEMPTION, HQ, "B", 60, JANUARY)


def test_the_undisputed_part_settles_and_the_rest_waits_with_its_month(month: Month) -> None:
    month.dispute(month.line(FUNDING, "A", HQ), amount=30)
    month.propose()
    month.approve()

    assert month.rows() == [FUNDED, PAID, (DISPUTED, "A", HQ, -30, JANUARY)]
    assert month.legs() == {"A": 70, "B": -60}
    month.settle(FEBRUARY)
    assert month.rows(FEBRUARY) == []


def test_a_proposal_that_was_disputed_since_can_not_be_approved(month: Month) -> None:
    month.dispute(month.line(FUNDING, "A", HQ), amount=30)

    with pytest.raises(Conflict, match="propose it again") as refused:
        month.approve()

    assert refused.value.code == "proposal_outdated"


@pytest.mark.parametrize(
    ("decide", "state", "expected"),
    [
        (accept, ACCEPTED, [FUNDED, PAID, (DISPUTE_ACCEPTED, "A", HQ, -30, JANUARY)]),
        (reject, REJECTED, [FUNDED, PAID]),
    ],
)
def test_decided_before_the_approval_it_is_in_the_next_proposal(month: Month, decide, state, expected) -> None:
    dispute_id = month.dispute(month.line(FUNDING, "A", HQ), amount=30)
    month.propose()

    decide(month.tenant_id, dispute_id, month.preparer, "because")
    month.propose()
    month.approve()

    assert month.rows() == expected
    assert month.find(dispute_id).state == state
    assert month.adjustments() == []


def test_accepted_after_the_approval_nothing_more_is_owed(month: Month) -> None:
    dispute_id = month.dispute(month.line(FUNDING, "A", HQ), amount=30)
    month.propose()
    month.approve()

    accept(month.tenant_id, dispute_id, month.preparer, "you are right")

    month.settle(FEBRUARY)
    assert month.rows(FEBRUARY) == month.adjustments() == []
    assert (DISPUTED, "A", HQ, -30, JANUARY) in month.rows()


def test_rejected_after_the_approval_it_joins_the_open_month_with_the_month_it_belongs_to(month: Month) -> None:
    dispute_id = month.dispute(month.line(FUNDING, "A", HQ), amount=30)
    month.propose()
    month.approve()
    month.settle(FEBRUARY)

    reject(month.tenant_id, dispute_id, month.preparer, "the till has it")

    month.settle(MARCH)
    assert month.rows(MARCH) == [(ADJUSTMENT, "A", HQ, 30, JANUARY)]
    assert month.legs(MARCH) == {"A": 30}
    [released] = month.adjustments(MARCH)
    assert (released.reason, released.reference) == ("dispute_released", dispute_id)
    assert released.note == f"{shown(dispute_id)} of 2026-01"
    month.settle(APRIL)
    assert month.rows(APRIL) == []


def test_between_two_stores_the_other_one_waits_too(on_redemption: Month) -> None:
    month = on_redemption
    dispute_id = month.dispute(month.line(BILATERAL, "A", "B"), amount=25)
    month.propose()
    month.approve()
    assert month.rows() == [(BILATERAL, "A", "B", 60, JANUARY), (DISPUTED, "A", "B", -25, JANUARY)]
    assert month.legs() == {"A": 35, "B": -35}

    month.settle(FEBRUARY)
    reject(month.tenant_id, dispute_id, month.preparer, "they were used")

    month.settle(MARCH)
    assert month.rows(FEBRUARY) == []
    assert month.rows(MARCH) == [(ADJUSTMENT, "A", "B", 25, JANUARY)]
    assert month.legs(MARCH) == {"A": 25, "B": -25}


def test_who_is_paid_may_dispute_too_and_gets_it_back_when_it_stands(month: Month) -> None:
    dispute_id = month.dispute(month.line(REDEMPTION, HQ, "B"), "B", 10)
    month.propose()
    month.approve()
    assert month.legs() == {"A": 100, "B": -50}

    reject(month.tenant_id, dispute_id, month.preparer, "it was right")

    month.settle(FEBRUARY)
    assert month.rows(FEBRUARY) == [(ADJUSTMENT, HQ, "B", 10, JANUARY)]
    assert month.legs(FEBRUARY) == {"B": -10}


def test_a_line_of_less_than_nothing_is_disputed_in_its_own_direction(network: NetworkForTests, card: str) -> None:
    """A has taken more back than it issued: head office owes A for it, and A thinks it was not so much."""
    month = Month(network)
    sale = network.tills["A"].accrue(card, 10000, occurred_at="2026-01-10T12:00:00Z").json
    month.settle(JANUARY)
    network.tills["A"].reverse(sale["transfer_id"], occurred_at="2026-02-10T12:00:00Z")
    network.close(FEBRUARY)
    month.propose(FEBRUARY)
    month.let_dispute_until(3, FEBRUARY)
    line = month.line(FUNDING, "A", HQ, FEBRUARY)
    assert line.amount == -100

    dispute_id = month.dispute(line, amount=40, month=FEBRUARY)
    month.propose(FEBRUARY)
    month.approve(FEBRUARY)
    assert month.legs(FEBRUARY) == {"A": -60}
    reject(month.tenant_id, dispute_id, month.preparer, "it was")

    month.settle(MARCH)
    assert month.rows(MARCH) == [(ADJUSTMENT, HQ, "A", 40, FEBRUARY)]


def test_what_nobody_decides_in_time_stands(month: Month) -> None:
    dispute_id = month.dispute(month.line(FUNDING, "A", HQ), amount=30)
    month.propose()
    until = month.let_dispute_until(-1)
    month.approve()

    assert expire_disputes(month.tenant_id, "scheduler", until + DECIDED_WITHIN) == []
    assert month.find(dispute_id).state == OPENED
    after = until + DECIDED_WITHIN + timedelta(days=1)
    assert expire_disputes(month.tenant_id, "scheduler", after) == [dispute_id]
    assert expire_disputes(month.tenant_id, "scheduler", after) == []

    assert month.find(dispute_id).state == EXPIRED
    month.settle(FEBRUARY)
    assert month.rows(FEBRUARY) == [(ADJUSTMENT, "A", HQ, 30, JANUARY)]


def test_what_expires_before_the_approval_stands_in_the_next_proposal(month: Month) -> None:
    month.dispute(month.line(FUNDING, "A", HQ), amount=30)
    until = month.let_dispute_until(-1)
    month.propose()

    expire_disputes(month.tenant_id, "scheduler", until + DECIDED_WITHIN + timedelta(days=1))
    month.propose()
    month.approve()

    assert month.rows() == [FUNDED, PAID]
    assert month.adjustments() == []


def test_a_released_amount_keeps_the_month_that_a_disputed_adjustment_belonged_to(month: Month) -> None:
    month.approve()
    dispute_id = adjusted_and_disputed(month)
    month.propose(FEBRUARY)
    month.approve(FEBRUARY)
    assert month.rows(FEBRUARY) == [(ADJUSTMENT, "A", HQ, 50, JANUARY), (DISPUTED, "A", HQ, -50, JANUARY)]

    reject(month.tenant_id, dispute_id, month.preparer, "agreed on the telephone")

    month.settle(MARCH)
    assert month.rows(MARCH) == [(ADJUSTMENT, "A", HQ, 50, JANUARY)]


def adjusted_and_disputed(month: Month) -> UUID:
    adjust(month.tenant_id, month.preparer, "A", HQ, 50, "correction", origin_month=JANUARY)
    month.network.close(FEBRUARY)
    month.propose(FEBRUARY)
    month.let_dispute_until(3, FEBRUARY)
    return month.dispute(month.line(ADJUSTMENT, "A", HQ, FEBRUARY), month=FEBRUARY)


def test_what_a_rejected_dispute_has_released_can_not_be_disputed_again(month: Month) -> None:
    dispute_id = month.dispute(month.line(FUNDING, "A", HQ), amount=30)
    month.propose()
    month.approve()
    reject(month.tenant_id, dispute_id, month.preparer, "no")
    month.network.close(FEBRUARY)
    month.propose(FEBRUARY)
    month.let_dispute_until(3, FEBRUARY)

    with pytest.raises(Conflict, match="was decided before") as refused:
        month.dispute(month.line(ADJUSTMENT, "A", HQ, FEBRUARY), month=FEBRUARY)

    assert refused.value.code == "line_not_disputable"


def test_a_rejected_part_may_be_disputed_again_while_there_is_time(month: Month) -> None:
    line = month.line(FUNDING, "A", HQ)
    first = month.dispute(line)
    reject(month.tenant_id, first, month.preparer, "not all of it")

    second = month.dispute(line, amount=40)

    assert [month.find(each).amount for each in (first, second)] == [100, 40]
    month.propose()
    assert (DISPUTED, "A", HQ, -40, JANUARY) in month.rows()


def test_superseded_proposals_keep_what_they_said(month: Month) -> None:
    month.dispute(month.line(FUNDING, "A", HQ), amount=30)
    month.propose()
    month.dispute(month.line(FUNDING, "A", HQ), amount=5)
    month.propose()
    month.approve()

    nets = [get_settlement(month.tenant_id, JANUARY, version).hq_net for version in (1, 2, 3)]
    states = [get_settlement(month.tenant_id, JANUARY, version).state for version in (1, 2, 3)]
    assert (nets, states) == ([-40, -10, -5], [REJECTED, REJECTED, "approved"])


def test_a_line_that_has_become_less_meanwhile_is_never_disputed_for_more(
    network: NetworkForTests, card: str
) -> None:
    """Another rate from the middle of the month on leaves it half its points: the first dispute takes all of it."""
    month = Month(network)
    for day in (10, 20):
        network.tills["A"].accrue(card, 5000, occurred_at=f"2026-01-{day}T12:00:00Z")
    network.close(JANUARY)
    month.propose()
    month.let_dispute_until(3)
    line = month.line(FUNDING, "A", HQ)
    first, second = month.dispute(line, amount=60), month.dispute(line, amount=40)

    change_rate_from(month, date(2026, 1, 16))
    month.propose()
    month.approve()
    assert [row[3] for row in month.rows()] == [50, 50, -50]
    assert month.legs() == {"A": 50}
    for dispute_id in (first, second):
        reject(month.tenant_id, dispute_id, month.preparer, "no")

    [released] = month.adjustments()
    assert (released.amount, released.reference) == (50, first)


def change_rate_from(month: Month, day: date) -> None:
    with unit_of_work(month.tenant_id) as session:
        former = session.scalars(select(RateRow)).one()
        former.valid_until = day - timedelta(days=1)
        session.flush()
        session.add(make_rate(month.tenant_id, former.funding_rate, former.redemption_rate, day, "test"))
