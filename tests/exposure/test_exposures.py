"""A store comes near its cap, reaches it, and comes back; what its tills may do meanwhile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text

from clearinghouse.imports.rules import COLUMNS
from clearinghouse.imports.service import import_purchases
from clearinghouse.ledger.tables import Lot, OutboxEvent
from settlement.adjustments.tables import AdjustmentRow
from settlement.exposure.rules import BLOCK, HQ_FUNDED, NORMAL, REACHED, WARNING
from settlement.exposure.service import get_exposure, list_caps, set_cap, set_policy, update_exposures
from settlement.exposure.tables import ExposureRow
from settlement.rollup.queries import lock_rollup
from settlement.rollup.tables import RollupMonth
from settlement.serving.jobs import PERIODIC, measure_all
from settlement.serving.processes import ForkingWorker
from tenants.foundation import clock, ids
from tenants.foundation.database import unit_of_work
from tenants.foundation.errors import Conflict, InvalidInput, NotFound
from tenants.foundation.months import month_of
from tenants.foundation.queue import job_queue
from tenants.rates.tables import RateRow
from tenants.stores.rules import ALLOWED, BLOCKED
from tenants.stores.tables import Store
from tests.conftest import NetworkForTests, Till
from tests.exposure.conftest import IN_JANUARY, JANUARY, cap, code_of, fail, forget_keys, parts, seen, update


@pytest.fixture
def blocked(network: NetworkForTests, till: Till, card: str) -> Till:
    """Store A with a thousand points issued and a cap of a thousand."""
    assert till.accrue(card, 100_000, key="first", order_ref="first").status_code == 201
    cap(network, "A", 1_000)
    return till


def events_of(network: NetworkForTests) -> list[tuple[str, dict[str, Any]]]:
    with unit_of_work(network.tenant_id) as session:
        statement = select(OutboxEvent.type, OutboxEvent.payload).where(OutboxEvent.type.is_not(None))
        return [(name, data) for name, data in session.execute(statement.order_by(OutboxEvent.event_id))]


def listen(network: NetworkForTests) -> None:
    with unit_of_work(network.tenant_id) as session:
        session.execute(text("UPDATE ledger.books SET events_wanted = true"))


def adjust(network: NetworkForTests, month: date, payer_id: UUID, payee_id: UUID, amount: int) -> None:
    with unit_of_work(network.tenant_id) as session:
        session.add(
            AdjustmentRow(
                tenant_id=network.tenant_id,
                adjustment_id=ids.new_id(),
                settlement_month=month,
                origin_month=month,
                payer_id=payer_id,
                payee_id=payee_id,
                amount=amount,
                reason="correction",
                note="",
                made_by="test",
                made_at=clock.now(),
            )
        )


def test_a_store_is_warned_then_stopped_and_comes_back(network: NetworkForTests, till: Till, card: str) -> None:
    listen(network)
    cap(network, "A", 1_000)
    levels = []
    for amount in (79_900, 100, 19_900, 100):
        sale = till.accrue(card, amount)
        assert sale.status_code == 201
        update(network)
        levels.append(seen(network, "A"))
    till.reverse(sale.json["transfer_id"])
    update(network)
    back = seen(network, "A")
    # Points used in the store itself are set against those it has issued.
    till.redeem(card, 500)
    update(network)

    assert levels == [
        (799, NORMAL, ALLOWED),
        (800, WARNING, ALLOWED),
        (999, WARNING, ALLOWED),
        (1000, REACHED, BLOCKED),
    ]
    assert (back, seen(network, "A")) == ((999, WARNING, ALLOWED), (499, NORMAL, ALLOWED))
    assert [(name, data["exposure"], data["issuing"]) for name, data in events_of(network)] == [
        ("exposure.warning", 800, ALLOWED),
        ("exposure.reached", 1000, BLOCKED),
        ("exposure.warning", 999, ALLOWED),
        ("exposure.normal", 499, ALLOWED),
    ]
    assert events_of(network)[1][1] | {"as_of": ""} == {
        **{"store": "A", "exposure": 1000, "cap": 1000, "level": "reached", "issuing": "blocked", "as_of": ""}
    }


def test_a_blocked_store_issues_nothing(network: NetworkForTests, blocked: Till, card: str) -> None:
    refused = blocked.accrue(card, 100)
    quote = blocked.call("POST", "/v1/quotes", {"card": card, "amount": 10_000})

    assert code_of(refused) == (403, "issuing_blocked")
    assert quote.json["earns"] == 0
    assert network.tills["B"].accrue(card, 100).status_code == 201


def test_what_was_posted_before_is_answered_again(blocked: Till, card: str) -> None:
    again = blocked.accrue(card, 100_000, key="first", order_ref="first")
    other = blocked.accrue(card, 100_001, key="first", order_ref="first")

    assert (again.status_code, again.headers["Idempotent-Replayed"], again.json["points"]) == (201, "true", 1000)
    assert code_of(other) == (409, "idempotency_key_reused")


def test_a_blocked_store_redeems_holds_and_takes_back(blocked: Till, card: str) -> None:
    hold = blocked.post("/v1/holds", {"card": card, "order_ref": "h", "points": 100})
    answers = [
        hold,
        blocked.redeem(card, 100),
        blocked.post(f"/v1/holds/{hold.json['hold_id']}/capture", {}),
        blocked.post("/v1/reversals", {"original_order_ref": "first"}),
        # It earns nothing.
        blocked.accrue(card, 99),
    ]

    assert [answer.status_code for answer in answers] == [201] * 5


def test_what_a_till_has_queued_was_promised_to_the_member(
    network: NetworkForTests, blocked: Till, card: str
) -> None:
    event = {"kind": "accrual", "card": card, "amount": 50_000}
    queued = [{**event, "idempotency_key": f"q{n}", "order_ref": f"q{n}", "sequence": n} for n in (1, 2)]
    unnumbered = {**event, "idempotency_key": "u", "order_ref": "u"}
    bad_number = {**event, "idempotency_key": "b", "order_ref": "b", "sequence": 0}

    numbered = blocked.post("/v1/batches", {"events": [*queued, bad_number]}).json
    refused = blocked.post("/v1/batches", {"events": [unnumbered]}).json
    update(network)

    assert [result["outcome"] for result in numbered["results"]] == ["posted", "posted", "refused"]
    assert numbered["results"][2]["problem"]["code"] == "invalid_sequence"
    assert refused["results"][0]["problem"]["code"] == "issuing_blocked"
    assert seen(network, "A") == (2_000, REACHED, BLOCKED)


def test_head_office_funds_what_a_store_at_its_cap_issues(network: NetworkForTests, till: Till, card: str) -> None:
    till.accrue(card, 100_000, occurred_at=IN_JANUARY)
    set_policy(network.tenant_id, HQ_FUNDED, "test")
    cap(network, "A", 1_000)

    more = till.accrue(card, 30_000, occurred_at=IN_JANUARY)
    update(network)
    network.tills["B"].redeem(card, 1_100, occurred_at=IN_JANUARY)
    document = network.settle(JANUARY)

    assert (more.status_code, more.json["points"], more.json["available"]) == (201, 300, 1_300)
    assert seen(network, "A") == (1_000, REACHED, HQ_FUNDED)
    with unit_of_work(network.tenant_id) as session:
        funders = session.scalars(select(Lot.funder_id).order_by(Lot.points)).all()
    assert funders == [network.tenant_id, till.store_id]
    nets = {line.store_code: (line.position.issued, line.position.net) for line in document.stores}
    assert nets["A"] == (1_000, 1_000)
    assert document.hq_funded is not None and document.hq_funded.issued == 300


def test_a_return_of_what_head_office_funded_is_head_offices(network: NetworkForTests, till: Till, card: str) -> None:
    cap(network, "A", 0)
    set_policy(network.tenant_id, HQ_FUNDED, "test")
    forget_keys(network)
    sale = till.accrue(card, 30_000).json

    assert till.reverse(sale["transfer_id"]).json["points"] == 300
    update(network)

    assert (seen(network, "A")[0], parts(network, "A")) == (0, {})


def test_the_policy_is_in_force_at_once_for_all(network: NetworkForTests, blocked: Till, card: str) -> None:
    assert seen(network, "A")[2] == BLOCKED
    issuing = []
    for policy in (HQ_FUNDED, BLOCK):
        set_policy(network.tenant_id, policy, "test")
        issuing.append(seen(network, "A")[2])

    assert issuing == [HQ_FUNDED, BLOCKED]


def test_a_higher_cap_and_none_let_a_store_go_on(network: NetworkForTests, blocked: Till, card: str) -> None:
    listen(network)
    cap(network, "A", 1_500)
    higher = seen(network, "A"), blocked.accrue(card, 60_000).status_code
    update(network)
    reached = seen(network, "A")
    cap(network, "A", None)

    assert higher == ((1_000, NORMAL, ALLOWED), 201)
    assert reached == (1_600, REACHED, BLOCKED)
    assert seen(network, "A") == (1_600, NORMAL, ALLOWED)
    assert blocked.accrue(card, 100).status_code == 201
    assert [name for name, _ in events_of(network)] == ["exposure.normal", "exposure.reached", "exposure.normal"]
    assert [row.cap for row in list_caps(network.tenant_id, "A")] == [None, 1_500, 1_000]


def test_without_caps_nothing_is_summed_or_measured(network: NetworkForTests, till: Till, card: str) -> None:
    till.accrue(card, 100_000)

    assert update_exposures(network.tenant_id) == 0

    with unit_of_work(network.tenant_id) as session:
        assert session.scalars(select(ExposureRow)).all() == []
        assert session.scalars(select(RollupMonth)).all() == []
    assert get_exposure(network.tenant_id, "A").exposure is None


def test_every_store_is_measured_once_one_has_a_cap(network: NetworkForTests, card: str) -> None:
    network.tills["B"].accrue(card, 20_000)
    cap(network, "A", 1_000)

    assert [seen(network, code) for code in "ABC"] == [
        (0, NORMAL, ALLOWED),
        (200, NORMAL, ALLOWED),
        (0, NORMAL, ALLOWED),
    ]


def test_a_month_counts_from_its_first_point_to_its_payment(network: NetworkForTests, till: Till, card: str) -> None:
    till.accrue(card, 50_000, occurred_at=IN_JANUARY)
    cap(network, "A", 10_000)
    while_open = parts(network, "A")
    network.close(JANUARY)
    update(network)
    closed = parts(network, "A")
    network.propose(JANUARY)
    update(network)
    proposed = parts(network, "A")
    network.settle(JANUARY)
    update(network)
    approved = parts(network, "A")
    fail(network, till)
    update(network)

    assert while_open == closed == proposed == {"unsettled": 500}
    assert approved == {"receivable": 500}
    assert parts(network, "A") == {"receivable": 500}


def test_what_a_store_receives_pays_for_no_other_month(network: NetworkForTests, card: str) -> None:
    a, b = network.tills["A"], network.tills["B"]
    a.accrue(card, 50_000, occurred_at=IN_JANUARY)
    b.redeem(card, 400, occurred_at=IN_JANUARY)
    b.accrue(card, 30_000)
    cap(network, "A", 10_000)

    assert (parts(network, "A"), parts(network, "B")) == ({"unsettled": 500}, {"unsettled": 300})
    network.settle(JANUARY)
    update(network)
    assert (parts(network, "A"), parts(network, "B")) == ({"receivable": 500}, {"unsettled": 300})


def test_adjustments_of_the_open_month_count(network: NetworkForTests, card: str) -> None:
    a, b = network.tills["A"], network.tills["B"]
    a.accrue(card, 10_000)
    month = month_of(clock.now().date())
    adjust(network, month, a.store_id, b.store_id, 40)
    adjust(network, month, network.tenant_id, a.store_id, 15)
    cap(network, "A", 10_000)

    assert (parts(network, "A"), parts(network, "B")) == ({"unsettled": 125}, {})


def test_each_day_has_its_rate(network: NetworkForTests, till: Till, card: str) -> None:
    with unit_of_work(network.tenant_id) as session:
        session.execute(text("UPDATE tenants.rates SET valid_until = DATE '2026-01-14'"))
        session.add(
            RateRow(
                **{"tenant_id": network.tenant_id, "rate_id": ids.new_id(), "valid_from": date(2026, 1, 15)},
                **{"funding_rate": 3, "redemption_rate": 2, "made_by": "test", "made_at": clock.now()},
            )
        )
    for day in (14, 15):
        till.accrue(card, 10_000, occurred_at=f"2026-01-{day}T12:00:00Z")
    till.redeem(card, 50, occurred_at="2026-01-16T12:00:00Z")
    cap(network, "A", 10_000)

    assert parts(network, "A") == {"unsettled": 100 + 300 - 100}


def test_a_day_without_a_rate_is_told_and_changes_nothing(network: NetworkForTests, blocked: Till, card: str) -> None:
    with unit_of_work(network.tenant_id) as session:
        session.execute(text("UPDATE tenants.rates SET valid_until = DATE '2026-01-14'"))

    with pytest.raises(Conflict) as refused:
        update_exposures(network.tenant_id)

    assert refused.value.code == "rate_gap"
    assert seen(network, "A") == (1_000, REACHED, BLOCKED)


def test_on_redemption_points_that_members_hold_count_and_those_used(
    on_redemption: NetworkForTests, card: str
) -> None:
    network = on_redemption
    a, b = network.tills["A"], network.tills["B"]
    a.accrue(card, 100_000, occurred_at=IN_JANUARY)
    b.redeem(card, 300, occurred_at=IN_JANUARY)
    cap(network, "A", 10_000)
    while_open = parts(network, "A"), parts(network, "B")
    network.settle(JANUARY)
    update(network)
    approved = parts(network, "A"), parts(network, "B")
    b.redeem(card, 200, occurred_at="2026-02-12T12:00:00Z")
    update(network)

    assert while_open == ({"unsettled": 300, "outstanding": 700}, {})
    assert approved == ({"receivable": 300, "outstanding": 700}, {})
    assert parts(network, "A") == {"receivable": 300, "unsettled": 200, "outstanding": 500}


def test_on_redemption_what_is_settled_is_what_was_measured(on_redemption: NetworkForTests, card: str) -> None:
    network = on_redemption
    a, b, c = (network.tills[code] for code in "ABC")
    for till, amount in ((a, 100_000), (b, 40_000)):
        till.accrue(card, amount, occurred_at=IN_JANUARY)
    for till, points in ((a, 200), (b, 500), (c, 600)):
        till.redeem(card, points, occurred_at="2026-01-12T12:00:00Z")
    cap(network, "A", 10_000)
    measured = {code: parts(network, code).get("unsettled", 0) for code in "ABC"}

    document = network.propose(JANUARY)

    assert measured == {line.store_code: max(line.position.net, 0) for line in document.stores}
    assert measured["A"] > 0


@pytest.mark.parametrize("amount", [-1, 2**53 + 1])
def test_a_cap_is_an_amount_or_none(network: NetworkForTests, amount: int) -> None:
    with pytest.raises(InvalidInput) as refused:
        set_cap(network.tenant_id, "A", amount, "test")

    assert refused.value.code == "invalid_cap"
    with pytest.raises(NotFound):
        set_cap(network.tenant_id, "Z", 1, "test")
    with pytest.raises(InvalidInput):
        set_policy(network.tenant_id, "shrug", "test")


def test_caps_set_at_once_are_versions_one_after_the_other(network: NetworkForTests) -> None:
    def set_one(amount: int) -> None:
        with network.app.app_context():
            set_cap(network.tenant_id, "A", amount, "test")

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(set_one, range(100, 108)))

    rows = list_caps(network.tenant_id, "A")
    assert [row.version for row in rows] == list(range(8, 0, -1))
    assert sorted(row.cap or 0 for row in rows) == list(range(100, 108))


def test_measuring_waits_for_no_till_and_no_till_for_it(network: NetworkForTests, till: Till, card: str) -> None:
    cap(network, "A", 10_000)
    with unit_of_work(network.tenant_id) as session:
        # As a measurement holds them until it commits.
        lock_rollup(session, network.tenant_id)
        session.execute(select(Store).with_for_update(key_share=True)).all()
        with ThreadPoolExecutor(1) as threads:
            posted = threads.submit(till.accrue, card, 10_000).result(timeout=10)

    assert posted.status_code == 201


def test_a_job_measures_networks_with_caps_and_waits_once(
    network: NetworkForTests, make_network: Callable[..., NetworkForTests], till: Till, card: str
) -> None:
    cap(network, "A", 1_000)
    till.accrue(card, 100_000)
    without = make_network()
    queue = job_queue()
    queue.empty()

    measure_all()
    measure_all()
    waiting = Counter(job_id[:36] for job_id in queue.job_ids)
    for job_id in queue.job_ids:
        if not job_id.startswith(str(network.tenant_id)):
            queue.remove(job_id)
    ForkingWorker([queue], connection=queue.connection).work(burst=True, logging_level="WARNING")

    assert (measure_all, "* * * * *") in PERIODIC
    assert (waiting[str(network.tenant_id)], waiting[str(without.tenant_id)]) == (1, 0)
    assert seen(network, "A") == (1_000, REACHED, BLOCKED)


def test_what_head_office_imports_is_not_blocked(
    network: NetworkForTests, blocked: Till, card: str, tmp_path: Path
) -> None:
    path = tmp_path / "purchases.csv"
    row = {"store": "A", "order_ref": "i1", "card": card, "amount": "100", "occurred_at": "2026-03-01T10:00:00Z"}
    path.write_text(",".join(COLUMNS) + "\n" + ",".join(row.get(name, "") for name in COLUMNS) + "\n")

    report = import_purchases(
        network.tenant_id, path, since=None, redeem_up_to_available=False, on_progress=lambda steps: None
    )
    update(network)

    assert report.rejected == 0
    assert seen(network, "A")[0] > 1_000
