"""The one clock. Tests that need another time pass it as an argument instead of replacing this."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo


def now() -> datetime:
    return datetime.now(UTC)


def business_date(moment: datetime, time_zone: str) -> date:
    """The calendar day at `moment` (aware) in the network's time zone."""
    return moment.astimezone(ZoneInfo(time_zone)).date()


def date_of(text: str) -> date:
    return date.fromisoformat(text)
