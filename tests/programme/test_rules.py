from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from clearinghouse.programme.rules import NEVER, Programme, Terms, expires_on
from tenants.foundation.errors import InvalidInput


@pytest.mark.parametrize(
    ("policy", "issued_on", "expected"),
    [
        ("P6M", date(2026, 1, 1), date(2026, 7, 31)),
        ("P6M", date(2026, 1, 31), date(2026, 7, 31)),
        ("P6M", date(2026, 8, 31), date(2027, 2, 28)),
        ("P6M", date(2027, 8, 31), date(2028, 2, 29)),
        # Square: P12M to the end of the month, earned 2020-07-06, expires at the start of 2021-08-01.
        ("P12M", date(2020, 7, 6), date(2021, 7, 31)),
        ("P90D", date(2026, 1, 31), date(2026, 5, 1)),
        ("P1D", date(2026, 12, 31), date(2027, 1, 1)),
        ("never", date(2026, 1, 1), NEVER),
    ],
)
def test_points_can_be_used_through_the_day_that_the_policy_says(
    policy: str, issued_on: date, expected: date
) -> None:
    assert expires_on(policy, issued_on) == expected


@pytest.mark.parametrize("policy", ["", "P0M", "6M", "P6", "P6Y", "P-1M", "P6M ", "p6m", "NEVER", "P10000D"])
def test_what_is_no_expiry_policy_is_refused(policy: str) -> None:
    with pytest.raises(InvalidInput, match="is not an expiry policy"):
        expires_on(policy, date(2026, 1, 1))


@pytest.mark.parametrize(
    ("base_rate", "minor_digits", "amount", "points"),
    [
        ("1", 2, 0, 0),
        ("1", 2, 99, 0),
        ("1", 2, 100, 1),
        ("1", 2, 199, 1),
        ("0.01", 0, 199, 1),
        ("1.5", 2, 101, 1),
        ("1.5", 2, 134, 2),
        ("10", 3, 999, 9),
        ("0.333333", 2, 300, 0),
        ("0.333334", 2, 300, 1),
        ("0", 2, 2**53, 0),
        ("1", 2, 2**53, 2**53 // 100),
        ("999999.999999", 0, 2**53, 2**53 * 999999999999 // 10**6),
    ],
)
def test_a_purchase_earns_whole_points_rounded_down(
    base_rate: str, minor_digits: int, amount: int, points: int
) -> None:
    programme = Programme(1, Terms(Decimal(base_rate), Decimal(100), "never"), minor_digits)

    assert programme.points_earned(amount) == points


@pytest.mark.parametrize(
    ("redemption_value", "minor_digits", "points", "amount"),
    [("100", 2, 1, 1), ("100", 2, 250, 250), ("150", 2, 1, 0), ("150", 2, 3, 2), ("1", 0, 7, 7), ("0.5", 2, 1, 200)],
)
def test_points_pay_for_whole_minor_units_rounded_down(
    redemption_value: str, minor_digits: int, points: int, amount: int
) -> None:
    programme = Programme(1, Terms(Decimal(1), Decimal(redemption_value), "never"), minor_digits)

    assert programme.amount_redeemed(points) == amount
