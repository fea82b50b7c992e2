"""Which rate counts on a day, and what is wrong with days and changes."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenants.foundation.errors import Conflict, InvalidInput
from tenants.rates.rules import Rate, RateBook, ranges_of
from tenants.validity.rules import DAY_MAX, check_days, is_large_change, overlap

OWN = UUID(int=1)


def a_rate(number: int, begins: str, ends: str | None, participant_id: UUID | None = None) -> Rate:
    until = None if ends is None else date.fromisoformat(ends)
    return Rate(UUID(int=number), participant_id, date.fromisoformat(begins), until, Decimal(number), Decimal(number))


BOOK = [
    a_rate(1, "2026-01-01", "2026-01-15"),
    a_rate(2, "2026-01-16", "2026-01-20"),
    a_rate(3, "2026-01-25", None),
    a_rate(9, "2026-01-10", "2026-01-22", OWN),
]


@pytest.mark.parametrize(
    ("whose", "day", "number"),
    [
        (None, "2026-01-01", 1),
        (None, "2026-01-15", 1),
        (None, "2026-01-16", 2),
        (None, "2026-01-25", 3),
        (None, "2099-12-31", 3),
        (OWN, "2026-01-09", 1),
        (OWN, "2026-01-10", 9),
        (OWN, "2026-01-22", 9),
        (OWN, "2026-01-25", 3),
    ],
)
def test_a_participants_own_rate_counts_before_the_networks(whose: UUID | None, day: str, number: int) -> None:
    assert RateBook(BOOK).on(whose, date.fromisoformat(day)).rate_id == UUID(int=number)


@pytest.mark.parametrize(("whose", "day"), [(None, "2025-12-31"), (None, "2026-01-21"), (OWN, "2026-01-23")])
def test_a_day_without_a_rate_is_named(whose: UUID | None, day: str) -> None:
    with pytest.raises(Conflict, match=f"No rate covers {day}:") as refused:
        RateBook(BOOK).on(whose, date.fromisoformat(day))

    assert refused.value.code == "rate_gap"
    assert refused.value.details == {"gaps": [{"valid_from": day, "valid_until": day}]}


@pytest.mark.parametrize(
    ("rates", "gaps"),
    [
        ([], []),
        (BOOK, [("2026-01-21", "2026-01-24")]),
        (BOOK[:2], [("2026-01-21", None)]),
        ([BOOK[2], BOOK[0]], [("2026-01-16", "2026-01-24")]),
        (BOOK[3:], []),
    ],
)
def test_gaps_are_the_days_between_and_after_the_networks_rates(
    rates: list[Rate], gaps: list[tuple[str, str]]
) -> None:
    found = [(first.isoformat(), last and last.isoformat()) for first, last in RateBook(rates).gaps()]

    assert found == gaps


@pytest.mark.parametrize(
    ("whose", "day", "number"),
    [(None, "2025-12-31", None), (None, "2026-01-22", 2), (OWN, "2026-01-23", 2), (OWN, "2026-01-12", 9)],
)
def test_the_latest_rate_is_the_last_that_began(whose: UUID | None, day: str, number: int | None) -> None:
    latest = RateBook(BOOK).latest(whose, date.fromisoformat(day))

    assert (None if latest is None else latest.rate_id.int) == number


@given(st.sets(st.dates(date(2026, 1, 1), date(2026, 3, 1)), max_size=40))
def test_ranges_hold_the_days_and_have_a_break_between_them(days: set[date]) -> None:
    ranges = ranges_of(days)

    inside = {date.fromordinal(n) for first, last in ranges for n in range(first.toordinal(), last.toordinal() + 1)}
    assert inside == days
    assert all(b[0].toordinal() - a[1].toordinal() > 1 for a, b in pairwise(ranges))


spans = st.tuples(st.integers(0, 12), st.one_of(st.none(), st.integers(0, 12))).filter(
    lambda span: span[1] is None or span[0] <= span[1]
)


@given(spans, spans)
def test_two_spans_overlap_when_they_share_a_day(
    first: tuple[int, int | None], other: tuple[int, int | None]
) -> None:
    def day(number: int | None) -> date | None:
        return None if number is None else date(2026, 1, 1 + number)

    def days(span: tuple[int, int | None]) -> set[int]:
        return set(range(span[0], 20 if span[1] is None else span[1] + 1))

    found = overlap(day(first[0]), day(first[1]), day(other[0]), day(other[1]))  # type: ignore[arg-type]

    assert found == bool(days(first) & days(other))


@pytest.mark.parametrize(
    ("valid_from", "valid_until", "code"),
    [
        ("2026-01-01", "2025-12-31", "invalid_days"),
        ("1989-12-31", None, "day_out_of_range"),
        ("0001-01-01", None, "day_out_of_range"),
        ("2026-01-01", "9999-12-31", "day_out_of_range"),
    ],
)
def test_days_are_in_order_and_of_this_age(valid_from: str, valid_until: str | None, code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_days(date.fromisoformat(valid_from), valid_until and date.fromisoformat(valid_until))  # type: ignore[arg-type]

    assert refused.value.code == code


def test_a_day_is_enough() -> None:
    check_days(DAY_MAX, DAY_MAX)


@pytest.mark.parametrize(
    ("present", "new", "large"),
    [("1", "10", False), ("1", "10.000001", True), ("1", "0.1", False), ("1", "0.099999", True), ("1", "0", True),
     ("0", "0", False), ("0", "999", False), ("0.85", "85", True)],
)  # fmt: skip
def test_more_than_ten_times_is_a_large_change(present: str, new: str, large: bool) -> None:
    assert is_large_change(Decimal(present), Decimal(new)) == large
