"""The method against published figures, and what holds for any triangle."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from settlement.valuation.rules import (
    CAPE_COD,
    CHAIN_LADDER,
    CLOSED,
    Cell,
    CohortValue,
    Range,
    Triangle,
    back_test,
    latest_of,
    liability_of,
    project,
    recognised,
    revenue_of,
    triangle_at,
    value_cohorts,
)
from tenants.foundation.errors import Conflict
from tenants.foundation.months import add_months

JANUARY = date(2026, 1, 1)

# Taylor & Ashe (1983), cumulative claims; reserves and standard errors as Mack published them (ASTIN Bulletin 23/2,
# 1993, table of the chain ladder method), and their totals to more digits.
TAYLOR_ASHE = (
    (357848, 1124788, 1735330, 2218270, 2745596, 3319994, 3466336, 3606286, 3833515, 3901463),
    (352118, 1236139, 2170033, 3353322, 3799067, 4120063, 4647867, 4914039, 5339085),
    (290507, 1292306, 2218525, 3235179, 3985995, 4132918, 4628910, 4909315),
    (310608, 1418858, 2195047, 3757447, 4029929, 4381982, 4588268),
    (443160, 1136350, 2128333, 2897821, 3402672, 3873311),
    (396132, 1333217, 2180715, 2985752, 3691712),
    (440832, 1288463, 2419861, 3483130),
    (359480, 1421128, 2864498),
    (376686, 1363294),
    (344014,),
)
MACK_RESERVES = (0, 94634, 469511, 709638, 984889, 1419459, 2177641, 3920301, 4278972, 4625811)
MACK_ERRORS = (0, 75535, 121699, 133549, 261406, 411010, 558317, 875328, 971258, 1363155)
MACK_RESERVE, MACK_ERROR = 18680855.611924313, 2447094.860834665
FACTORS = "3.4906065479 1.7473326421 1.4574128360 1.1738517094 1.1038235322 1.0862693644 1.0538743555 1.0765551784"


def triangle_of(
    rows: Sequence[Sequence[int]], issued: int = 10**8, life: int | None = None, expired: Sequence[int] = ()
) -> Triangle:
    cohorts = tuple(add_months(JANUARY, number) for number in range(len(rows)))
    lives = (max(map(len, rows)) - 1 if life is None else life,) * len(rows)
    no_points = (0,) * len(rows)
    return Triangle(cohorts, (issued,) * len(rows), tuple(expired) or no_points, tuple(map(tuple, rows)), lives)


def test_chain_ladder_gives_macks_published_reserves_and_standard_errors() -> None:
    triangle = triangle_of(TAYLOR_ASHE)

    projection = project(triangle, young_below=0)

    reserves = projection.ultimates - latest_of(triangle)
    assert reserves == pytest.approx(MACK_RESERVES, abs=1)
    assert reserves.sum() == pytest.approx(MACK_RESERVE, rel=1e-9)
    assert projection.errors == pytest.approx(MACK_ERRORS, abs=1)
    assert projection.total_error == pytest.approx(MACK_ERROR, rel=1e-9)
    factors = [*map(float, FACTORS.split()), 1.0177247252]
    assert projection.development.factors == pytest.approx(factors, abs=1e-9)


@pytest.mark.filterwarnings("ignore")  # The package's own.
def test_the_package_chainladder_agrees_if_it_is_installed() -> None:
    chainladder = pytest.importorskip("chainladder")
    sample = chainladder.load_sample("genins")
    development = chainladder.Development(sigma_interpolation="mack").fit_transform(sample)
    mack = chainladder.MackChainladder().fit(development)
    exposure = sample.latest_diagonal * 0 + 10**8
    cape_cod = chainladder.CapeCod().fit(development, sample_weight=exposure)

    by_ladder, by_exposure = (project(triangle_of(TAYLOR_ASHE), young_below=young) for young in (0, 2))

    assert by_ladder.total_error == pytest.approx(float(mack.total_mack_std_err_.iloc[0, 0]), rel=1e-9)
    assert by_exposure.ultimates == pytest.approx(cape_cod.ultimate_.values[0, 0, :, 0], rel=1e-9)


def test_cape_cod_spreads_the_rate_of_all_cohorts_over_the_points_issued() -> None:
    # Developed by 1, 1/2 and 1/4; used-up exposure 1000 x 1.75, redeemed 800 + 420 + 190.
    triangle = triangle_of([(200, 400, 800), (210, 420), (190,)], issued=1000)

    projection = project(triangle)

    assert projection.developed == pytest.approx([1, 0.5, 0.25])
    assert projection.methods == (CLOSED, CHAIN_LADDER, CAPE_COD)
    rate = 1410 / 1750
    assert projection.cape_cod_rate == pytest.approx(rate)
    assert projection.ultimates == pytest.approx([800, 840, 190 + 0.75 * rate * 1000])


def test_a_cohort_that_has_redeemed_nothing_yet_is_valued_by_its_exposure() -> None:
    projection = project(triangle_of([(100, 500), (0,)], issued=1000))

    assert projection.ultimates[1] == pytest.approx(0.8 * 500 / (1 + 0.2))


def test_redemptions_that_begin_late_leave_the_first_age_undeveloped() -> None:
    """Points of a programme that can't be used in the month they were issued in."""
    projection = project(triangle_of([(0, 200, 400), (0, 100), (0,)], issued=1000))

    assert projection.developed == pytest.approx([1, 0.5, 0])
    assert projection.ultimates == pytest.approx([400, 200, 1000 * 500 / 1500])


