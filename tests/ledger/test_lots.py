"""How points move between lots, among them the worked examples that others have published."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from clearinghouse.expiry.service import expire_points
from clearinghouse.ledger.checks import check_ledger
from clearinghouse.ledger.tables import Lot
from tenants.foundation.database import unit_of_work
from tests.conftest import NetworkForTests, Till


@pytest.fixture(autouse=True)
def books_are_right_afterwards(network: NetworkForTests):
    yield
    assert check_ledger(network.tenant_id) == []


def remaining_by_expiry(network: NetworkForTests) -> dict[date, int]:
    with unit_of_work(network.tenant_id) as session:
        return {lot.expires_on: lot.remaining for lot in session.query(Lot) if lot.is_open}


def on(day: str) -> dict[str, str]:
    return {"occurred_at": f"{day}T12:00:00Z"}


def test_the_lot_that_expires_soonest_is_redeemed_first(network: NetworkForTests, till: Till, card: str) -> None:
    """Setono sylius-loyalty-plugin, LotReplayerTest: 50 (expires January) and 50 (expires February),
    redeem 70: 30 left, all in the February lot. Here the two expire in July and August."""
    till.accrue(card, 5000, **on("2026-01-15"))
    till.accrue(card, 5000, **on("2026-02-15"))

    till.redeem(card, 70, **on("2026-03-01"))

    assert remaining_by_expiry(network) == {date(2026, 8, 31): 30}


def test_a_reversed_accrual_leaves_what_has_been_spent_as_a_deficit(till: Till, card: str) -> None:
    """Setono LoyaltyLedgerClawbackTest, deficit policy: earn 150, redeem 100, the purchase is refunded in
    full: balance -100."""
    accrual = till.accrue(card, 15000).json
    till.redeem(card, 100)

    answer = till.reverse(accrual["transfer_id"])

    assert answer.status_code == 201, answer.json
    assert (answer.json["available"], answer.json["deficit"]) == (0, 100)
    assert answer.json["deficit_change"] == 100


def test_a_full_refund_of_a_sale_that_earned_and_redeemed_restores_the_balance(till: Till, card: str) -> None:
    """Odoo pos_loyalty: balance 200; a sale earns 70 and redeems 150: 120 after the sale, 200 after the refund."""
    till.accrue(card, 20000)
    redemption = till.redeem(card, 150).json
    accrual = till.accrue(card, 7000).json
    assert accrual["available"] == 120

    till.reverse(accrual["transfer_id"])
    answer = till.reverse(redemption["transfer_id"])

    assert (answer.json["available"], answer.json["deficit"]) == (200, 0)


def test_points_are_usable_through_the_last_day_of_the_month_and_not_after(
    make_network: Callable[..., NetworkForTests],
) -> None:
    """Square API: P12M to the end of the month, earned 2020-07-06, expires at the start of 2021-08-01."""
    network = make_network(expiry_policy="P12M", opened_on=date(2020, 1, 1), days_accepted_late=3650)
    till, card = network.add_till("A"), network.add_card()
    till.accrue(card, 10000, **on("2020-07-06"))

    assert till.redeem(card, 10, **on("2021-07-31")).status_code == 201
    refused = till.redeem(card, 10, occurred_at="2021-08-01T00:00:00Z")

    assert refused.json["code"] == "insufficient_points"
    assert refused.json["missing"] == 10


def test_a_reversed_redemption_goes_back_to_its_lots_with_their_expiry(
    network: NetworkForTests, till: Till, card: str
) -> None:
    till.accrue(card, 5000, **on("2026-01-15"))
    till.accrue(card, 5000, **on("2026-02-15"))
    redemption = till.redeem(card, 70, **on("2026-03-01")).json

    till.reverse(redemption["transfer_id"], **on("2026-03-02"))

    assert remaining_by_expiry(network) == {date(2026, 7, 31): 50, date(2026, 8, 31): 50}


def test_a_reversed_accrual_takes_its_own_lot_then_others_soonest_first(
    network: NetworkForTests, till: Till, card: str
) -> None:
    first = till.accrue(card, 5000, **on("2026-01-15")).json
    till.accrue(card, 5000, **on("2026-03-15"))
    till.accrue(card, 5000, **on("2026-02-15"))
    till.redeem(card, 30, **on("2026-03-20"))

    till.reverse(first["transfer_id"], **on("2026-03-21"))

    assert remaining_by_expiry(network) == {date(2026, 8, 31): 20, date(2026, 9, 30): 50}


def test_the_next_accrual_repays_the_deficit_and_says_so(till: Till, card: str) -> None:
    accrual = till.accrue(card, 10000).json
    till.redeem(card, 100)
    till.reverse(accrual["transfer_id"])

    partly = till.accrue(card, 6000).json
    rest = till.accrue(card, 6000).json

    assert (partly["available"], partly["deficit"], partly["deficit_change"]) == (0, 40, -60)
    assert (rest["available"], rest["deficit"], rest["deficit_change"]) == (20, 0, -40)


def test_reversing_both_sides_of_a_spent_purchase_leaves_nothing_owed(till: Till, card: str) -> None:
    accrual = till.accrue(card, 10000).json
    redemption = till.redeem(card, 100).json

    till.reverse(accrual["transfer_id"])
    answer = till.reverse(redemption["transfer_id"])

    assert (answer.json["available"], answer.json["deficit"]) == (0, 0)


def test_points_that_expired_unused_are_not_owed_when_their_purchase_is_reversed(
    network: NetworkForTests, till: Till, card: str
) -> None:
    accrual = till.accrue(card, 10000, **on("2026-01-15")).json
    assert expire_points(network.tenant_id, date(2026, 8, 1)) == 100

    answer = till.reverse(accrual["transfer_id"])

    assert (answer.json["available"], answer.json["deficit"]) == (0, 0)


def test_expired_points_are_not_redeemable_before_the_expiry_job_has_run(till: Till, card: str) -> None:
    till.accrue(card, 10000, **on("2026-01-15"))

    refused = till.redeem(card, 1, **on("2026-08-01"))

    assert refused.json["code"] == "insufficient_points"
    assert till.balance(card)["available"] == 0


def test_expiry_takes_what_is_left_and_nothing_the_second_time(
    network: NetworkForTests, till: Till, card: str
) -> None:
    till.accrue(card, 10000, **on("2026-01-15"))
    till.redeem(card, 40, **on("2026-02-01"))

    assert expire_points(network.tenant_id, date(2026, 7, 31)) == 0
    assert expire_points(network.tenant_id, date(2026, 8, 1)) == 60
    assert expire_points(network.tenant_id, date(2026, 8, 1)) == 0


def test_a_transfer_is_reversed_once(till: Till, card: str) -> None:
    accrual = till.accrue(card, 1000).json
    first = till.reverse(accrual["transfer_id"]).json

    again = till.reverse(accrual["transfer_id"])

    assert again.status_code == 409
    assert (again.json["code"], again.json["transfer_id"]) == ("already_reversed", first["transfer_id"])


def test_a_reversal_can_not_be_reversed(till: Till, card: str) -> None:
    accrual = till.accrue(card, 1000).json
    reversal = till.reverse(accrual["transfer_id"]).json

    assert till.reverse(reversal["transfer_id"]).json["code"] == "not_reversible"


def test_a_sale_can_be_reversed_at_another_store_by_its_order(network: NetworkForTests, card: str) -> None:
    sale, other = network.tills["A"], network.tills["B"]
    sale.accrue(card, 1000, order_ref="A-1")

    answer = other.post(
        "/v1/reversals", {"original_store": "A", "original_order_ref": "A-1", "original_kind": "accrual"}
    )

    assert answer.status_code == 201, answer.json
    assert answer.json["available"] == 0
