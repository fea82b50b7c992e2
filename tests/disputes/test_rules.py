from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import UUID

import pytest

from settlement.disputes.rules import (
    DISPUTABLE,
    amount_left,
    amount_to_dispute,
    check_amount,
    check_disputable,
    check_other_person,
    check_period,
    check_proposed,
    decide_by,
)
from settlement.proposals.rules import (
    CARRIED_FORWARD,
    DISPUTE_ACCEPTED,
    DISPUTED,
    FUNDING,
    KINDS,
    OPENING_BALANCE,
    Dispute,
    Line,
    Month,
    dispute_lines,
    part_of,
)
from settlement.states.rules import ACCEPTED, APPROVED, OPENED, PROPOSED, SETTLED, SETTLING
from tenants.foundation.errors import ClearinghouseError
from tenants.rates.rules import RateBook

JANUARY = date(2026, 1, 1)
UNTIL = date(2026, 2, 10)
HQ, STORE = UUID(int=1), UUID(int=2)

# (line's amount, disputed already, what is left)
LEFT = [
    (100, 0, 100),
    (100, 30, 70),
    (100, 100, 0),
    (60, 100, 0),
    (-100, 0, -100),
    (-100, -30, -70),
    (-60, -100, 0),
    (0, 0, 0),
]

# (line's amount, disputed already, wanted, how much of it is disputed or the refusal)
WANTED = [
    (100, 0, None, 100),
    (100, 0, 100, 100),
    (100, 0, 1, 1),
    (100, 30, None, 70),
    (100, 30, 70, 70),
    (100, 30, 71, "more_than_disputable"),
    (100, 100, None, "line_disputed"),
    (100, 100, 1, "line_disputed"),
    (0, 0, None, "line_disputed"),
    (-100, -30, None, -70),
    (-100, -30, 70, -70),
    (-100, -30, 71, "more_than_disputable"),
    (-100, -100, 5, "line_disputed"),
    (60, 100, 1, "line_disputed"),
]

# (disputed, left of the line, what is taken out)
TAKEN = [
    (30, 100, 30),
    (100, 30, 30),
    (30, 0, 0),
    (30, -50, 0),
    (-30, 50, 0),
    (-30, -50, -30),
    (-50, -30, -30),
    (-30, 0, 0),
]


@pytest.mark.parametrize(("line", "disputed", "left"), LEFT)
def test_what_is_left_of_a_line(line: int, disputed: int, left: int) -> None:
    assert amount_left(line, disputed) == left


@pytest.mark.parametrize(("line", "disputed", "wanted", "expected"), WANTED)
def test_never_more_than_is_left_of_a_line_is_disputed(
    line: int, disputed: int, wanted: int | None, expected: int | str
) -> None:
    if isinstance(expected, int):
        assert amount_to_dispute(line, disputed, wanted) == expected
        return
    with pytest.raises(ClearinghouseError) as refused:
        amount_to_dispute(line, disputed, wanted)
    assert refused.value.code == expected


@pytest.mark.parametrize(("disputed", "left", "taken"), TAKEN)
def test_no_more_is_taken_out_than_there_is(disputed: int, left: int, taken: int) -> None:
    assert part_of(disputed, left) == taken


def test_disputes_of_one_line_share_what_there_is_in_their_order() -> None:
    line = Line(FUNDING, STORE, HQ, Decimal(50), 50, JANUARY)
    disputes = [
        Dispute(UUID(int=3), line.key, 40, ACCEPTED),
        Dispute(UUID(int=4), line.key, 40, OPENED),
        Dispute(UUID(int=5), line.key, 40, OPENED),
        Dispute(UUID(int=6), "funding/of/nobody/-", 40, OPENED),
    ]
    month = Month(HQ, JANUARY, "pooled", 0, {}, [], RateBook([]), disputes=disputes)

    taken = dispute_lines(month, [line])

    assert [(each.kind, each.amount, each.reference) for each in taken] == [
        (DISPUTE_ACCEPTED, -40, UUID(int=3)),
        (DISPUTED, -10, UUID(int=4)),
        (DISPUTED, 0, UUID(int=5)),
    ]


@pytest.mark.parametrize(("today", "refused"), [(date(2026, 2, 1), False), (UNTIL, False), (date(2026, 2, 11), True)])
def test_the_last_day_for_disputing_counts(today: date, refused: bool) -> None:
    if not refused:
        check_period(JANUARY, UNTIL, today)
        return
    with pytest.raises(ClearinghouseError, match="until 2026-02-10") as late:
        check_period(JANUARY, UNTIL, today)
    assert late.value.code == "dispute_period_over"


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (PROPOSED, None),
        (None, "settlement_not_proposed"),
        (APPROVED, "settlement_approved"),
        (SETTLING, "settlement_approved"),
        (SETTLED, "settlement_approved"),
    ],
)
def test_only_what_is_proposed_can_be_disputed(state: str | None, code: str | None) -> None:
    if code is None:
        check_proposed(JANUARY, state)
        return
    with pytest.raises(ClearinghouseError) as refused:
        check_proposed(JANUARY, state)
    assert refused.value.code == code


def test_only_what_the_month_itself_has_added_can_be_disputed() -> None:
    refused = []
    for kind in KINDS:
        try:
            check_disputable(kind, is_decided=False)
        except ClearinghouseError:
            refused.append(kind)

    assert set(refused) == {OPENING_BALANCE, DISPUTE_ACCEPTED, DISPUTED, CARRIED_FORWARD}
    assert set(DISPUTABLE) | set(refused) == set(KINDS)
    for kind in KINDS:
        with pytest.raises(ClearinghouseError, match="was decided before"):
            check_disputable(kind, is_decided=True)


@pytest.mark.parametrize("amount", [0, -1, -(10**30)])
def test_an_amount_to_dispute_is_positive(amount: int) -> None:
    with pytest.raises(ClearinghouseError, match="1 minor unit or more"):
        check_amount(amount)


def test_who_opened_a_dispute_does_not_decide_it() -> None:
    check_other_person(UUID(int=1), UUID(int=2))
    with pytest.raises(ClearinghouseError, match="somebody else") as refused:
        check_other_person(UUID(int=1), UUID(int=1))
    assert refused.value.code == "four_eyes"


def test_there_are_sixty_days_to_decide() -> None:
    assert decide_by(date(2026, 2, 10)) == date(2026, 4, 11)
