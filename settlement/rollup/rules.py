"""Which sums of a month's postings are kept, how far they reach, and when they are made again.

A posting's id tells when it was made, and postings are found by id; but they commit in another order, and some of
them late. So

- those of the last two hours are not kept, but summed afresh whenever somebody asks;
- the others are kept by stretches, each of a UTC day, and those of today and yesterday are summed again every hour;
- a stretch is finished when that has been done once more on the day after the next one.

What commits within two hours of its id always counts at once, and within a day by the next hour. The posting
function gives up after some seconds of waiting, so nothing commits later than that.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from tenants.foundation import ids

OVERLAP = timedelta(hours=2)
KEPT_FOR = timedelta(hours=1)
A_DAY = timedelta(days=1)

BELOW_ALL = UUID(int=0)
# The sums of a closed month hold all of its postings.
ABOVE_ALL = UUID(int=2**128 - 1)
FIRST_DAY = ids.EPOCH.date()


@dataclass(frozen=True)
class StorePeriod:
    """A store's points of a month, on days from `day` on on which no rate changed: see `RollupDay`."""

    month: date
    store_id: UUID
    day: date
    issued: int
    borne: int
    made_good: int
    recovered: int
    used: int
    outstanding: int


def is_stale(is_open: bool, below: UUID, made_at: datetime | None, now: datetime) -> bool:
    """`below` and `made_at` of a month's sums."""
    if not is_open:
        return below != ABOVE_ALL
    return made_at is None or made_at + KEPT_FOR <= now


def first_id_of(day: date) -> UUID:
    return ids.lowest_id_at(datetime.combine(day, time(), UTC))


def day_made(posting_id: UUID) -> date:
    return (ids.EPOCH + timedelta(milliseconds=posting_id.int >> 80)).date()


def end_of_stretch(stretch: date, reach: UUID, below: UUID) -> UUID:
    """Up to where to sum it: as far as the sums are to reach, and no less far than they do already."""
    return min(max(reach, below), first_id_of(stretch + A_DAY))


def finished_after(stretch: date, now: datetime) -> date:
    """Of today and yesterday something may still be missing."""
    return min(stretch + A_DAY, now.astimezone(UTC).date() - A_DAY)
