"""What netting saves, how old a leg is, and what has changed since the month before."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settlement.legs.rules import COLLECTION, PAYOUT
from settlement.reports.rules import (
    Change,
    Efficiency,
    MonthFigures,
    UnpaidLeg,
    aged_stores,
    bucket_of,
    bucket_totals,
    change_of,
    compare,
    efficiency_of,
    mean_rates,
    pooled_obligations,
)

CE, CO, ME, HQ = "Ce", "Co", "Me", "HQ"
MONTH, DUE = date(2026, 11, 1), date(2026, 12, 15)

# Banco de Mexico, payment systems (2000): three banks.
BANXICO = {(CE, CO): 25, (CE, ME): 7, (CO, CE): 17, (CO, ME): 9, (ME, CE): 11, (ME, CO): 14}


def test_netting_of_three_banks_as_published_by_banco_de_mexico() -> None:
    efficiency = efficiency_of(BANXICO)

    assert (efficiency.gross, efficiency.bilateral, efficiency.multilateral) == (83, 17, 13)
    assert (efficiency.gross_payments, efficiency.bilateral_payments, efficiency.multilateral_payments) == (6, 3, 3)
    assert (efficiency.bilateral_saved, efficiency.multilateral_saved) == (Decimal("0.7952"), Decimal("0.8434"))


@pytest.mark.parametrize(
    ("obligations", "expected"),
    [
        ({}, Efficiency()),
        ({(CE, CO): 0}, Efficiency()),
        ({(CE, CE): 50}, Efficiency()),
        ({(CE, CO): 5}, Efficiency(5, 5, 5, 1, 1, 2)),
        ({(CE, CO): -5}, Efficiency(5, 5, 5, 1, 1, 2)),
        ({(CE, CO): 5, (CO, CE): 5}, Efficiency(10, 0, 0, 2, 0, 0)),
        ({(CE, CO): 5, (CO, CE): -5}, Efficiency(10, 10, 10, 1, 1, 2)),
        ({(CE, CO): 5, (CO, ME): 5, (ME, CE): 5}, Efficiency(15, 15, 0, 3, 3, 0)),
        ({(HQ, CO): 5, (CO, ME): 3}, Efficiency(8, 8, 5, 2, 2, 2)),
    ],
    ids=["nothing", "zero", "itself", "one", "less than nothing", "mutual", "other way", "round", "agent"],
)
def test_what_netting_leaves_to_pay(obligations: dict[tuple[str, str], int], expected: Efficiency) -> None:
    assert efficiency_of(obligations, HQ) == expected


def test_where_nothing_is_owed_nothing_can_be_saved() -> None:
    assert efficiency_of({}).bilateral_saved is None
    assert efficiency_of({}).multilateral_saved is None


parties = st.sampled_from([CE, CO, ME, HQ])


@given(st.dictionaries(st.tuples(parties, parties), st.integers(-(10**12), 10**12)))
def test_each_kind_of_netting_leaves_no_more_than_the_one_before(owed: dict[tuple[str, str], int]) -> None:
    efficiency = efficiency_of(owed)

    assert efficiency.gross >= efficiency.bilateral >= efficiency.multilateral >= 0
    assert efficiency.gross_payments >= efficiency.bilateral_payments


def test_pooled_flows_are_worth_what_their_redeemer_is_paid() -> None:
    flows = {(CE, CO): 100, (CE, CE): 1_000, (HQ, CO): 11, (CO, ME): 10, (ME, CE): 25, (CO, CE): -3}
    rates = {CO: Decimal("0.9"), ME: Decimal(2), CE: Decimal("0.5")}

    owed = pooled_obligations(flows, rates)

    assert owed == {(CE, CO): 90, (HQ, CO): 10, (CO, ME): 20, (ME, CE): 12, (CO, CE): -2}


@pytest.mark.parametrize(
    ("paid", "mean"),
    [
        ([(100, "1")], Decimal(1)),
        ([(100, "1"), (300, "2")], Decimal("1.75")),
        ([(100, "1"), (-100, "2")], Decimal("1.5")),
        ([(0, "1")], None),
        ([], None),
    ],
    ids=str,
)
def test_a_rate_that_changed_counts_with_its_mean(paid: list[tuple[int, str]], mean: Decimal | None) -> None:
    assert mean_rates([(CO, points, Decimal(rate)) for points, rate in paid]).get(CO) == mean


def test_a_store_that_is_paid_for_nothing_is_owed_nothing() -> None:
    assert pooled_obligations({(CE, CO): 10, (ME, CO): -10}, {}) == {(CE, CO): 0, (ME, CO): 0}


@pytest.mark.parametrize(
    ("days", "bucket"),
    [
        (-400, "not_due"),
        (-1, "not_due"),
        (0, "not_due"),
        (1, "days_1_30"),
        (30, "days_1_30"),
        (31, "days_31_60"),
        (60, "days_31_60"),
        (61, "days_61_90"),
        (90, "days_61_90"),
        (91, "over_90"),
        (4_000, "over_90"),
    ],
)
def test_a_leg_ages_by_the_days_past_its_due_day(days: int, bucket: str) -> None:
    leg = UnpaidLeg(MONTH, "A", "Store A", "Ltd", 500, DUE, "pending")

    assert bucket_of(days) == bucket
    assert leg.bucket(DUE + timedelta(days=days)) == bucket


def unpaid(code: str, amount: int, due_on: date) -> UnpaidLeg:
    return UnpaidLeg(MONTH, code, f"Store {code}", "Ltd", amount, due_on, "pending")


def test_what_stores_owe_and_are_owed_is_aged_apart() -> None:
    legs = [unpaid("B", 70, DUE), unpaid("A", 30, DUE), unpaid("B", 5, date(2026, 10, 1)), unpaid("B", -9, DUE)]
    as_of = DUE + timedelta(days=1)

    collections, payouts = (aged_stores(legs, direction, as_of) for direction in (COLLECTION, PAYOUT))

    assert [(s.store_code, s.amounts, s.total) for s in collections] == [
        ("A", (0, 30, 0, 0, 0), 30),
        ("B", (0, 70, 0, 5, 0), 75),
    ]
    assert [(s.store_code, s.amounts) for s in payouts] == [("B", (0, 9, 0, 0, 0))]
    assert bucket_totals(collections) == (0, 100, 0, 5, 0)
    assert bucket_totals([]) == (0, 0, 0, 0, 0)


def figures(month: int, issued: int, hq_net: int | None) -> MonthFigures:
    return MonthFigures(date(2026, month, 1), None, None, issued, 0, 0, issued, hq_net=hq_net)


def test_a_month_is_compared_with_the_one_before() -> None:
    first, second, third = compare([figures(1, 100, None), figures(2, 150, -40), figures(3, 0, -50)])

    assert first.changes == {}
    assert second.changes["issued"] == Change(50, Decimal("0.5"))
    assert "hq_net" not in second.changes
    assert third.changes["issued"] == Change(-150, Decimal(-1))
    assert third.changes["hq_net"] == Change(-10, Decimal("-0.25"))


@pytest.mark.parametrize(
    ("before", "now", "share"),
    [(0, 5, None), (0, 0, None), (3, 4, "0.3333"), (-3, 4, "2.3333"), (-4, -6, "-0.5"), (4, 4, "0")],
)
def test_a_change_has_a_share_of_what_was(before: int, now: int, share: str | None) -> None:
    assert change_of(before, now) == Change(now - before, None if share is None else Decimal(share))


def test_without_months_there_is_nothing_to_compare() -> None:
    assert compare([]) == []
