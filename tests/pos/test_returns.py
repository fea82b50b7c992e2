"""What a return takes back and gives back, in whole and in parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clearinghouse.expiry.service import expire_points
from clearinghouse.ledger.checks import check_ledger
from tests.conftest import NetworkForTests, Till


@pytest.fixture(autouse=True)
def books_are_right_afterwards(network: NetworkForTests) -> Iterator[None]:
    yield
    assert check_ledger(network.tenant_id) == []


def on(day: str) -> dict[str, str]:
    return {"occurred_at": f"{day}T12:00:00Z"}


def test_half_a_sale_that_earned_and_redeemed_comes_back(till: Till, card: str) -> None:
    """Odoo pos_loyalty: balance 200; a sale of 2 units that earn 35 each redeems 150: 120. Half of it is returned:
    120 - 35 + 75 = 160."""
    till.accrue(card, 20000)
    redemption = till.redeem(card, 150).json
    accrual = till.accrue(card, 7000).json
    assert accrual["available"] == 120

    earned = till.reverse(accrual["transfer_id"], amount=3500).json
    spent = till.reverse(redemption["transfer_id"], points=75).json

    assert (earned["points"], earned["available"]) == (35, 85)
    assert (spent["points"], spent["amount"], spent["available"]) == (75, 75, 160)


def test_clamp_leaves_the_member_at_zero_and_the_store_bears_the_rest(
    make_network: Callable[..., NetworkForTests],
) -> None:
    """Setono LoyaltyLedgerClawbackTest, clamp policy: earn 150, redeem 100, the purchase is refunded in full: balance
    0 and a clawback of 50. The goods come back to another store, which bears the 100 that were spent."""
    network = make_network(return_policy="clamp")
    a, b = network.add_till("A"), network.add_till("B")
    card = network.add_card()
    accrual = a.accrue(card, 15000, **on("2026-01-05")).json
    a.redeem(card, 100, **on("2026-01-06"))

    returned = b.reverse(accrual["transfer_id"], **on("2026-01-07")).json

    assert (returned["points"], returned["available"], returned["deficit"]) == (150, 0, 0)
    lines = {line.store_code: line.position for line in network.propose(date(2026, 1, 1)).stores}
    assert (lines["A"].issued, lines["A"].recovered, lines["A"].borne) == (0, 100, 0)
    assert (lines["B"].issued, lines["B"].recovered, lines["B"].borne) == (0, 0, 100)
    assert [lines[code].net for code in "AB"] == [-100, 100]
    assert check_ledger(network.tenant_id) == []


@pytest.mark.parametrize(
    ("parts", "kept_each_time"),
    [
        ([2599], [0]),
        ([1], [24]),
        ([99], [24]),
        ([100], [24]),
        ([1300, 1299], [12, 0]),
        ([1] * 5, [24] * 5),
        ([500, 500, 500], [20, 15, 10]),
    ],
)
def test_what_is_kept_is_rounded_down_on_the_total(
    till: Till, card: str, parts: list[int], kept_each_time: list[int]
) -> None:
    """25 points for 25.99: of what is left of the bill, in proportion."""
    accrual = till.accrue(card, 2599).json

    kept = [till.reverse(accrual["transfer_id"], amount=part).json["available"] for part in parts]

    assert kept == kept_each_time


def test_many_small_returns_keep_no_more_than_a_large_one(network: NetworkForTests, till: Till) -> None:
    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.integers(1, 5000), st.lists(st.integers(1, 1000), min_size=1, max_size=6))
    def check(amount: int, parts: list[int]) -> None:
        while sum(parts) > amount:
            parts.pop()
        one, many = network.add_card(), network.add_card()
        in_one, in_many = (till.accrue(card, amount).json["transfer_id"] for card in (one, many))
        for part in parts:
            till.reverse(in_many, amount=part)
        if parts:
            till.reverse(in_one, amount=sum(parts))

        assert till.balance(many)["available"] == till.balance(one)["available"]

    check()


def test_by_lines_the_member_keeps_what_the_rest_would_have_earned(till: Till, card: str) -> None:
    lines = [
        {"line": "1", "amount": 1050},
        {"line": "2", "amount": 1050},
        {"line": "gift card", "amount": 5000, "earns": False},
    ]
    accrual = till.accrue(card, 7100, lines=lines).json
    assert accrual["points"] == 21

    gift_card = till.reverse(accrual["transfer_id"], lines=[{"line": "gift card"}]).json
    half_a_line = till.reverse(accrual["transfer_id"], lines=[{"line": "1", "amount": 500}]).json
    both = till.reverse(accrual["transfer_id"], lines=[{"line": "1"}, {"line": "2"}]).json

    assert (gift_card["points"], gift_card["amount"]) == (0, 5000)
    # 16.00 are left: 16 points.
    assert (half_a_line["points"], half_a_line["amount"], half_a_line["available"]) == (5, 500, 16)
    assert (both["points"], both["amount"], both["available"]) == (16, 1600, 0)


@pytest.mark.parametrize(
    ("returned", "code", "detail"),
    [
        ({"lines": [{"line": "9"}]}, "line_unknown", {"line": "9"}),
        ({"lines": [{"line": "1", "amount": 801}]}, "more_than_left", {"line": "1", "amount_left": 800}),
        ({"lines": [{"line": "2"}]}, "more_than_left", {"line": "2", "amount_left": 0}),
        ({"amount": 801}, "more_than_left", {"amount_left": 800, "points_left": 8}),
        ({"points": 9}, "more_than_left", {"amount_left": 800, "points_left": 8}),
    ],
)
def test_more_than_what_is_left_is_refused_and_says_how_much_is_left(
    till: Till, card: str, returned: dict[str, Any], code: str, detail: dict[str, Any]
) -> None:
    lines = [{"line": "1", "amount": 1000}, {"line": "2", "amount": 500}]
    accrual = till.accrue(card, 1500, lines=lines).json["transfer_id"]
    till.reverse(accrual, lines=[{"line": "1", "amount": 200}, {"line": "2"}])

    refused = till.reverse(accrual, **returned)

    assert (refused.status_code, refused.json["code"]) == (409, code)
    assert {name: refused.json[name] for name in detail} == detail
    assert till.balance(card)["available"] == 8


def test_all_that_is_left_after_parts_is_the_rest(till: Till, card: str) -> None:
    accrual = till.accrue(card, 10000).json["transfer_id"]
    till.reverse(accrual, points=30)
    rest = till.reverse(accrual).json
    again = till.reverse(accrual)

    assert (rest["points"], rest["amount"], rest["available"]) == (70, 7000, 0)
    assert (again.status_code, again.json["code"]) == (409, "already_reversed")
    assert again.json["transfer_id"] == rest["transfer_id"]


def test_points_that_come_back_to_an_expired_lot_have_days_of_grace(
    make_network: Callable[..., NetworkForTests],
) -> None:
    network = make_network(expiry_policy="P1M", return_grace_days=30)
    till, card = network.add_till("A"), network.add_card()
    till.accrue(card, 10000, **on("2026-01-10"))
    redemption = till.redeem(card, 60, **on("2026-02-20")).json["transfer_id"]

    # The lot expired on 28 February, with 40 points left in it: those stay expired.
    returned = till.reverse(redemption, points=50, **on("2026-03-10")).json
    assert returned["available"] == 50
    assert till.redeem(card, 20, **on("2026-04-09")).status_code == 201
    too_late = till.redeem(card, 30, **on("2026-04-10"))

    assert (too_late.status_code, too_late.json["available"]) == (409, 0)
    assert expire_points(network.tenant_id) == 30
    assert check_ledger(network.tenant_id) == []


def test_without_grace_points_come_back_with_the_expiry_they_had(
    make_network: Callable[..., NetworkForTests],
) -> None:
    network = make_network(expiry_policy="P1M")
    till, card = network.add_till("A"), network.add_card()
    till.accrue(card, 10000, **on("2026-01-10"))
    redemption = till.redeem(card, 60, **on("2026-02-20")).json["transfer_id"]

    assert till.reverse(redemption, **on("2026-03-10")).json["available"] == 0


def test_a_sale_is_found_by_its_order_in_another_store(network: NetworkForTests, card: str) -> None:
    network.tills["A"].accrue(card, 5000, order_ref="S-1")

    returned = network.tills["B"].post(
        "/v1/reversals", {"original_store": "A", "original_order_ref": "S-1", "amount": 2000}
    )

    assert (returned.status_code, returned.json["points"], returned.json["available"]) == (201, 20, 30)


def test_an_order_that_earned_and_redeemed_asks_which_of_the_two(till: Till, card: str) -> None:
    till.accrue(card, 5000)
    redeemed = till.redeem(card, 20, order_ref="S-2").json
    earned = till.accrue(card, 3000, order_ref="S-2").json

    asked = till.post("/v1/reversals", {"original_order_ref": "S-2"})
    named = till.post("/v1/reversals", {"original_order_ref": "S-2", "original_kind": "redemption"})

    assert (asked.status_code, asked.json["code"]) == (409, "several_transfers")
    assert asked.json["transfers"] == [
        {"transfer_id": redeemed["transfer_id"], "kind": "redemption"},
        {"transfer_id": earned["transfer_id"], "kind": "accrual"},
    ]
    assert named.json["reverses_transfer_id"] == redeemed["transfer_id"]


def test_a_reversal_can_not_be_reversed(till: Till, card: str) -> None:
    accrual = till.accrue(card, 5000).json["transfer_id"]
    part = till.reverse(accrual, points=10).json["transfer_id"]

    refused = till.reverse(part)

    assert (refused.status_code, refused.json["code"]) == (409, "not_reversible")


def test_a_part_of_a_return_sent_again_is_taken_once(till: Till, card: str) -> None:
    accrual = till.accrue(card, 5000).json["transfer_id"]

    first = till.reverse(accrual, amount=1000, key="return-1")
    again = till.reverse(accrual, amount=1000, key="return-1")

    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json == first.json
    assert till.balance(card)["available"] == 40


def test_what_has_been_spent_is_owed_and_a_part_of_the_redemption_pays_it_back(till: Till, card: str) -> None:
    accrual = till.accrue(card, 10000).json["transfer_id"]
    redemption = till.redeem(card, 90).json["transfer_id"]

    assert till.reverse(accrual, amount=5000).json["deficit"] == 40
    given_back = till.reverse(redemption, points=60).json

    assert (given_back["available"], given_back["deficit"], given_back["deficit_change"]) == (20, 0, -40)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("amount", 0),
        ("amount", -5),
        ("amount", 1.5),
        ("amount", "5"),
        ("points", 0),
        ("points", 2**53 + 1),
        ("lines", []),
        ("lines", [{"line": "1"}, {"line": "1"}]),
        ("lines", [{"amount": 5}]),
        ("lines", [{"line": "1", "amount": 0}]),
        ("lines", "1"),
    ],
)
def test_a_malformed_part_is_refused(till: Till, card: str, field: str, value: object) -> None:
    accrual = till.accrue(card, 5000).json["transfer_id"]

    refused = till.reverse(accrual, **{field: value})

    assert (refused.status_code, refused.json["code"]) == (422, "invalid_input")
    assert field in refused.json["errors"]


def test_one_way_to_say_how_much(till: Till, card: str) -> None:
    accrual = till.accrue(card, 5000, lines=[{"line": "1", "amount": 5000}]).json["transfer_id"]

    for said in ({"amount": 1, "points": 1}, {"amount": 1, "lines": [{"line": "1"}]}):
        assert till.reverse(accrual, **said).status_code == 422


def test_lines_add_up_to_the_amount(till: Till, card: str) -> None:
    refused = till.accrue(card, 5000, lines=[{"line": "1", "amount": 4999}])

    assert refused.status_code == 422
    assert refused.json["errors"] == {"lines": ["do not add up to amount"]}
