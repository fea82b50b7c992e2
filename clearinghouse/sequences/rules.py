"""A terminal numbers its events itself, 1, 2, 3 and so on: which numbers have come in, and which are missing.

Ranges are pairs (first, last), both included, in order, and never touch each other.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any, TypeGuard

from tenants.foundation.errors import ClearinghouseError, Conflict, InvalidInput

SEQUENCE_MAX = 2**53
# How far a till's clock may run ahead, and how far off it may be before an answer warns of it.
CLOCK_SKEW = timedelta(minutes=5)
# A terminal that leaves more gaps than this counts something else too. Its oldest are given up, down to half as many:
# keeping them all would make every batch of it slower for ever.
RANGES_MAX = 1_000

Range = tuple[int, int]


def is_numbered(events: Sequence[dict[str, Any]]) -> bool:
    """Whether the events carry a `sequence`; raises `InvalidInput` when only some do."""
    numbered = sum("sequence" in event for event in events)
    if numbered not in (0, len(events)):
        raise InvalidInput(
            f"{numbered} of the {len(events)} events carry a sequence: number all events of a batch, or none.",
            code="sequence_incomplete",
        )
    return numbered > 0


def is_sequence(value: object) -> TypeGuard[int]:
    # Not isinstance: true is no number, though it is an int.
    return type(value) is int and 1 <= value <= SEQUENCE_MAX


def refuse_numbers(events: Sequence[dict[str, Any]]) -> dict[int, ClearinghouseError]:
    """What is wrong with the numbers of a numbered batch, by the event's place in it.

    An event that is sent twice has the same key both times, and is no error.
    """
    refusals: dict[int, ClearinghouseError] = {}
    keys: dict[int, object] = {}
    for place, event in enumerate(events):
        number, key = event["sequence"], event.get("idempotency_key")
        if not is_sequence(number):
            refusals[place] = InvalidInput(
                f"sequence must be a whole number from 1 to {SEQUENCE_MAX}.", code="invalid_sequence"
            )
        elif keys.setdefault(number, key) != key:
            refusals[place] = Conflict(
                f"An earlier event of this batch has the sequence {number}; send this one with its own.",
                code="sequence_repeated",
            )
    return refusals


def ranges_of(numbers: Iterable[int]) -> list[Range]:
    ranges: list[Range] = []
    for number in sorted(numbers):
        if ranges and number <= ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], max(number, ranges[-1][1]))
        else:
            ranges.append((number, number))
    return ranges


def missing_ranges(received: Sequence[Range], highest: int) -> list[Range]:
    """What lies between the lowest number received and `highest`, the highest that is known to have been used."""
    missing = [(left[1] + 1, right[0] - 1) for left, right in pairwise(received)]
    if received and received[-1][1] < highest:
        missing.append((received[-1][1] + 1, highest))
    return missing


def given_up_before(*kept: Sequence[Range]) -> int | None:
    """The number below which gaps are given up, because one of `kept` has become too long; None while none has."""
    longest = max(kept, key=len)
    return longest[-RANGES_MAX // 2][0] if len(longest) > RANGES_MAX else None


def count_numbers(ranges: Iterable[Range]) -> int:
    return sum(last - first + 1 for first, last in ranges)


def numbers_within(ranges: Sequence[Range], numbers: Iterable[int]) -> list[int]:
    firsts = [first for first, _ in ranges]
    places = [(number, bisect_right(firsts, number) - 1) for number in numbers]
    return [number for number, place in places if place >= 0 and number <= ranges[place][1]]


def write_multirange(numbers: Iterable[int]) -> str:
    """As PostgreSQL reads it; it merges what touches."""
    return "{" + ",".join(f"[{number},{number}]" for number in numbers) + "}"


def read_multirange(text: str) -> list[Range]:
    """As PostgreSQL writes it: `{[1,5),[7,8)}`."""
    return [(int(first), int(end) - 1) for first, end in re.findall(r"\[(\d+),(\d+)\)", text)]
