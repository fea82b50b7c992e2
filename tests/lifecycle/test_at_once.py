"""Two people at the same month at the same moment: real threads, each with connections of its own."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from threading import Barrier

import pytest
from apiflask import APIFlask

from settlement.approvals.service import approve
from settlement.checks.service import check_month
from settlement.proofs.service import prove_all
from settlement.proposals.service import list_settlements, propose, reject
from tenants.foundation.errors import ClearinghouseError
from tenants.staff.rules import APPROVER, PREPARER
from tests.conftest import NetworkForTests, Till

JANUARY, FEBRUARY = date(2026, 1, 1), date(2026, 2, 1)

Job = Callable[[], object]


@pytest.fixture
def closed(network: NetworkForTests, card: str) -> NetworkForTests:
    network.tills["A"].accrue(card, 10000, occurred_at="2026-01-10T12:00:00Z")
    network.tills["B"].redeem(card, 30, occurred_at="2026-01-11T12:00:00Z")
    network.close(JANUARY)
    return network


def at_once(app: APIFlask, *jobs: Job) -> list[str]:
    """What became of each: `done`, or the code of its refusal."""
    barrier = Barrier(len(jobs))

    def run(job: Job) -> str:
        with app.app_context():
            barrier.wait()
            try:
                job()
            except ClearinghouseError as error:
                return error.code
            return "done"

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


def states(network: NetworkForTests) -> list[str]:
    return [settlement.state for settlement in list_settlements(network.tenant_id, JANUARY)]


def proposing(network: NetworkForTests) -> Job:
    person = network.person(PREPARER)
    return lambda: propose(network.tenant_id, JANUARY, person)


def approving(network: NetworkForTests) -> Job:
    person = network.person(APPROVER)
    return lambda: approve(network.tenant_id, JANUARY, person)


def rejecting(network: NetworkForTests) -> Job:
    person = network.person(APPROVER)
    return lambda: reject(network.tenant_id, JANUARY, person, "wrong")


def test_of_many_proposals_at_once_the_last_one_stands(app: APIFlask, closed: NetworkForTests) -> None:
    results = at_once(app, *(proposing(closed) for _ in range(4)))

    assert results == ["done"] * 4
    assert states(closed) == ["rejected", "rejected", "rejected", "proposed"]


def test_of_many_approvals_at_once_one_counts(app: APIFlask, closed: NetworkForTests) -> None:
    closed.propose(JANUARY)

    results = at_once(app, *(approving(closed) for _ in range(4)))

    assert sorted(results) == ["done", "settlement_approved", "settlement_approved", "settlement_approved"]
    assert states(closed) == ["approved"]
    _, checks = check_month(closed.tenant_id, JANUARY)
    assert [check.state for check in checks] == ["green"] * len(checks)


def test_an_approval_beside_a_proposal_approves_what_stands(app: APIFlask, closed: NetworkForTests) -> None:
    closed.propose(JANUARY)

    proposed, approved = at_once(app, proposing(closed), approving(closed))

    assert approved == "done"
    assert (proposed, states(closed)) in [
        ("settlement_approved", ["approved"]),
        ("done", ["rejected", "approved"]),
    ]
    assert all(proof.holds for proof in prove_all(closed.tenant_id))


def test_an_approval_beside_a_rejection_is_one_of_the_two(app: APIFlask, closed: NetworkForTests) -> None:
    closed.propose(JANUARY)

    approved, rejected = at_once(app, approving(closed), rejecting(closed))

    assert (approved, rejected, states(closed)) in [
        ("done", "illegal_state", ["approved"]),
        ("settlement_unknown", "done", ["rejected"]),
    ]


def test_a_proposal_beside_the_close_comes_after_it_or_is_refused(
    app: APIFlask, network: NetworkForTests, card: str
) -> None:
    network.tills["A"].accrue(card, 10000, occurred_at="2026-01-10T12:00:00Z")

    closing, proposed = at_once(app, lambda: network.close(JANUARY), proposing(network))

    assert closing == "done"
    assert proposed in ("done", "window_unknown", "window_not_published")


def test_uploads_that_stream_in_while_a_month_closes_are_each_in_one_window(
    app: APIFlask, network: NetworkForTests, card: str
) -> None:
    def upload(till: Till) -> Job:
        def run() -> None:
            for number in range(5):
                events = [
                    {
                        "kind": "accrual",
                        "card": card,
                        "order_ref": f"{till.store_code}-{number}-{place}",
                        "amount": 1000,
                        "idempotency_key": f"{till.store_code}-{number}-{place}",
                        "occurred_at": "2026-01-20T12:00:00Z",
                    }
                    for place in range(10)
                ]
                assert till.post("/v1/batches", {"events": events}).status_code == 200

        return run

    results = at_once(app, lambda: network.close(JANUARY), *(upload(till) for till in network.tills.values()))

    assert results == ["done"] * 4
    for month in (JANUARY, FEBRUARY):
        network.settle(month)
        _, checks = check_month(network.tenant_id, month)
        assert [check.state for check in checks] == ["green"] * len(checks)
    issued = [
        network.hq("GET", f"/v1/settlement/windows/{month:%Y-%m}").json["issued"] for month in (JANUARY, FEBRUARY)
    ]
    assert sum(issued) == 3 * 5 * 10 * 10
