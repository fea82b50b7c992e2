"""What a store has lodged covers what it will owe, and what it has failed to pay; never more than is there."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy.exc import IntegrityError

from settlement.deposits.rules import LODGED
from settlement.deposits.service import add_movement, list_deposits, lodge_deposit, return_deposit, use_deposit
from settlement.deposits.tables import DepositRow
from settlement.exposure.rules import NORMAL, REACHED
from settlement.legs.service import carry_leg, fail_leg
from settlement.states.rules import CONFIRMED, FAILED, PENDING
from settlement.states.service import history
from tenants.foundation import clock, ids
from tenants.foundation.database import unit_of_work
from tenants.foundation.errors import ClearinghouseError, Conflict, InvalidInput, NotFound
from tenants.staff.rules import TREASURER, Actor
from tenants.stores.rules import ALLOWED, BLOCKED
from tests.conftest import NetworkForTests, Till
from tests.exposure.conftest import IN_JANUARY, JANUARY, cap, fail, forget_keys, legs_of, parts, seen, update


@pytest.fixture
def treasurer(network: NetworkForTests) -> Actor:
    return network.person(TREASURER)


def movements(network: NetworkForTests, store: str = "A") -> list[tuple[str, int, int]]:
    return [(row.kind, row.amount, row.balance) for row in list_deposits(network.tenant_id, store)]


def test_a_deposit_raises_what_a_store_may_issue_at_once(
    network: NetworkForTests, till: Till, card: str, treasurer: Actor
) -> None:
    till.accrue(card, 100_000)
    cap(network, "A", 1_000)
    blocked = seen(network, "A")

    row = lodge_deposit(network.tenant_id, "A", 600, "T-1", treasurer)
    forget_keys(network)

    assert blocked == (1_000, REACHED, BLOCKED)
    assert seen(network, "A") == (400, NORMAL, ALLOWED)
    assert (row.amount, row.balance, row.made_by) == (600, 600, treasurer.shown)
    assert till.accrue(card, 100).status_code == 201
    return_deposit(network.tenant_id, "A", 600, "T-2", treasurer)
    assert seen(network, "A") == (1_001, REACHED, BLOCKED)
    assert movements(network) == [("returned", -600, 0), ("lodged", 600, 600)]


def test_a_store_with_a_cap_of_zero_issues_what_it_has_lodged(
    network: NetworkForTests, till: Till, card: str, treasurer: Actor
) -> None:
    lodge_deposit(network.tenant_id, "A", 500, "T-1", treasurer)
    cap(network, "A", 0)
    before = seen(network, "A")
    till.accrue(card, 50_000)
    update(network)

    assert (before, seen(network, "A")) == ((-500, NORMAL, ALLOWED), (0, REACHED, BLOCKED))


def test_a_failed_leg_is_paid_from_the_deposit_and_no_other_changes(
    network: NetworkForTests, card: str, treasurer: Actor
) -> None:
    a, b = network.tills["A"], network.tills["B"]
    for till in (a, b):
        till.accrue(card, 50_000, occurred_at=IN_JANUARY)
    network.settle(JANUARY)
    cap(network, "A", 10_000)
    lodge_deposit(network.tenant_id, "A", 700, "T-1", treasurer)
    leg_id = fail(network, a)
    update(network)
    failed = parts(network, "A"), parts(network, "B")

    row, store = use_deposit(network.tenant_id, leg_id, treasurer)

    assert failed == ({"receivable": 500, "deposit": 700}, {"receivable": 500})
    assert (row.amount, row.balance, row.leg_id, store) == (-500, 200, leg_id, "A")
    legs = legs_of(network)
    assert (legs[a.store_id].state, legs[b.store_id].state) == (CONFIRMED, PENDING)
    with unit_of_work(network.tenant_id) as session:
        last = history(session, leg_id)[-1]
    assert (last.to_state, last.reason, last.changed_by) == (CONFIRMED, "deposit", treasurer.shown)
    assert (parts(network, "A"), parts(network, "B")) == ({"deposit": 200}, {"receivable": 500})


def test_a_payment_default_leaves_the_others_as_they_are(network: NetworkForTests, card: str) -> None:
    a, b, c = (network.tills[code] for code in "ABC")
    for till in (a, b):
        till.accrue(card, 50_000, occurred_at=IN_JANUARY)
    c.redeem(card, 300, occurred_at=IN_JANUARY)
    network.settle(JANUARY)
    cap(network, "A", 500)
    cap(network, "B", 10_000)
    before = {store_id: (leg.amount, leg.state) for store_id, leg in legs_of(network).items()}
    others = seen(network, "B"), seen(network, "C")

    fail(network, a)
    update(network)

    after = {store_id: (leg.amount, leg.state) for store_id, leg in legs_of(network).items()}
    assert after == {**before, a.store_id: (500, FAILED)}
    assert (seen(network, "B"), seen(network, "C")) == others
    assert (seen(network, "A"), parts(network, "A")) == ((500, REACHED, BLOCKED), {"receivable": 500})


def test_a_leg_that_the_deposit_has_paid_does_not_fail_again(
    network: NetworkForTests, till: Till, card: str, treasurer: Actor
) -> None:
    till.accrue(card, 50_000, occurred_at=IN_JANUARY)
    network.settle(JANUARY)
    lodge_deposit(network.tenant_id, "A", 700, "T-1", treasurer)
    leg_id = fail(network, till)
    use_deposit(network.tenant_id, leg_id, treasurer)

    with pytest.raises(Conflict) as refused:
        fail_leg(network.tenant_id, leg_id, treasurer, "the bank says so")

    assert refused.value.code == "leg_paid_from_deposit"
    assert legs_of(network)[till.store_id].state == CONFIRMED


def test_a_failed_leg_that_is_carried_is_owed_once(
    network: NetworkForTests, till: Till, card: str, treasurer: Actor
) -> None:
    till.accrue(card, 50_000, occurred_at=IN_JANUARY)
    network.settle(JANUARY)
    cap(network, "A", 10_000)
    leg_id = fail(network, till)

    carry_leg(network.tenant_id, leg_id, treasurer)
    update(network)

    assert parts(network, "A") == {"unsettled": 500}
    with pytest.raises(Conflict) as refused:
        use_deposit(network.tenant_id, leg_id, treasurer)
    assert refused.value.code == "leg_not_failed"


@pytest.mark.parametrize(
    ("store", "failed", "lodged", "code"),
    [
        ("A", False, 500, "leg_not_failed"),
        ("A", True, 499, "deposit_insufficient"),
        ("A", True, None, "deposit_insufficient"),
        # Head office pays this one.
        ("B", True, 500, "leg_not_failed"),
    ],
)
def test_a_leg_that_has_not_failed_or_is_more_than_lodged_is_not_covered(
    network: NetworkForTests, card: str, treasurer: Actor, store: str, failed: bool, lodged: int | None, code: str
) -> None:
    network.tills["A"].accrue(card, 50_000, occurred_at=IN_JANUARY)
    network.tills["B"].redeem(card, 100, occurred_at=IN_JANUARY)
    network.settle(JANUARY)
    till = network.tills[store]
    leg = legs_of(network)[till.store_id]
    if failed:
        fail(network, till)
    if lodged is not None:
        lodge_deposit(network.tenant_id, store, lodged, "T-1", treasurer)
    before = movements(network, store)

    with pytest.raises(Conflict) as refused:
        use_deposit(network.tenant_id, leg.leg_id, treasurer)

    assert refused.value.code == code
    assert movements(network, store) == before
    assert legs_of(network)[till.store_id].state == (FAILED if failed else PENDING)


def test_a_leg_is_covered_once_by_whoever_is_first(
    network: NetworkForTests, till: Till, card: str, treasurer: Actor
) -> None:
    till.accrue(card, 50_000, occurred_at=IN_JANUARY)
    network.settle(JANUARY)
    leg_id = fail(network, till)
    lodge_deposit(network.tenant_id, "A", 5_000, "T-1", treasurer)

    def cover(_: int) -> str:
        with network.app.app_context():
            try:
                use_deposit(network.tenant_id, leg_id, treasurer)
            except Conflict as refused:
                return refused.code
            return "covered"

    with ThreadPoolExecutor(4) as threads:
        outcomes = list(threads.map(cover, range(4)))

    assert sorted(outcomes) == ["covered", *["leg_not_failed"] * 3]
    assert movements(network) == [("used", -500, 4_500), ("lodged", 5_000, 5_000)]


def test_two_at_once_never_take_more_than_is_there(network: NetworkForTests, treasurer: Actor) -> None:
    lodge_deposit(network.tenant_id, "A", 1_000, "T-0", treasurer)

    def take(number: int) -> str:
        with network.app.app_context():
            try:
                return_deposit(network.tenant_id, "A", 300, f"R-{number}", treasurer)
            except Conflict as refused:
                return refused.code
            return "returned"

    with ThreadPoolExecutor(6) as threads:
        outcomes = list(threads.map(take, range(6)))

    assert sorted(outcomes) == [*["deposit_insufficient"] * 3, *["returned"] * 3]
    assert [row.balance for row in list_deposits(network.tenant_id, "A")] == [100, 400, 700, 1_000]
    assert [row.sequence for row in list_deposits(network.tenant_id, "A")] == [4, 3, 2, 1]


def test_the_database_refuses_a_balance_that_does_not_go_on_from_the_last(
    network: NetworkForTests, treasurer: Actor
) -> None:
    lodge_deposit(network.tenant_id, "A", 1_000, "T-0", treasurer)
    store_id = network.tills["A"].store_id
    right = {"sequence": 2, "kind": "returned", "amount": -600, "balance_before": 1_000, "balance": 400}
    wrong = [
        {"sequence": 1},
        {"sequence": 3},
        {"balance_before": 900, "balance": 300},
        {"balance": 500},
        {"amount": -1_200, "balance": -200},
        {"amount": 600, "balance": 1_600},
        {"kind": "lodged"},
        {"kind": "used"},
        {"kind": "lost"},
        {"sequence": 1, "balance_before": 1_000},
        {"reference": None},
    ]

    def write(changes: dict[str, object]) -> None:
        common = {"made_by": "test", "made_at": clock.now(), "reference": "R", "store_id": store_id}
        with unit_of_work(network.tenant_id) as session:
            session.add(
                DepositRow(tenant_id=network.tenant_id, deposit_id=ids.new_id(), **{**common, **right, **changes})
            )

    for changes in wrong:
        with pytest.raises(IntegrityError):
            write(changes)
    write({})
    assert movements(network) == [("returned", -600, 400), ("lodged", 1_000, 1_000)]


def test_a_transfer_of_the_bank_is_booked_once(network: NetworkForTests, treasurer: Actor) -> None:
    first = lodge_deposit(network.tenant_id, "A", 1_000, "T-1", treasurer)
    lodge_deposit(network.tenant_id, "B", 1_000, "T-1", treasurer)
    return_deposit(network.tenant_id, "A", 100, "T-1", treasurer)

    with pytest.raises(Conflict) as refused:
        lodge_deposit(network.tenant_id, "A", 1_000, "T-1", treasurer)

    assert refused.value.code == "deposit_exists"
    assert refused.value.details["deposit_id"] == ids.show(ids.DEPOSIT, first.deposit_id)
    assert [balance for _, _, balance in movements(network)] == [900, 1_000]


@pytest.mark.parametrize(
    ("store", "amount", "reference", "kind", "code"),
    [
        ("A", 0, "T", InvalidInput, "invalid_amount"),
        ("A", -1, "T", InvalidInput, "invalid_amount"),
        ("A", 2**53 + 1, "T", InvalidInput, "invalid_amount"),
        ("A", 1, "", InvalidInput, "invalid_name"),
        ("A", 1, "x" * 201, InvalidInput, "invalid_name"),
        ("Z", 1, "T", NotFound, "store_unknown"),
        ("?", 1, "T", InvalidInput, "invalid_code"),
    ],
)
def test_bad_input_books_nothing(
    network: NetworkForTests,
    treasurer: Actor,
    store: str,
    amount: int,
    reference: str,
    kind: type[ClearinghouseError],
    code: str,
) -> None:
    with pytest.raises(kind) as refused:
        lodge_deposit(network.tenant_id, store, amount, reference, treasurer)

    assert refused.value.code == code
    assert movements(network) == []


def test_a_movement_is_never_changed(network: NetworkForTests, treasurer: Actor) -> None:
    with unit_of_work(network.tenant_id) as session:
        add_movement(session, network.tenant_id, network.tills["A"].store_id, LODGED, 5, treasurer, reference="T")

    with pytest.raises(NotFound) as refused:
        use_deposit(network.tenant_id, ids.new_id(), treasurer)
    assert refused.value.code == "leg_unknown"
    assert movements(network) == [("lodged", 5, 5)]
