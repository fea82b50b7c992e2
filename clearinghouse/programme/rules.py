"""What a purchase earns, what points are worth, and when they expire. Integers in, integers out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from tenants.foundation.errors import InvalidInput
from tenants.foundation.months import add_months, last_day, month_of

NEVER = date.max
RATE_SCALE = 10**6  # rates have six decimals

POLICY_FORMS = "P6M (months, to month end), P90D (days) or never"


@dataclass(frozen=True)
class Programme:
    """One version of a network's programme.

    `base_rate` is points per currency unit spent, `redemption_value` points per currency unit given,
    `minor_digits` the decimals of the currency.
    """

    version: int
    base_rate: Decimal
    redemption_value: Decimal
    expiry_policy: str
    minor_digits: int

    def points_earned(self, amount: int) -> int:
        """Whole points for a purchase of `amount` minor units, rounded down."""
        return amount * scaled(self.base_rate) // (RATE_SCALE * 10**self.minor_digits)

    def amount_redeemed(self, points: int) -> int:
        """The minor units that `points` pay for, rounded down."""
        return points * 10**self.minor_digits * RATE_SCALE // scaled(self.redemption_value)

    def expires_on(self, issued_on: date) -> date:
        """The last day on which points issued on `issued_on` can be used."""
        return expires_on(self.expiry_policy, issued_on)


def scaled(rate: Decimal) -> int:
    return int(rate.scaleb(6))


def expires_on(policy: str, issued_on: date) -> date:
    """Months run to the end of the month: `P6M` issued on any day of January is usable through 31 July."""
    months, days = parse_policy(policy)
    if months:
        return last_day(add_months(month_of(issued_on), months))
    return issued_on + timedelta(days=days) if days else NEVER


def parse_policy(policy: str) -> tuple[int, int]:
    """(months, days), both 0 for never; raises `InvalidInput`."""
    if policy == "never":
        return 0, 0
    found = re.fullmatch(r"P([1-9]\d{0,3})([MD])", policy)
    if not found:
        raise InvalidInput(f"{policy!r} is not an expiry policy: use {POLICY_FORMS}.", code="invalid_expiry_policy")
    count = int(found[1])
    return (count, 0) if found[2] == "M" else (0, count)
