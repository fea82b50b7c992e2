from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settlement.accounting.carrying import Carrying, Movement, PointsOfMonth, points_of_month
from settlement.proposals.rules import FUNDING, REDEMPTION, Line
from settlement.terms.rules import ON_REDEMPTION, POOLED
from tenants.foundation.errors import Conflict
from tenants.foundation.money import round_half_even
from tenants.rates.rules import Rate, RateBook
from tests.accounting.settlements import HEAD_OFFICE, A, B

DECEMBER, JANUARY, FEBRUARY = date(2025, 12, 1), date(2026, 1, 1), date(2026, 2, 1)
OWNER = UUID(int=20)


def rate(
    number: int, valid_from: date, valid_until: date | None, funding: str, participant: UUID | None = None
) -> Rate:
    return Rate(UUID(int=number), participant, valid_from, valid_until, Decimal(funding), Decimal(1))


RATES = RateBook(
    [
        rate(1, DECEMBER, date(2026, 1, 31), "1.5"),
        rate(2, FEBRUARY, None, "2"),
        rate(3, DECEMBER, None, "3", OWNER),
    ]
)
PARTICIPANTS = {A: UUID(int=10), B: OWNER}


def carrying(*models: tuple[date, str], rates: RateBook = RATES) -> Carrying:
    return Carrying(PARTICIPANTS, rates, models)


def kept(month: date, funder: UUID | None, day: date, points: int, owed: int = 0) -> Movement:
    return Movement(month, funder, day, points, 0, 0, owed)


@pytest.mark.parametrize(
    ("movement", "worth"),
    [
        (kept(JANUARY, A, JANUARY, 10), "15"),
        (kept(JANUARY, B, JANUARY, 10), "30"),
        (kept(JANUARY, HEAD_OFFICE, JANUARY, 10), "15"),
        (kept(FEBRUARY, A, FEBRUARY, 10), "0"),
        (kept(JANUARY, None, date.min, 0, owed=10), "-15"),
    ],
    ids=["network's rate", "participant's own", "head office", "not yet", "owed"],
)
def test_points_are_carried_at_what_they_were_funded_at(movement: Movement, worth: str) -> None:
    assert carrying().value([movement], JANUARY) == Decimal(worth)


def test_points_keep_their_rate_when_it_changes_and_debts_take_the_new_one() -> None:
    moves = [kept(JANUARY, A, JANUARY, 10), kept(JANUARY, None, date.min, 0, owed=4)]

    assert carrying().value(moves, JANUARY) == Decimal(9)
    assert carrying().value(moves, FEBRUARY) == Decimal(7)


def test_points_used_before_the_month_they_were_issued_in_have_the_rate_known_then() -> None:
    used_early = Movement(JANUARY, A, FEBRUARY, -10, 10, 0, 0)
    issued = kept(FEBRUARY, A, FEBRUARY, 10)

    assert carrying().value([used_early, issued], JANUARY) == Decimal(-15)
    assert carrying().value([used_early, issued], FEBRUARY) == 0


def test_points_issued_on_redemption_are_carried_at_nothing() -> None:
    moves = [kept(JANUARY, A, JANUARY, 10), kept(FEBRUARY, A, FEBRUARY, 10, owed=5)]

    assert carrying((FEBRUARY, ON_REDEMPTION)).value(moves, FEBRUARY) == Decimal(15)
    assert carrying((DECEMBER, ON_REDEMPTION), (FEBRUARY, POOLED)).value(moves, FEBRUARY) == Decimal(10)


def test_a_day_without_a_rate_matters_only_if_there_are_points_of_it() -> None:
    ended = RateBook([rate(1, DECEMBER, date(2026, 1, 10), "1")])

    assert carrying(rates=ended).value([kept(JANUARY, A, JANUARY, 10)], JANUARY) == Decimal(10)
    with pytest.raises(Conflict, match="rate set"):
        carrying(rates=ended).value([kept(JANUARY, None, date.min, 0, owed=1)], JANUARY)


def lines_of(*amounts: tuple[str, str]) -> list[Line]:
    return [
        Line(kind, A, HEAD_OFFICE, Decimal(exact), round_half_even(Decimal(exact)), JANUARY)
        for kind, exact in amounts
    ]


def test_what_is_left_over_is_told_by_what_it_comes_from() -> None:
    moves = [
        kept(JANUARY, A, JANUARY, 101),
        Movement(FEBRUARY, A, JANUARY, -31, 30, 1, 0),
        kept(FEBRUARY, A, FEBRUARY, 10),
    ]
    lines = lines_of((FUNDING, "20"), (REDEMPTION, "30"))

    found = points_of_month(carrying(), moves, lines, JANUARY, FEBRUARY)

    # 151.5 -> 152; 70 x 1.5 + 10 x 2 = 125; one expired at 1.5 -> 2; 30 x 1.5 - 30.
    assert found == PointsOfMonth(opening=152, closing=125, breakage=2, margin=15, rate_differences=0, rounding=0)


def test_points_taken_back_at_another_rate_leave_a_difference() -> None:
    moves = [kept(JANUARY, A, JANUARY, 100), kept(FEBRUARY, A, JANUARY, -100)]

    found = points_of_month(carrying(), moves, lines_of((FUNDING, "-200")), JANUARY, FEBRUARY)

    assert found == PointsOfMonth(150, 0, 0, 0, -50, 0)


movements = st.builds(
    Movement,
    st.sampled_from([DECEMBER, JANUARY, FEBRUARY]),
    st.sampled_from([A, B, HEAD_OFFICE, None]),
    st.integers(0, 85).map(lambda days: DECEMBER + timedelta(days=days)),
    *(st.integers(-(10**12), 10**12) for _ in range(4)),
)
lines = st.builds(
    lambda kind, exact: lines_of((kind, str(exact)))[0],
    st.sampled_from([FUNDING, REDEMPTION]),
    st.decimals(-(10**15), 10**15, places=6),
)


@given(st.lists(movements, max_size=10), st.lists(lines, max_size=10))
def test_deferred_revenue_ends_at_the_carried_value_and_rounding_is_no_more_than_rounding(
    moves: list[Movement], found_lines: list[Line]
) -> None:
    found = points_of_month(carrying(), moves, found_lines, JANUARY, FEBRUARY)

    taken_in = sum(one.amount * (1 if one.kind == FUNDING else -1) for one in found_lines)
    left = found.opening + taken_in - found.breakage - found.margin - found.rate_differences - found.rounding
    assert left == found.closing == round_half_even(carrying().value(moves, FEBRUARY))
    assert abs(found.rounding) <= (len(found_lines) + 5) / 2
