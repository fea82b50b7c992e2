"""What holds from one day until another, like a rate or a fee, for the whole network or for one participant."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from tenants.foundation.errors import InvalidInput

DAY_MIN, DAY_MAX = date(1990, 1, 1), date(2999, 12, 31)

# A change by more than this, up or down, is more likely a decimal point in the wrong place.
CHANGE_MAX = 10


def check_days(valid_from: date, valid_until: date | None) -> None:
    """`valid_until` is the last day; None: until something else is set."""
    for day in (valid_from, valid_until or valid_from):
        if not DAY_MIN <= day <= DAY_MAX:
            raise InvalidInput(f"{day} does not lie between {DAY_MIN} and {DAY_MAX}.", code="day_out_of_range")
    if valid_until is not None and valid_until < valid_from:
        raise InvalidInput(f"It ends on {valid_until}, before it begins on {valid_from}.", code="invalid_days")


def overlap(first_from: date, first_until: date | None, other_from: date, other_until: date | None) -> bool:
    return first_from <= (other_until or DAY_MAX) and other_from <= (first_until or DAY_MAX)


def is_large_change(present: Decimal, new: Decimal) -> bool:
    """From nothing, any amount is fine; to nothing is a large change."""
    return present > 0 and not present / CHANGE_MAX <= new <= present * CHANGE_MAX


def show_days(valid_from: date, valid_until: date | None) -> str:
    return f"from {valid_from} on" if valid_until is None else f"from {valid_from} to {valid_until}"
