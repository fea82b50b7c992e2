"""What each kind of posting does to the points of a month of issue."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from clearinghouse.ledger.checks import check_ledger
from settlement.valuation.queries import Movements, movements_through
from tenants.foundation import ids
from tenants.foundation.database import unit_of_work
from tests.conftest import NetworkForTests, Till
from tests.merges.test_merges import merge

JANUARY, FEBRUARY, AUGUST = date(2026, 1, 1), date(2026, 2, 1), date(2026, 8, 1)
DAY = {"01": "2026-01-10T12:00:00Z", "02": "2026-02-10T12:00:00Z", "08": "2026-08-10T12:00:00Z"}


@pytest.fixture(autouse=True)
def books_are_right_afterwards(network: NetworkForTests) -> Iterator[None]:
    yield
    assert check_ledger(network.tenant_id) == []


def movements(network: NetworkForTests, month: date = date.max) -> Movements:
    with unit_of_work(network.tenant_id) as session:
        return movements_through(session, month)


def cells(network: NetworkForTests, month: date = date.max) -> dict[tuple[date, date], tuple[int, int, int]]:
    """(issued, redeemed, expired) by month of issue and month."""
    found = movements(network, month).cells
    return {
        (c.cohort, c.month): (c.issued, c.redeemed, c.expired) for c in found if (c.issued or c.redeemed or c.expired)
    }


def test_a_redemption_belongs_to_the_month_its_points_were_issued_in(
    network: NetworkForTests, till: Till, card: str
) -> None:
    till.accrue(card, 10000, occurred_at=DAY["01"])
    till.accrue(card, 5000, occurred_at=DAY["02"])
    till.redeem(card, 120, occurred_at=DAY["02"])

    assert cells(network) == {
        (JANUARY, JANUARY): (100, 0, 0),
        (JANUARY, FEBRUARY): (0, 100, 0),
        (FEBRUARY, FEBRUARY): (50, 20, 0),
    }
    assert {c.last_day for c in movements(network).cells} == {date(2026, 7, 31), None, date(2026, 8, 31)}


def test_what_later_months_bring_is_not_known_yet(network: NetworkForTests, till: Till, card: str) -> None:
    till.accrue(card, 10000, occurred_at=DAY["01"])
    till.redeem(card, 30, occurred_at=DAY["02"])

    assert cells(network, JANUARY) == {(JANUARY, JANUARY): (100, 0, 0)}


def test_a_reversed_redemption_is_none(network: NetworkForTests, till: Till, card: str) -> None:
    till.accrue(card, 10000, occurred_at=DAY["01"])
    redemption = till.redeem(card, 30, occurred_at=DAY["01"]).json
    till.reverse(redemption["transfer_id"], points=10, occurred_at=DAY["02"])

    assert cells(network) == {(JANUARY, JANUARY): (100, 30, 0), (JANUARY, FEBRUARY): (0, -10, 0)}


def test_points_taken_back_were_not_issued(network: NetworkForTests, till: Till, card: str) -> None:
    purchase = till.accrue(card, 10000, occurred_at=DAY["01"]).json
    till.reverse(purchase["transfer_id"], amount=4000, occurred_at=DAY["02"])

    assert cells(network) == {(JANUARY, JANUARY): (100, 0, 0), (JANUARY, FEBRUARY): (-40, 0, 0)}


def test_expired_points_that_are_taken_back_neither_expired_nor_were_issued(
    network: NetworkForTests, till: Till, card: str
) -> None:
    purchase = till.accrue(card, 10000, occurred_at=DAY["01"]).json
    network.hq("POST", "/v1/settlement/windows/2026-01/close")
    for month in range(2, 8):
        assert network.hq("POST", f"/v1/settlement/windows/2026-0{month}/close").status_code == 200
    till.reverse(purchase["transfer_id"], amount=4000, occurred_at=DAY["08"])

    found = cells(network)
    assert sum(expired for _, _, expired in found.values()) == 60
    assert sum(issued for issued, _, _ in found.values()) == 60


def test_points_that_repay_a_debt_were_never_there_to_be_redeemed(
    network: NetworkForTests, till: Till, card: str
) -> None:
    purchase = till.accrue(card, 10000, occurred_at=DAY["01"]).json
    till.redeem(card, 100, occurred_at=DAY["01"])
    till.reverse(purchase["transfer_id"], occurred_at=DAY["01"])
    assert sum(movements(network).owed.values()) == 100

    till.accrue(card, 12000, occurred_at=DAY["02"])

    assert cells(network) == {(JANUARY, JANUARY): (100, 100, 0), (FEBRUARY, FEBRUARY): (20, 0, 0)}
    assert sum(movements(network).owed.values()) == 0


def test_a_hold_is_a_redemption_once_it_is_captured(network: NetworkForTests, till: Till, card: str) -> None:
    till.accrue(card, 10000)
    hold = till.post("/v1/holds", {"card": card, "order_ref": "web", "points": 50}).json["hold_id"]
    assert [redeemed for _, redeemed, _ in cells(network).values()] == [0]

    till.post(f"/v1/holds/{hold}/capture", {"points": 30})

    assert [(issued, redeemed) for issued, redeemed, _ in cells(network).values()] == [(100, 30)]


def test_a_merge_leaves_points_in_their_month(network: NetworkForTests, till: Till, card: str) -> None:
    other = network.add_card()
    till.accrue(other, 10000, occurred_at=DAY["01"])
    before = cells(network)

    assert merge(network, other, card).status_code == 201

    assert cells(network) == before == {(JANUARY, JANUARY): (100, 0, 0)}


@pytest.mark.parametrize("charged_to", ["member", "store"])
def test_what_no_lot_covered_is_of_no_month(make_network: Any, charged_to: str) -> None:
    network = make_network(offline_limit=100, offline_charged_to=charged_to)
    till, card = network.add_till("A"), network.add_card()
    till.accrue(card, 4000)

    redemption = offline_redemption(till, card, 100)

    assert [(issued, redeemed) for issued, redeemed, _ in cells(network).values()] == [(40, 40)]
    assert sum(movements(network).owed.values()) == (60 if charged_to == "member" else 0)
    till.reverse(redemption)
    assert [(issued, redeemed) for issued, redeemed, _ in cells(network).values()] == [(40, 0)]


def test_a_lot_that_a_reversed_credit_opens_was_issued_by_it(make_network: Any) -> None:
    network = make_network(offline_limit=100)
    till, card = network.add_till("A"), network.add_card()
    redemption = offline_redemption(till, card, 60)
    till.accrue(card, 5000)

    till.reverse(redemption)

    # 50 repaid, 10 never were; the 50 are a new lot.
    assert [(issued, redeemed) for issued, redeemed, _ in cells(network).values()] == [(50, 0)]
    assert till.balance(card)["available"] == 50
    assert sum(movements(network).owed.values()) == 0


def offline_redemption(till: Till, card: str, points: int) -> str:
    event = {"kind": "redemption", "idempotency_key": "k", "order_ref": str(ids.new_id()), "card": card}
    [result] = till.call("POST", "/v1/batches", {"events": [{**event, "points": points, "offline": True}]}).json[
        "results"
    ]
    return result["transfer"]["transfer_id"]
