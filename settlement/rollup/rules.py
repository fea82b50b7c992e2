"""When the kept sums of a month's postings are made anew, and how far they reach."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

# Postings whose ids were made in these last hours are always summed afresh: they commit in another order than their
# ids were made in, but within this time.
OVERLAP = timedelta(hours=2)
# Then the sums of an open month are made anew, all of them: what has committed even later is in them from then on.
KEPT_FOR = timedelta(hours=1)

# Above every id: the sums of a closed month hold all of its postings.
ABOVE_ALL = UUID(int=2**128 - 1)
BELOW_ALL = UUID(int=0)


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


def is_stale(is_open: bool, below: UUID | None, made_at: datetime | None, now: datetime) -> bool:
    """`below` and `made_at` of a month's sums, None while there are none."""
    if below is None or made_at is None:
        return True
    return made_at + KEPT_FOR <= now if is_open else below != ABOVE_ALL
