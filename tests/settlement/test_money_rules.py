"""What each point, fee, adjustment and dispute comes to, in both models."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from settlement.adjustments.rules import Adjustment
from settlement.fees.rules import MONTH, POINT_ISSUED, POINT_RECOVERED, TRANSFER, VOLUME, Fee
from settlement.netting.rules import StoreDay, StorePoints, Totals
from settlement.proposals.identities import prove_money
from settlement.proposals.rules import (
    Activity,
    Dispute,
    Line,
    Loss,
    Month,
    Use,
    canonical,
    derive_lines,
    nets_of,
    positions_of,
    rounding_of,
)
from settlement.states.rules import ACCEPTED, OPENED
from settlement.terms.rules import ON_REDEMPTION
from tenants.foundation.errors import Conflict
from tenants.rates.rules import Rate
from tests.settlement.money import HQ, JANUARY, A, B, C, a_month, day, fee, lines_told, rate, told


def issued(store_id: UUID, points: int, on: int = 10, borne: int = 0) -> StoreDay:
    return StoreDay(store_id, day(on), points, 0, 0, borne)


def recovered(store_id: UUID, points: int, on: int = 10) -> StoreDay:
    return StoreDay(store_id, day(on), 0, points, 0)


POOLED_CASES: list[tuple[str, list[StoreDay], list[Rate], list[tuple[str, str, str, int]]]] = [
    ("nothing", [], [], []),
    ("issued", [issued(A, 100)], [rate("0.85", "0.8")], [("funding", "A", "HQ", 85)]),
    ("recovered", [recovered(B, 30)], [rate("0.85", "0.8")], [("redemption", "HQ", "B", 24)]),
    ("borne counts as issued", [issued(A, 10, borne=5)], [rate("1", "1")], [("funding", "A", "HQ", 15)]),
    ("more taken back", [issued(A, -7)], [rate("1", "1")], [("funding", "A", "HQ", -7)]),
    ("more given back", [recovered(A, -7)], [rate("1", "1")], [("redemption", "HQ", "A", -7)]),
    ("several days are one leg", [issued(A, 1, on=3), issued(A, 2, on=4)], [rate("0.5", "1")],
     [("funding", "A", "HQ", 2)]),
    ("half to even: down", [issued(A, 1)], [rate("0.5", "1")], [("funding", "A", "HQ", 0)]),
    ("half to even: up", [issued(A, 3)], [rate("0.5", "1")], [("funding", "A", "HQ", 2)]),
    ("half to even: negative", [issued(A, -3)], [rate("0.5", "1")], [("funding", "A", "HQ", -2)]),
    ("six decimals", [issued(A, 1_000_000)], [rate("0.123457", "1")], [("funding", "A", "HQ", 123457)]),
    ("the least rate", [issued(A, 499_999)], [rate("0.000001", "1")], [("funding", "A", "HQ", 0)]),
    ("no rate at all is a line of nothing", [issued(A, -5)], [rate("0", "0")], [("funding", "A", "HQ", 0)]),
    ("what comes to no points is no line", [issued(A, 5), issued(A, -5, on=11)], [rate("1", "1")], []),
    ("head office funds", [issued(HQ, 40)], [rate("1", "1")], [("funding", "HQ", "HQ", 40)]),
    ("the rate changes in mid-month", [issued(A, 1, on=15), issued(A, 1, on=16)],
     [rate("0.5", "1", ends=day(15)), rate("1.5", "1", begins=day(16), number=2)],
     [("funding", "A", "HQ", 0), ("funding", "A", "HQ", 2)]),
    ("a participant's own rate", [issued(A, 10), issued(B, 10)],
     [rate("1", "1"), rate("2", "1", whose=A, number=2)], [("funding", "A", "HQ", 20), ("funding", "B", "HQ", 10)]),
    ("head office has the network's", [issued(HQ, 10)],
     [rate("1", "1"), rate("2", "1", whose=A, number=2)], [("funding", "HQ", "HQ", 10)]),
    ("a late event has the rate of its day", [issued(A, 10, on=-3), issued(A, 10)],
     [rate("3", "1", ends=day(0)), rate("1", "1", begins=day(1), number=2)],
     [("funding", "A", "HQ", 30), ("funding", "A", "HQ", 10)]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "days", "rates", "expected"), POOLED_CASES, ids=[c[0] for c in POOLED_CASES])
def test_pooled_a_store_funds_what_it_issues_and_is_paid_for_what_it_recovers(
    name: str, days: list[StoreDay], rates: list[Rate], expected: list[tuple[str, str, str, int]]
) -> None:
    assert lines_told(derive_lines(a_month(days, rates))) == expected


def use(issuer: UUID, redeemer: UUID, points: int, on: int = 10) -> Use:
    return Use(issuer, redeemer, day(on), points)


EQUAL = [rate("1", "1")]
APART = [rate("0.9", "0.8")]
ON_REDEMPTION_CASES: list[tuple[str, list[Use], list[Loss], list[Rate], list[tuple[str, str, str, int]]]] = [
    ("elsewhere", [use(A, B, 30)], [], EQUAL, [("bilateral", "A", "B", 30), ("margin", "A", "HQ", 0)]),
    ("head office keeps what funding is more", [use(A, B, 30)], [], APART,
     [("bilateral", "A", "B", 24), ("margin", "A", "HQ", 3)]),
    ("or adds what it is less", [use(A, B, 30)], [], [rate("0.5", "0.8")],
     [("bilateral", "A", "B", 24), ("margin", "A", "HQ", -9)]),
    ("in the same store", [use(A, A, 30)], [], APART, [("margin", "A", "HQ", 3)]),
    ("head office's points", [use(HQ, B, 30)], [], APART, [("bilateral", "HQ", "B", 24)]),
    ("more given back", [use(A, B, -30)], [], EQUAL, [("bilateral", "A", "B", -30), ("margin", "A", "HQ", 0)]),
    ("as much given back", [use(A, B, 5), use(A, B, -5)], [], EQUAL, []),
    ("each pair is a leg", [use(A, B, 1), use(A, C, 1)], [], [rate("0.5", "0.5")],
     [("bilateral", "A", "B", 0), ("bilateral", "A", "C", 0), ("margin", "A", "HQ", 0)]),
    ("the redeemer's own rate", [use(A, B, 10)], [], [rate("1", "1"), rate("2", "3", whose=B, number=2)],
     [("bilateral", "A", "B", 30), ("margin", "A", "HQ", -20)]),
    ("the issuer's own rate", [use(A, B, 10)], [], [rate("1", "1"), rate("2", "3", whose=A, number=2)],
     [("bilateral", "A", "B", 10), ("margin", "A", "HQ", 10)]),
    ("the rate changes in mid-month", [use(A, B, 1, on=15), use(A, B, 1, on=16)], [],
     [rate("1", "1", ends=day(15)), rate("2", "2", begins=day(16), number=2)],
     [("bilateral", "A", "B", 1), ("bilateral", "A", "B", 2), ("margin", "A", "HQ", 0), ("margin", "A", "HQ", 0)]),
    ("a debt is repaid to head office", [use(A, HQ, 20)], [], APART,
     [("bilateral", "A", "HQ", 16), ("margin", "A", "HQ", 2)]),
    ("head office's points repay it", [use(HQ, HQ, 20)], [], APART, []),
    ("a store bears what was spent", [], [Loss(A, B, day(10), 10)], APART, [("borne", "B", "A", 9)]),
    ("head office carries what a member owes", [], [Loss(A, HQ, day(10), 10)], APART, [("borne", "HQ", "A", 9)]),
    ("another's points make it good", [], [Loss(A, C, day(10), 10)], APART, [("borne", "C", "A", 9)]),
    ("at the rate of who had paid", [], [Loss(A, B, day(10), 10)],
     [rate("1", "1"), rate("2", "2", whose=A, number=2)], [("borne", "B", "A", 20)]),
    ("its own loss is nobody else's", [], [Loss(A, A, day(10), 10)], APART, []),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "uses", "borne", "rates", "expected"), ON_REDEMPTION_CASES, ids=[c[0] for c in ON_REDEMPTION_CASES]
)
def test_on_redemption_who_issued_owes_who_recovers(
    name: str, uses: list[Use], borne: list[Loss], rates: list[Rate], expected: list[tuple[str, str, str, int]]
) -> None:
    month = a_month([], rates, model=ON_REDEMPTION, uses=uses, borne=borne)

    assert lines_told(derive_lines(month)) == expected


def test_points_issued_cost_nothing_on_redemption() -> None:
    assert derive_lines(a_month([issued(A, 100)], model=ON_REDEMPTION)) == []


DAYS = [StoreDay(A, day(10), 100, 40, 0), StoreDay(B, day(10), 3, 0, 0), issued(HQ, 50)]
ACTIVITY = [Activity(A, day(10), 7, 20_000), Activity(B, day(11), 1, 333)]
FEE_CASES: list[tuple[str, list[Fee], list[tuple[str, str, str, int]]]] = [
    ("a transfer", [fee(TRANSFER, "2.5")], [("fee", "A", "HQ", 18), ("fee", "B", "HQ", 2)]),
    ("a point issued", [fee(POINT_ISSUED, "0.1")], [("fee", "A", "HQ", 10), ("fee", "B", "HQ", 0)]),
    ("a point recovered", [fee(POINT_RECOVERED, "0.1")], [("fee", "A", "HQ", 4)]),
    ("a share of volume", [fee(VOLUME, "0.0125")], [("fee", "A", "HQ", 250), ("fee", "B", "HQ", 4)]),
    ("a month", [fee(MONTH, "999")], [("fee", "A", "HQ", 999), ("fee", "B", "HQ", 999), ("fee", "C", "HQ", 999)]),
    ("tax is on the rounded fee", [fee(TRANSFER, "2.5", "0.21")],
     [("fee", "A", "HQ", 18), ("fee", "B", "HQ", 2), ("tax", "A", "HQ", 4), ("tax", "B", "HQ", 0)]),
    ("for nothing there is no tax", [fee(POINT_RECOVERED, "0", "0.21")], [("fee", "A", "HQ", 0)]),
    ("two codes add up", [fee(TRANSFER, "1"), fee(POINT_ISSUED, "1", code="g", number=2)],
     [("fee", "A", "HQ", 7), ("fee", "A", "HQ", 100), ("fee", "B", "HQ", 1), ("fee", "B", "HQ", 3)]),
    ("one's own before everybody's", [fee(TRANSFER, "1"), fee(TRANSFER, "9", whose=A, number=2)],
     [("fee", "A", "HQ", 63), ("fee", "B", "HQ", 1)]),
    ("one's own of another code is besides", [fee(TRANSFER, "1"), fee(TRANSFER, "9", code="g", whose=A, number=2)],
     [("fee", "A", "HQ", 7), ("fee", "A", "HQ", 63), ("fee", "B", "HQ", 1)]),
    ("only while it holds", [fee(TRANSFER, "1", valid_until=day(10))], [("fee", "A", "HQ", 7)]),
    ("one's own for some days", [fee(TRANSFER, "1"), fee(TRANSFER, "9", whose=B, number=2, valid_from=day(12))],
     [("fee", "A", "HQ", 7), ("fee", "B", "HQ", 1)]),
    ("a monthly fee from the second on waits", [fee(MONTH, "5", valid_from=day(2))], []),
]  # fmt: skip


@pytest.mark.parametrize(("name", "fees", "expected"), FEE_CASES, ids=[case[0] for case in FEE_CASES])
@pytest.mark.parametrize("model", ["pooled", ON_REDEMPTION])
def test_fees(name: str, fees: list[Fee], expected: list[tuple[str, str, str, int]], model: str) -> None:
    month = a_month(DAYS, [rate("0", "0")], model=model, fees=fees, activity=ACTIVITY, open_stores=[A, B, C])

    charged = [line for line in derive_lines(month) if line.kind in ("fee", "tax")]
    assert sorted(lines_told(charged)) == sorted(expected)


def test_a_monthly_fee_is_due_from_stores_that_were_open_or_have_points_in_the_month() -> None:
    days = [issued(A, 1), issued(B, 1, on=-1)]

    lines = derive_lines(a_month(days, [rate("0", "0")], fees=[fee(MONTH, "5")], open_stores=[C]))

    assert [told(line) for line in lines if line.kind == "fee"] == [("fee", "A", "HQ", 5), ("fee", "C", "HQ", 5)]


def test_a_fee_given_back_is_taxed_back() -> None:
    lines = derive_lines(a_month([issued(A, -100)], [rate("0", "0")], fees=[fee(POINT_ISSUED, "0.1", "0.25")]))

    assert lines_told(lines)[1:] == [("fee", "A", "HQ", -10), ("tax", "A", "HQ", -2)]


def test_adjustments_are_between_any_two_and_belong_to_their_month() -> None:
    made = [
        Adjustment(UUID(int=1), A, HQ, 30, date(2025, 11, 1), "x"),
        Adjustment(UUID(int=2), HQ, B, 20, JANUARY, "y"),
        Adjustment(UUID(int=3), A, B, 10, JANUARY, "z"),
    ]

    lines = derive_lines(a_month(adjustments=made))

    assert lines_told(lines) == [
        ("adjustment", "A", "B", 10),
        ("adjustment", "A", "HQ", 30),
        ("adjustment", "HQ", "B", 20),
    ]
    assert lines[1].origin_month == date(2025, 11, 1)
    assert nets_of(lines) == {A: 40, B: -30, HQ: -10}


def a_dispute(line: Line, amount: int, state: str = OPENED, number: int = 1) -> Dispute:
    return Dispute(UUID(int=number), line.key, amount, state)


DISPUTE_CASES: list[tuple[str, int, list[tuple[int, str]], list[tuple[str, int]]]] = [
    ("in part", 100, [(40, OPENED)], [("disputed", -40)]),
    ("as a whole", 100, [(100, OPENED)], [("disputed", -100)]),
    ("accepted", 100, [(40, ACCEPTED)], [("dispute_accepted", -40)]),
    ("no more than is left of the line", 30, [(40, OPENED)], [("disputed", -30)]),
    ("two together neither", 50, [(40, OPENED), (40, OPENED)], [("disputed", -40), ("disputed", -10)]),
    (
        "what is accepted comes first",
        50,
        [(40, OPENED), (40, ACCEPTED)],
        [("dispute_accepted", -40), ("disputed", -10)],
    ),
    ("of a line that turned round nothing", -5, [(40, OPENED)], []),
    ("of one below zero", -50, [(-40, OPENED)], [("disputed", 40)]),
    ("and no more", -30, [(-40, OPENED)], [("disputed", 30)]),
    ("that turned round", 30, [(-40, OPENED)], []),
]


@pytest.mark.parametrize(("name", "points", "made", "expected"), DISPUTE_CASES, ids=[c[0] for c in DISPUTE_CASES])
def test_what_is_disputed_is_taken_out(
    name: str, points: int, made: list[tuple[int, str]], expected: list[tuple[str, int]]
) -> None:
    month = a_month([issued(A, points)])
    [funding] = derive_lines(month)
    disputes = [a_dispute(funding, amount, state, number) for number, (amount, state) in enumerate(made)]

    _, *taken_out = derive_lines(replace(month, disputes=disputes))

    assert [(line.kind, line.amount) for line in taken_out] == expected
    assert all(line.note == "funding" and line.payer_id == A for line in taken_out)


def test_nobody_disputes_what_head_office_owes_itself() -> None:
    month = a_month([issued(HQ, 5)])
    lines = derive_lines(month)

    assert derive_lines(replace(month, disputes=[a_dispute(lines[0], 5)])) == lines


def test_a_dispute_of_a_line_that_is_gone_takes_nothing_out() -> None:
    gone = Dispute(UUID(int=1), "funding/x/y/z", 10, OPENED)

    assert len(derive_lines(a_month([issued(A, 5)], disputes=[gone]))) == 1


def test_what_is_too_little_is_carried_forward_until_it_is_enough() -> None:
    opening: dict[UUID, int] = {}
    paid = []
    for points in (40, 30, 50):
        lines = derive_lines(a_month([recovered(A, points)], minimum_payout=100, opening=opening))
        opening = {line.payer_id: line.amount for line in lines if line.kind == "carried_forward"}
        paid.append((nets_of(lines)[A], opening))

    assert paid == [(0, {A: 40}), (0, {A: 70}), (-120, {})]


def test_a_store_that_has_closed_is_paid_however_little_it_is() -> None:
    lines = derive_lines(a_month([], minimum_payout=100, opening={A: 40}, closed_stores=[A]))

    assert nets_of(lines)[A] == -40


@pytest.mark.parametrize(
    ("net", "minimum", "carried"),
    [(-99, 100, 99), (-100, 100, None), (99, 100, None), (-1, 1, None), (-1, 0, None), (0, 100, None)],
)
def test_only_what_head_office_owes_below_the_minimum_is_carried(net: int, minimum: int, carried: int | None) -> None:
    days = [issued(A, net)] if net > 0 else [recovered(A, -net)]

    lines = derive_lines(a_month(days, minimum_payout=minimum))

    amounts = [line.amount for line in lines if line.kind == "carried_forward"]
    assert amounts == ([] if carried is None else [carried])


def test_what_was_carried_is_set_off_against_what_the_store_owes() -> None:
    lines = derive_lines(a_month([issued(A, 30)], minimum_payout=100, opening={A: 70}))

    assert lines_told(lines) == [
        ("opening_balance", "HQ", "A", 70),
        ("funding", "A", "HQ", 30),
        ("carried_forward", "A", "HQ", 40),
    ]


@pytest.mark.parametrize("model", ["pooled", ON_REDEMPTION])
def test_every_day_without_a_rate_is_named(model: str) -> None:
    rates = [
        rate("1", "1", begins=day(3), ends=day(9)),
        rate("1", "1", begins=day(11), ends=day(29), number=2),
        rate("1", "1", begins=day(-20), ends=day(-10), whose=A, number=3),
    ]
    days = [issued(A, 1, on=-15), issued(B, 1, on=-15), issued(B, 1, on=-3), issued(A, 1)]

    with pytest.raises(Conflict) as refused:
        derive_lines(a_month(days, rates, model=model))

    assert refused.value.code == "rate_gap"
    told_days = "2025-12-16, 2025-12-28, 2026-01-01 to 2026-01-02, 2026-01-10, 2026-01-30 to 2026-01-31"
    assert told_days in refused.value.message
    assert refused.value.details["gaps"][2] == {"valid_from": "2026-01-01", "valid_until": "2026-01-02"}


def test_a_day_before_the_first_rate_is_a_gap_too() -> None:
    uses = [Use(A, B, date(2024, 12, 30), 5)]

    with pytest.raises(Conflict, match="2024-12-30"):
        derive_lines(a_month(model=ON_REDEMPTION, uses=uses))


def test_what_rounding_adds_is_head_offices_line() -> None:
    lines = derive_lines(a_month([issued(A, 3), recovered(B, 3), recovered(C, 1)], [rate("0.5", "0.5")]))

    # 1.5 -> 2 taken in, 1.5 -> 2 and 0.5 -> 0 paid out.
    assert rounding_of(lines, HQ) == Decimal("0.5") - Decimal("0.5") + Decimal("0.5")


def test_what_head_office_owes_itself_is_no_rounding_and_no_net() -> None:
    lines = derive_lines(a_month([issued(HQ, 3)], [rate("0.5", "0.5")]))

    assert (rounding_of(lines, HQ), nets_of(lines)) == (0, {})


def test_columns_of_a_position_sum_to_its_net() -> None:
    points = [StorePoints(A, 100, 40, 0, 0), StorePoints(B, 0, 0, 0, 0)]
    month = a_month(
        [StoreDay(A, day(10), 100, 40, 0)],
        fees=[fee(POINT_ISSUED, "0.5", "0.2")],
        adjustments=[Adjustment(UUID(int=1), A, B, 7, JANUARY, "")],
        opening={A: 5},
        minimum_payout=10,
    )
    [funding] = [line for line in derive_lines(month) if line.kind == "funding"]
    lines = derive_lines(replace(month, disputes=[a_dispute(funding, 20)]))

    a, b = positions_of(points, lines)

    assert (a.opening, a.to_pay, a.to_receive, a.fees, a.tax, a.adjustments) == (-5, 100, 40, 50, 10, 7)
    assert (a.disputed, a.carried_forward, a.net) == (-20, 0, 102)
    assert (b.adjustments, b.carried_forward, b.net) == (-7, 7, 0)


@pytest.mark.parametrize(("model", "changed"), [("pooled", "outstanding"), (ON_REDEMPTION, "recovered")])
def test_a_sum_that_does_not_come_out_is_found(model: str, changed: str) -> None:
    month = a_month([issued(A, 100), recovered(B, 30)], APART, model=model, uses=[use(A, B, 30), use(A, HQ, 7)])
    lines = derive_lines(month)

    def holds(outstanding: int, recovered_points: int) -> list[bool]:
        totals = Totals(100, recovered_points, 5, 0, 1000, 1065)
        return [identity.holds for identity in prove_money(month, lines, totals, outstanding)]

    assert holds(1065, 30) == [True, True]
    assert holds(*((1066, 30) if changed == "outstanding" else (1065, 31))) == [True, False]


def spelt(month: Month, **changes: Any) -> bytes:
    lines = [replace(line, **changes) for line in derive_lines(month)]
    return canonical(JANUARY, "pooled", 0, lines)


def test_nothing_is_spelt_as_nothing() -> None:
    """-5 points at no rate are -0 to `Decimal`, and 0.000000 when the database has kept them."""
    [line] = derive_lines(a_month([issued(A, -5)], [rate("0", "0")]))
    kept = replace(line, exact=Decimal("0.000000"), rate=Decimal("0.000000"))

    assert canonical(JANUARY, "pooled", 0, [line]) == canonical(JANUARY, "pooled", 0, [kept])


@pytest.mark.parametrize(
    "changes",
    [{"amount": 6}, {"exact": Decimal("5.1")}, {"quantity": 6}, {"rate": Decimal(2)}, {"note": "x"}, {"payer_id": B},
     {"origin_month": date(2025, 12, 1)}, {"reference": UUID(int=5)}, {"kind": "redemption"}],
)  # fmt: skip
def test_whatever_is_changed_in_a_line_changes_its_spelling(changes: dict[str, Any]) -> None:
    month = a_month([issued(A, 5)])

    assert spelt(month, **changes) != spelt(month)


def test_no_note_can_look_like_a_line() -> None:
    month = a_month([issued(A, 5)])

    assert spelt(month, note="a|b\nc").count(b"\n") == spelt(month).count(b"\n")


@pytest.mark.parametrize(
    ("model", "minimum", "month"), [("on_redemption", 0, JANUARY), ("pooled", 1, JANUARY), ("pooled", 0, day(-40))]
)
def test_the_terms_are_part_of_the_spelling(model: str, minimum: int, month: date) -> None:
    assert canonical(month, model, minimum, []) != canonical(JANUARY, "pooled", 0, [])
