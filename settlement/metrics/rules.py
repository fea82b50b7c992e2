"""What of a network's calendar an operator should know of."""

from __future__ import annotations

from datetime import date, timedelta

from tenants.foundation.months import add_months, last_day


def months_to_close(first_open: date, today: date, grace_days: int) -> int:
    """How many months should have been closed by themselves and are still open."""
    months = 0
    while today > last_day(add_months(first_open, months)) + timedelta(days=grace_days):
        months += 1
    return months
