from __future__ import annotations

from datetime import date
from uuid import UUID

import pytest

from settlement.netting.rules import StoreDay, StorePoints, prove_points, sum_stores, total_of

A, B, HEAD_OFFICE = UUID(int=1), UUID(int=2), UUID(int=9)
FIRST, SECOND = date(2026, 1, 1), date(2026, 1, 2)


def test_a_store_without_points_is_there_and_head_office_comes_last() -> None:
    days = [
        StoreDay(HEAD_OFFICE, FIRST, 40, 0, 0),
        StoreDay(A, FIRST, 101, 7, 5, 3),
        StoreDay(A, SECOND, -1, 2, 0, -3),
    ]

    assert sum_stores([A, B], days) == [
        StorePoints(A, 100, 9, 5, 0),
        StorePoints(B, 0, 0, 0, 0),
        StorePoints(HEAD_OFFICE, 40, 0, 0, 0),
    ]


def test_what_is_outstanding_grows_by_what_is_issued_and_borne() -> None:
    totals = total_of([StorePoints(A, 101, 7, 5, 10), StorePoints(B, 33, 91, 0, 0)], 1000)

    assert totals.closing_outstanding == 1000 + 134 + 10 - 98 - 5


@pytest.mark.parametrize(
    ("outstanding_by_lots", "recovered_by_flows", "failing"),
    [
        (1031, {A: 7, B: 91}, 0),
        (1030, {A: 7, B: 91}, 1),
        (1031, {A: 8, B: 90}, 1),
        (1031, {A: 98}, 1),
        (1031, {A: 7, B: 91, HEAD_OFFICE: 1}, 1),
        (1032, {}, 2),
    ],
)
def test_an_identity_that_does_not_hold_is_found(
    outstanding_by_lots: int, recovered_by_flows: dict[UUID, int], failing: int
) -> None:
    points = [StorePoints(A, 101, 7, 5, 0), StorePoints(B, 33, 91, 0, 0)]

    identities = prove_points(points, total_of(points, 1000), recovered_by_flows, outstanding_by_lots)

    assert sum(not identity.holds for identity in identities) == failing
