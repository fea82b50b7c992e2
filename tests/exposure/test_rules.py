from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import UUID

import pytest

from settlement.exposure.rules import (
    BLOCK,
    NORMAL,
    REACHED,
    WARNING,
    Exposure,
    issuing_of,
    level_of,
    outstanding_of,
    owed_for,
    unsettled_of,
)
from settlement.rollup.rules import ABOVE_ALL, StorePeriod
from settlement.terms.rules import ON_REDEMPTION, POOLED
from tenants.rates.rules import Rate
from tenants.stores.rules import ALLOWED, BLOCKED, HQ_FUNDED

A, B = UUID(int=1), UUID(int=2)
DAY = date(2026, 1, 1)
RATE = Rate(ABOVE_ALL, None, DAY, None, Decimal("1.5"), Decimal("1.25"))


@pytest.mark.parametrize(
    ("exposure", "cap", "level"),
    [
        (0, None, NORMAL),
        (10**15, None, NORMAL),
        (799, 1000, NORMAL),
        (800, 1000, WARNING),
        (999, 1000, WARNING),
        (1000, 1000, REACHED),
        (1001, 1000, REACHED),
        # Of 80% the next whole minor unit.
        (803, 1004, NORMAL),
        (804, 1004, WARNING),
        # Nothing may be issued that no deposit covers.
        (0, 0, REACHED),
        (-1, 0, NORMAL),
        (-500, 1000, NORMAL),
        (2**53, 2**53, REACHED),
    ],
)
def test_a_store_is_warned_at_80_percent_and_stopped_at_its_cap(exposure: int, cap: int | None, level: str) -> None:
    assert level_of(exposure, cap) == level


@pytest.mark.parametrize(
    ("level", "policy", "issuing"),
    [
        (NORMAL, BLOCK, ALLOWED),
        (WARNING, BLOCK, ALLOWED),
        (REACHED, BLOCK, BLOCKED),
        (NORMAL, HQ_FUNDED, ALLOWED),
        (WARNING, HQ_FUNDED, ALLOWED),
        (REACHED, HQ_FUNDED, HQ_FUNDED),
    ],
)
def test_only_a_store_at_its_cap_issues_otherwise(level: str, policy: str, issuing: str) -> None:
    assert issuing_of(level, policy) == issuing


@pytest.mark.parametrize(
    ("model", "points", "owed"),
    [
        # issued, borne, made good, recovered, used, outstanding
        (POOLED, (100, 0, 0, 0, 0, 100), "150"),
        (POOLED, (100, 20, 20, 40, 60, 40), "130"),
        (POOLED, (-30, 0, 0, 0, 0, -30), "-45"),
        (POOLED, (0, 0, 0, 100, 0, 0), "-125"),
        (ON_REDEMPTION, (100, 0, 0, 0, 0, 100), "0"),
        (ON_REDEMPTION, (100, 20, 20, 40, 60, 40), "70"),
        (ON_REDEMPTION, (100, 20, 0, 0, 0, 100), "0"),
        (ON_REDEMPTION, (0, 0, 0, 100, 0, 0), "-125"),
    ],
)
def test_what_points_come_to_depends_on_the_model(model: str, points: tuple[int, ...], owed: str) -> None:
    assert owed_for(StorePeriod(DAY, A, DAY, *points), RATE, model) == Decimal(owed)


@pytest.mark.parametrize(
    ("months", "unsettled"),
    [
        ([], 0),
        (["100"], 100),
        (["100", "-40"], 100),
        (["-100"], 0),
        (["0.5"], 0),
        (["1.5", "2.5"], 4),
        (["33.4", "33.4", "33.4"], 99),
    ],
)
def test_each_month_is_settled_by_itself(months: list[str], unsettled: int) -> None:
    assert unsettled_of({DAY.replace(day=n + 1): Decimal(owed) for n, owed in enumerate(months)}) == unsettled


def test_points_that_members_hold_will_be_owed_at_todays_rate() -> None:
    funding = {A: Decimal("1.5"), B: Decimal("0.333333")}

    assert outstanding_of([(A, 100), (B, 10), (A, -40)], funding) == {A: 90, B: 3}


def test_a_deposit_lowers_the_exposure_below_zero_too() -> None:
    assert Exposure(receivable=100, unsettled=50, outstanding=25, deposit=200).total == -25