def test_the_ultimate_is_capped_at_what_can_still_be_redeemed() -> None:
    triangle = triangle_of([(100, 400), (300,)], issued=1000, expired=[600, 100])

    assert project(triangle, young_below=0).ultimates.tolist() == [400, 900]


def test_nothing_develops_after_the_end_of_life() -> None:
    rows = [(10, 20, 20, 20), (10, 20, 20), (10, 20), (10,)]

    projection = project(triangle_of(rows, issued=100, life=1))

    assert projection.development.factors.tolist() == [2.0]
    assert projection.methods == (CLOSED, CLOSED, CLOSED, CHAIN_LADDER)


def test_an_end_that_nobody_has_seen_must_be_stated() -> None:
    triangle = triangle_of([(10, 20), (10,)], issued=100, life=24)

    with pytest.raises(Conflict, match="issued in 2026-01 can still be used at an age of more than 1 months"):
        project(triangle)


def test_the_stated_rate_is_that_of_the_oldest_cohort_without_an_end() -> None:
    triangle = triangle_of([(10, 20), (12,)], issued=100, life=24)

    projection = project(triangle, Decimal("0.8"), young_below=0)

    assert projection.ultimates == pytest.approx([80, 96])
    assert projection.development.stated_steps == 12


def test_the_stated_end_is_reached_by_as_many_points_a_month_when_the_points_expire() -> None:
    projection = project(triangle_of([(10, 20), (12,)], issued=100, life=4), Decimal("0.8"), young_below=0)

    assert projection.paths[0] == pytest.approx([20, 20, 40, 60, 80])


def test_without_any_redemption_the_stated_rate_is_expected() -> None:
    projection = project(triangle_of([(0, 0), (0,)], issued=100, life=24), Decimal("0.8"))

    assert projection.ultimates == pytest.approx([80, 80])


def test_a_recent_trend_is_followed_by_the_newest_cohorts_only() -> None:
    rows = [(100, 200), (100, 300), (100, 300), (100,)]

    assert project(triangle_of(rows), young_below=0).ultimates[-1] == pytest.approx(800 / 3)
    assert project(triangle_of(rows), recent=2, young_below=0).ultimates[-1] == pytest.approx(300)


