"""Calendar months. A month is the `date` of its first day; as text it is `2026-11`."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import date

from tenants.foundation.errors import InvalidInput


def month_of(day: date) -> date:
    return day.replace(day=1)


def add_months(month: date, count: int) -> date:
    index = month.year * 12 + month.month - 1 + count
    return date(index // 12, index % 12 + 1, 1)


def last_day(month: date) -> date:
    return month.replace(day=monthrange(month.year, month.month)[1])


def parse_month(text: str) -> date:
    """Raises `InvalidInput` unless `text` is like `2026-11`."""
    if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", text) or text < "1900":
        raise InvalidInput(f"{text!r} is not a month: write it like 2026-11", code="invalid_month")
    return date(int(text[:4]), int(text[5:]), 1)


def show_month(month: date) -> str:
    return month.isoformat()[:7]
