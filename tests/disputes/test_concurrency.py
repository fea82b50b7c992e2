"""What two people do at the same moment. Real threads, each with connections of its own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from settlement.approvals.service import approve
from settlement.disputes.rules import DECIDED_WITHIN
from settlement.disputes.service import accept, expire_disputes, open_dispute, reject
from settlement.proposals.queries import live_settlement
from settlement.proposals.rules import FUNDING
from settlement.proposals.service import derive, propose
from settlement.states.rules import ACCEPTED, OPENED, REJECTED
from settlement.windows.tables import Window
from tenants.foundation.database import unit_of_work
from tenants.foundation.errors import ClearinghouseError
from tests.disputes.month import HQ, JANUARY, Month
from tests.ledger.test_concurrency import Job, at_once

THREADS = 8


def outcomes(results: Sequence[Any]) -> list[str]:
    """`done`, or the code of the refusal; anything else is raised."""
    for result in results:
        if isinstance(result, Exception) and not isinstance(result, ClearinghouseError):
            raise result
    return sorted(result.code if isinstance(result, ClearinghouseError) else "done" for result in results)


def run(month: Month, *jobs: Job) -> list[str]:
    return outcomes(at_once(month.network.app, jobs))


def test_disputes_of_one_line_at_once_never_take_more_than_the_line(month: Month) -> None:
    owner, key = month.owner("A"), month.line(FUNDING, "A", HQ).key
    job = partial(open_dispute, month.tenant_id, owner, JANUARY, "A", key, 30, "wrong")

    assert run(month, *[job] * THREADS) == ["done"] * 3 + ["more_than_disputable"] * (THREADS - 3)

    month.propose()
    month.approve()
    assert month.legs()["A"] == 10


def test_one_dispute_sent_many_times_at_once_is_opened_once(month: Month) -> None:
    owner, key = month.owner("A"), month.line(FUNDING, "A", HQ).key
    job = partial(open_dispute, month.tenant_id, owner, JANUARY, "A", key, 30, "wrong", "the same key")

    results = at_once(month.network.app, [job] * THREADS)

    assert len({dispute_id for dispute_id, _ in results}) == 1
    assert sorted(is_repeated for _, is_repeated in results) == [False] + [True] * (THREADS - 1)


@pytest.mark.parametrize("is_approved", [False, True])
def test_a_dispute_that_two_decide_at_once_is_decided_by_one(month: Month, is_approved: bool) -> None:
    dispute_id = disputed(month, is_approved)
    decide = [accept, reject] * (THREADS // 2)

    done = run(month, *[partial(each, month.tenant_id, dispute_id, month.preparer, "why") for each in decide])

    assert done == ["done"] + ["illegal_state"] * (THREADS - 1)
    state = month.find(dispute_id).state
    assert state in (ACCEPTED, REJECTED)
    assert len(month.adjustments()) == (is_approved and state == REJECTED)


def test_what_is_rejected_while_it_expires_is_released_once(month: Month) -> None:
    dispute_id = disputed(month, is_approved=True)
    late = month.let_dispute_until(-1) + DECIDED_WITHIN + timedelta(days=1)

    done = run(
        month,
        partial(reject, month.tenant_id, dispute_id, month.preparer, "no"),
        *[partial(expire_disputes, month.tenant_id, "scheduler", late)] * 3,
    )

    assert done in (["done"] * 4, ["done"] * 3 + ["illegal_state"])
    assert [row.amount for row in month.adjustments()] == [30]


@pytest.mark.parametrize("decide", [accept, reject])
def test_a_decision_during_the_approval_comes_before_or_after_it(month: Month, decide: Any) -> None:
    dispute_id = disputed(month, is_approved=False)
    month.let_dispute_until(-1)

    done = run(
        month,
        partial(approve, month.tenant_id, JANUARY, month.approver),
        partial(decide, month.tenant_id, dispute_id, month.preparer, "why"),
    )

    assert done in (["done", "done"], ["done", "proposal_outdated"])
    was_approved_first = done == ["done", "done"]
    assert len(month.adjustments()) == (was_approved_first and decide is reject)
    if not was_approved_first:
        month.propose()
        month.approve()
    assert month.legs()["A"] == (70 if was_approved_first or decide is accept else 100)
    assert_derived_again(month)


def test_a_dispute_opened_during_a_proposal_is_in_it_or_makes_it_outdated(month: Month) -> None:
    owner, key = month.owner("A"), month.line(FUNDING, "A", HQ).key

    done = run(
        month,
        partial(propose, month.tenant_id, JANUARY, month.preparer),
        partial(open_dispute, month.tenant_id, owner, JANUARY, "A", key, 30, "wrong"),
    )

    assert done == ["done", "done"]
    is_in_it = any(row[0] == "disputed" for row in month.rows())
    try:
        month.approve()
        assert is_in_it
    except ClearinghouseError as refused:
        assert (refused.code, is_in_it) == ("proposal_outdated", False)


def disputed(month: Month, is_approved: bool) -> UUID:
    dispute_id = month.dispute(month.line(FUNDING, "A", HQ), amount=30)
    month.propose()
    if is_approved:
        month.approve()
    assert month.find(dispute_id).state == OPENED
    return dispute_id


def assert_derived_again(month: Month) -> None:
    with unit_of_work(month.tenant_id) as session:
        settlement = live_settlement(session, JANUARY)
        assert settlement is not None
        window = session.get_one(Window, (month.tenant_id, JANUARY))
        assert derive(session, window, settlement).content_hash == settlement.content_hash