def test_the_triangle_knows_only_what_had_come_by_then() -> None:
    february, march = add_months(JANUARY, 1), add_months(JANUARY, 2)
    cells = [
        Cell(JANUARY, JANUARY, 100, 10, 0, date(2026, 3, 31)),
        Cell(JANUARY, february, -5, 20, 0, None),
        Cell(JANUARY, march, 0, 5, 60, None),
        Cell(march, march, 50, 1, 0, date(2026, 5, 31)),
    ]

    assert triangle_at(cells, february) == Triangle((JANUARY, february), (95, 0), (0, 0), ((10, 30), (0,)), (2, 0))
    assert triangle_at(cells, march) == Triangle(
        (JANUARY, february, march), (95, 0, 50), (60, 0, 0), ((10, 30, 35), (0, 0), (1,)), (2, 0, 2)
    )
    assert triangle_at(cells, date(2025, 12, 1)) is None


def test_the_back_test_compares_what_was_expected_with_what_came() -> None:
    then = triangle_of([(100, 200, 300), (100, 200), (100,)], issued=1000)
    now = triangle_of([(100, 200, 300, 300), (100, 200, 320), (100, 190), (70,)], issued=1000, life=2)

    found = back_test(then, project(then, young_below=0), now)

    assert (found.month, found.expected_next, found.came_next) == (date(2026, 3, 1), 200, 210)
    assert (found.expected, found.came) == (200, 210)


def test_published_figures_add_up() -> None:
    triangle = triangle_of([(200, 401, 777), (210, 433), (199,)], issued=1000, expired=[223, 0, 0])
    projection = project(triangle)

    cohorts = value_cohorts(triangle, projection)
    liability = liability_of(cohorts, projection.total_error, Decimal("0.75"), is_breakage_kept=True)

    assert [c.outstanding for c in cohorts] == [0, 567, 801]
    assert all(c.expected + c.breakage == c.outstanding for c in cohorts)
    assert all(c.ultimate.low <= c.ultimate.estimate <= c.ultimate.high <= c.issued - c.expired for c in cohorts)
    assert liability.expected.estimate == sum(c.expected for c in cohorts)
    assert liability.expected.estimate + liability.breakage.estimate == 567 + 801
    assert liability.expected.low + liability.breakage.high == 567 + 801
    assert liability.amount == round(Decimal("0.75") * liability.expected.estimate)


def test_breakage_that_head_office_is_not_entitled_to_stays_a_liability() -> None:
    triangle = triangle_of([(400, 600), (300,)], issued=1000, expired=[400, 0])
    projection = project(triangle)

    liability = liability_of(
        value_cohorts(triangle, projection), projection.total_error, Decimal(2), is_breakage_kept=False
    )

    assert liability.amount == 2 * (1000 - 300) + 2 * 400


# IFRS 15 Illustrative Example 52 (= ASC 606 Example 52): 8,676 allocated to 10,000 points; KPMG, Handbook Revenue
# recognition, example 10A: 9,000. (redeemed so far, expected in the end, revenue of the period)
@pytest.mark.parametrize(
    ("allocated", "periods"),
    [
        (8676, [(4500, 9500, 4110), (8500, 9700, 3493)]),
        (9000, [(4500, 9700, 4175), (8500, 9900, 3552)]),
    ],
    ids=["IFRS 15 example 52", "KPMG example 10A"],
)
def test_revenue_catches_up_when_the_estimate_changes(allocated: int, periods: list[tuple[int, int, int]]) -> None:
    before = 0
    for redeemed, expected, revenue in periods:
        earned = recognised(allocated, redeemed, expected)
        assert earned - before == revenue
        before = earned


def cohort_value(redeemed: int, ultimate: int, issued: int = 10_000, expired: int = 0) -> CohortValue:
    in_the_end = Range(ultimate, ultimate, ultimate)
    return CohortValue(JANUARY, 0, issued, redeemed, expired, CHAIN_LADDER, Decimal(1), in_the_end, 0)


def test_a_month_earns_its_redemptions_and_the_catch_up_of_earlier_ones() -> None:
    """IFRS 15 example 52 as two months: of 3,493 the change of the estimate takes 8676 x 4500 x (1/9700 - 1/9500)."""
    price = Decimal("0.8676")

    first = revenue_of([cohort_value(4500, 9500)], [], [price], is_breakage_kept=True)
    second = revenue_of([cohort_value(8500, 9700)], [cohort_value(4500, 9500)], [price], is_breakage_kept=True)

    assert (first.earned, first.catch_up, first.deferred) == (4110, 0, 4566)
    assert (second.earned, second.catch_up, second.deferred) == (3493, 4025 - 4110, 1073)


