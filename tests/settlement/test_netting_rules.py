from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import UUID

import pytest

from settlement.netting.rules import Rates, StoreDay, net_stores, prove, total_of

A, B = UUID(int=1), UUID(int=2)
DAY = date(2026, 1, 1)


@pytest.mark.parametrize(
    ("issued", "recovered", "funding", "redemption", "to_pay", "to_receive", "direction"),
    [
        (0, 0, "1", "1", 0, 0, "none"),
        (100, 30, "1", "1", 100, 30, "remit"),
        (30, 100, "1", "1", 30, 100, "receive"),
        (50, 50, "1", "1", 50, 50, "none"),
        (1, 0, "0.5", "0.5", 0, 0, "none"),
        (3, 0, "0.5", "0.5", 2, 0, "remit"),
        (0, 5, "0.5", "0.5", 0, 2, "receive"),
        (-3, 0, "0.5", "0.5", -2, 0, "receive"),
        (0, -5, "0.5", "0.5", 0, -2, "remit"),
        (10**15, 1, "0.000001", "1", 10**9, 1, "remit"),
    ],
)
def test_each_leg_is_rounded_once_half_to_even(
    issued: int, recovered: int, funding: str, redemption: str, to_pay: int, to_receive: int, direction: str
) -> None:
    rates = Rates(Decimal(funding), Decimal(redemption))

    [position] = net_stores([A], [StoreDay(A, DAY, issued, recovered, 0)], rates)

    assert (position.to_pay, position.to_receive, position.direction) == (to_pay, to_receive, direction)
    assert position.net == to_pay - to_receive


def test_head_office_closes_the_sum_to_zero() -> None:
    rates = Rates(Decimal("0.7"), Decimal("0.4"))
    days = [StoreDay(A, DAY, 101, 7, 5), StoreDay(B, DAY, 33, 91, 0)]

    positions = net_stores([A, B], days, rates)
    totals = total_of(positions, 1000, rates)

    assert sum(p.net for p in positions) + totals.hq_net == 0
    assert totals.closing_outstanding == 1000 + 134 - 98 - 5
    assert all(i.holds for i in prove(positions, totals, {(A, A): 7, (A, B): 91}, 1031, rates))


@pytest.mark.parametrize(
    ("outstanding_by_lots", "flows", "failing"),
    [
        (1030, {(A, A): 7, (A, B): 91}, 2),
        (1031, {(A, A): 8, (A, B): 90}, 1),
        (1031, {(A, A): 98}, 1),
        (1032, {}, 3),
    ],
)
def test_an_identity_that_does_not_hold_is_found(
    outstanding_by_lots: int, flows: dict[tuple[UUID, UUID], int], failing: int
) -> None:
    rates = Rates(Decimal("0.7"), Decimal("0.4"))
    days = [StoreDay(A, DAY, 101, 7, 5), StoreDay(B, DAY, 33, 91, 0)]
    positions = net_stores([A, B], days, rates)
    totals = total_of(positions, 1000, rates)

    identities = prove(positions, totals, flows, outstanding_by_lots, rates)

    assert sum(not i.holds for i in identities) == failing
