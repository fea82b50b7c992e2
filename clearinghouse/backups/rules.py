"""Names of WAL segments, which base backup a moment needs, and what is kept no longer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

SEGMENT_BYTES = 16 * 1024 * 1024
SEGMENTS_PER_LOG = 2**32 // SEGMENT_BYTES
SEGMENT_NAME = re.compile(r"[0-9A-F]{24}")
# What `archive_until_now` commits, to be told from what tills do.
MARK = "clearinghouse.archive"
ENDING = re.compile(r"tx: +(\d+),.* desc: (COMMIT|ABORT)\w* (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?) UTC")
MARKED = re.compile(rf'tx: +(\d+),.* desc: MESSAGE transactional, prefix "{re.escape(MARK)}"')


@dataclass(frozen=True)
class Base:
    """A base backup. Moments from `ended_at` on can be restored from it, with the WAL from `first_segment` on."""

    name: str
    started_at: datetime
    ended_at: datetime
    bytes: int
    first_segment: str
    revision: str


class Ending(NamedTuple):
    """Of a transaction, as WAL tells it. `changed`: it has committed something, and more than a mark."""

    ended_at: datetime
    changed: bool


def name_of_base(moment: datetime) -> str:
    """To the millisecond: a small database is backed up twice in a second."""
    in_utc = moment.astimezone(UTC)
    return f"{in_utc:%Y%m%dT%H%M%S}{in_utc.microsecond // 1000:03}Z"


def segment_of(timeline: int, position: str) -> str:
    """The name of the segment that holds the WAL position, like 0/3000028."""
    high, low = (int(part, 16) for part in position.split("/"))
    return f"{timeline:08X}{high:08X}{low // SEGMENT_BYTES:08X}"


def next_segment(name: str) -> str:
    timeline, high, low = name[:8], int(name[8:16], 16), int(name[16:], 16)
    high, low = (high + 1, 0) if low + 1 == SEGMENTS_PER_LOG else (high, low + 1)
    return f"{timeline}{high:08X}{low:08X}"


def is_segment(name: str) -> bool:
    return SEGMENT_NAME.fullmatch(name) is not None


def choose_base(bases: Iterable[Base], moment: datetime | None) -> Base | None:
    """The newest that was finished by then; None when all are younger."""
    finished = [base for base in bases if moment is None or base.ended_at <= moment]
    return max(finished, key=lambda base: base.ended_at, default=None)


def bases_to_drop(bases: Sequence[Base], keep: int) -> list[Base]:
    """All but the newest `keep`."""
    newest_first = sorted(bases, key=lambda base: base.ended_at, reverse=True)
    return newest_first[keep:]


def files_to_drop(names: Iterable[str], oldest_needed: str) -> list[str]:
    """Of the files beside the segments too: their sums, and what a killed copy has left."""
    return [name for name in names if is_segment(name[:24]) and name[:24] < oldest_needed]


def endings_in(told: str) -> list[Ending]:
    """From what pg_waldump says of transactions and messages, in UTC."""
    marks = set(MARKED.findall(told))
    return [
        Ending(datetime.fromisoformat(moment).replace(tzinfo=UTC), kind == "COMMIT" and number not in marks)
        for number, kind, moment in ENDING.findall(told)
    ]