@pytest.mark.parametrize(
    ("value", "is_breakage_kept", "recognised_in_all"),
    [
        (cohort_value(0, 0, expired=10_000), True, 10_000),
        (cohort_value(0, 0), True, 0),
        (cohort_value(6_000, 6_000, expired=4_000), True, 10_000),
        (cohort_value(6_000, 6_000, expired=4_000), False, 6_000),
    ],
    ids=["all expired", "nothing expected yet", "breakage earned", "breakage not head office's"],
)
def test_what_is_earned_in_the_end(value: CohortValue, is_breakage_kept: bool, recognised_in_all: int) -> None:
    assert revenue_of([value], [], [Decimal(1)], is_breakage_kept).recognised == recognised_in_all


@st.composite
def triangles(draw: st.DrawFn) -> Triangle:
    """Any that a ledger can hold: points redeemed and expired are never more than issued, redemptions may shrink."""
    count = draw(st.integers(1, 8))
    rows, issued, expired = [], [], []
    for number in range(count):
        row = draw(st.lists(st.integers(0, 1000), min_size=count - number, max_size=count - number))
        expired.append(draw(st.integers(0, 100)))
        issued.append(max(row) + expired[-1] + draw(st.integers(0, 1000)))
        rows.append(tuple(row))
    lives = tuple(draw(st.integers(0, count - 1)) for _ in range(count))
    cohorts = tuple(add_months(JANUARY, number) for number in range(count))
    return Triangle(cohorts, tuple(issued), tuple(expired), tuple(rows), lives)


rates = st.decimals("0.01", "1", places=2)


@given(triangles(), rates)
def test_an_ultimate_lies_between_what_is_redeemed_and_what_can_be(triangle: Triangle, final_rate: Decimal) -> None:
    projection = project(triangle, final_rate)

    assert np.isfinite(projection.errors).all() and (projection.errors >= 0).all()
    assert projection.total_error >= 0
    for value in value_cohorts(triangle, projection):
        assert value.redeemed <= value.ultimate.low <= value.ultimate.estimate <= value.ultimate.high
        assert value.ultimate.high <= value.issued - value.expired
        if value.method == CLOSED:
            assert value.expected == 0 and value.standard_error == 0


@given(triangles(), rates, st.integers(2, 50))
def test_a_triangle_in_other_units_has_the_same_rates(triangle: Triangle, final_rate: Decimal, units: int) -> None:
    larger = Triangle(
        triangle.cohorts,
        tuple(units * points for points in triangle.issued),
        tuple(units * points for points in triangle.expired),
        tuple(tuple(units * points for points in row) for row in triangle.redeemed),
        triangle.lives,
    )

    one, other = project(triangle, final_rate), project(larger, final_rate)

    assert other.ultimates == pytest.approx(units * one.ultimates)
    assert other.errors == pytest.approx(units * one.errors)


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=6), st.lists(st.integers(2, 9), min_size=5, max_size=5))
def test_cohorts_that_develop_alike_have_no_error(firsts: list[int], steps: list[int]) -> None:
    rows = []
    for number, first in enumerate(firsts):
        row = [first]
        for step in steps[: len(firsts) - number - 1]:
            row.append(row[-1] * step)
        rows.append(row)

    projection = project(triangle_of(rows, issued=10**12), young_below=0)

    assert projection.errors == pytest.approx(0, abs=1e-3)
    assert projection.ultimates == pytest.approx([first * np.prod(steps[: len(firsts) - 1]) for first in firsts])


@given(triangles(), rates)
def test_a_triangle_whose_points_have_all_had_their_end_has_no_error(triangle: Triangle, final_rate: Decimal) -> None:
    ended = Triangle(
        triangle.cohorts, triangle.issued, triangle.expired, triangle.redeemed, (0,) * len(triangle.cohorts)
    )

    projection = project(ended, final_rate)

    assert projection.ultimates.tolist() == latest_of(ended).tolist()
    assert projection.total_error == 0
