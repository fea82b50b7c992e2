"""What a purchase earns, what points are worth, and when they expire. Integers in, integers out."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from tenants.foundation.errors import InvalidInput
from tenants.foundation.months import add_months, last_day, month_of

NEVER = date.max
RATE_SCALE = 10**6  # rates have six decimals

# The member owes the points, or the store that took the goods back bears them.
RETURN_POLICIES = (DEFICIT, CLAMP) = ("deficit", "clamp")
CHARGED_TO = (MEMBER, STORE) = ("member", "store")
LIMITED, SPANS = ("member", "store"), ("hour", "day")
POINTS_MAX = 2**53
GRACE_DAYS_MAX = 3650

VelocityLimits = dict[str, dict[str, dict[str, int]]]

POLICY_FORMS = "P6M (months, to month end), P90D (days) or never"


@dataclass(frozen=True)
class Terms:
    """What a network can choose. Rates are `Decimal`, money is minor units of the network's currency.

    | field | meaning |
    | --- | --- |
    | `base_rate` | points per currency unit spent |
    | `redemption_value` | points per currency unit given |
    | `expiry_policy` | how long points can be used: see `expires_on` |
    | `minimum_points`, `step_points` | a redemption is at least the one and a multiple of the other |
    | `maximum_share` | of a bill, that points may pay: more than 0, at most 1 |
    | `return_policy` | for earned points that a return finds spent: see `RETURN_POLICIES` |
    | `return_grace_days` | how much longer points can be used that come back into an expired lot |
    | `offline_limit` | points up to which a redemption made offline is honoured, whatever the balance |
    | `offline_charged_to` | who answers for such points that the balance does not cover: `member` or `store` |
    | `pin_from`, `code_from` | amount from which a redemption needs a PIN or a wallet code; None: never |
    | `velocity_limits` | {`member` or `store`: {`hour` or `day`: {`count`: redemptions, `points`: …}}} |
    """

    base_rate: Decimal
    redemption_value: Decimal
    expiry_policy: str
    minimum_points: int = 1
    step_points: int = 1
    maximum_share: Decimal = Decimal(1)
    return_policy: str = DEFICIT
    return_grace_days: int = 0
    offline_limit: int = 0
    offline_charged_to: str = MEMBER
    pin_from: int | None = None
    code_from: int | None = None
    velocity_limits: VelocityLimits = field(default_factory=dict)


@dataclass(frozen=True)
class Programme:
    """One version of a network's programme. `minor_digits` are the decimals of its currency."""

    version: int
    terms: Terms
    minor_digits: int

    def points_earned(self, amount: int) -> int:
        """Whole points for a purchase of `amount` minor units, rounded down: parts never earn more than the whole."""
        return amount * scaled(self.terms.base_rate) // (RATE_SCALE * 10**self.minor_digits)

    def points_per_minor_unit(self) -> Decimal:
        """What `points_earned` multiplies by, exactly."""
        return self.terms.base_rate.scaleb(-self.minor_digits)

    def amount_redeemed(self, points: int) -> int:
        """The minor units that `points` pay for, rounded down: parts never pay more than the whole."""
        return points * 10**self.minor_digits * RATE_SCALE // scaled(self.terms.redemption_value)

    def points_to_pay(self, amount: int) -> int:
        """The points that pay for `amount` minor units, rounded up, and up to a whole step."""
        points = -(-amount * scaled(self.terms.redemption_value) // (RATE_SCALE * 10**self.minor_digits))
        return -(-points // self.terms.step_points) * self.terms.step_points

    def maximum_amount(self, bill: int) -> int:
        """The minor units of a bill that points may pay for, rounded down."""
        return int(bill * self.terms.maximum_share)

    def maximum_points(self, bill: int, available: int) -> int:
        """The most points that a member with `available` points may redeem on a bill; 0 when that is too few."""
        payable = self.maximum_amount(bill) * scaled(self.terms.redemption_value)
        points = min(available, payable // (RATE_SCALE * 10**self.minor_digits))
        points -= points % self.terms.step_points
        return points if points >= self.terms.minimum_points else 0

    def wrong_with_redemption(self, points: int, amount: int, bill: int | None) -> tuple[str, dict[str, Any]] | None:
        """The code of a refusal with what the cashier needs to know, or None. `bill` is what is to be paid."""
        terms = self.terms
        if points < terms.minimum_points:
            return "below_minimum", {"minimum_points": terms.minimum_points}
        if points % terms.step_points:
            return "not_in_steps", {"step_points": terms.step_points}
        if bill is None:
            return (
                ("bill_missing", {"maximum_share": f"{terms.maximum_share.normalize():f}"})
                if terms.maximum_share < 1
                else None
            )
        if amount > self.maximum_amount(bill):
            return "above_maximum_share", {"maximum_amount": self.maximum_amount(bill)}
        return None

    def expires_on(self, issued_on: date) -> date:
        """The last day on which points issued on `issued_on` can be used."""
        return expires_on(self.terms.expiry_policy, issued_on)


def check_terms(terms: Terms) -> None:
    """Raises `InvalidInput` for terms that no programme can have."""
    parse_policy(terms.expiry_policy)
    check_share(terms.maximum_share)
    check_limits(terms.velocity_limits)
    ranges = {
        "minimum_points": (terms.minimum_points, 1, POINTS_MAX),
        "step_points": (terms.step_points, 1, POINTS_MAX),
        "return_grace_days": (terms.return_grace_days, 0, GRACE_DAYS_MAX),
        "offline_limit": (terms.offline_limit, 0, POINTS_MAX),
        "pin_from": (terms.pin_from or 0, 0, POINTS_MAX),
        "code_from": (terms.code_from or 0, 0, POINTS_MAX),
    }
    for name, (value, least, most) in ranges.items():
        if not least <= value <= most:
            raise InvalidInput(f"{name} must lie between {least} and {most}.", code="invalid_terms")
    if terms.return_policy not in RETURN_POLICIES:
        raise InvalidInput(f"return_policy is one of {', '.join(RETURN_POLICIES)}.", code="invalid_terms")
    if terms.offline_charged_to not in CHARGED_TO:
        raise InvalidInput(f"offline_charged_to is one of {', '.join(CHARGED_TO)}.", code="invalid_terms")


def check_share(share: Decimal) -> None:
    if not (share.is_finite() and 0 < share <= 1 and share == round(share, 6)):
        raise InvalidInput(
            "maximum_share must be more than 0 and at most 1, with at most 6 decimals.", code="invalid_terms"
        )


def check_limits(limits: VelocityLimits) -> None:
    for who, spans in limits.items():
        for span, most in spans.items():
            if who not in LIMITED or span not in SPANS or not most or not most.keys() <= {"count", "points"}:
                raise InvalidInput(
                    "velocity_limits are {member or store: {hour or day: {count and/or points}}}.",
                    code="invalid_terms",
                )
            if not all(1 <= value <= POINTS_MAX for value in most.values()):
                raise InvalidInput(f"A velocity limit lies between 1 and {POINTS_MAX}.", code="invalid_terms")


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
