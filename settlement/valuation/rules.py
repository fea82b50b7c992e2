"""How many of the points issued will be redeemed, what they will cost, and what has been earned by them.

`docs/valuation.md` has the method with its formulas and sources. Points and minor units are integers on both edges.
Between them numbers are floats: they are estimates with an error of percents, and never reach the ledger. Each
published figure is rounded once, halves to the even neighbour.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from tenants.foundation.errors import Conflict
from tenants.foundation.money import round_half_even
from tenants.foundation.months import add_months, month_of

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

# A month of issue that is developed less than this is valued by Cape Cod: what it has redeemed so far says little.
YOUNG_BELOW = 0.5
# Standard errors to each side of the estimate: nine outcomes in ten, if the error is normal.
RANGE_ERRORS = 1.645
# Months in which points that never expire come to a stated final rate.
STATED_MONTHS_MAX = 12

CLOSED, CHAIN_LADDER, CAPE_COD = "closed", "chain ladder", "Cape Cod"


class FinalRateMissing(Conflict):
    """Nobody has seen how the redemptions of some points end, and nobody has stated it."""

    code = "final_rate_missing"


@dataclass(frozen=True)
class Cell:
    """Points of lots issued in month `cohort`, by what became known of them in settlement month `month`.

    `issued` is net of what was taken back or repaid an earlier debt, `redeemed` net of reversals, `expired` net of
    expiries that were undone. `last_day` is the last day on which any of the points issued can be used, if any were.
    """

    cohort: date
    month: date
    issued: int
    redeemed: int
    expired: int
    last_day: date | None


@dataclass(frozen=True)
class Triangle:
    """Every month of issue through the month of valuation, oldest first, without gaps.

    `redeemed[i][age]` are the points of cohort `i` that had been redeemed `age` months after its own; the last one is
    of the month of valuation. `lives[i]` is the age in which the last of its points can be used.
    """

    cohorts: tuple[date, ...]
    issued: tuple[int, ...]
    expired: tuple[int, ...]
    redeemed: tuple[tuple[int, ...], ...]
    lives: tuple[int, ...]

    @property
    def ages(self) -> tuple[int, ...]:
        return tuple(len(row) - 1 for row in self.redeemed)


@dataclass(frozen=True)
class Development:
    """How redemptions grow from each age to the next, in all months of issue together.

    `factors[k]` leads from age k to k + 1, `variances[k]` is Mack's sigma squared of it, `weights[k]` the points that
    it was seen in. `from_nothing[k]`: redemptions begin after age k, so that no factor can lead there. Of the factors
    the last `stated_steps` have not been seen, but follow from a stated final rate.
    """

    factors: Floats
    variances: Floats
    weights: Floats
    from_nothing: Flags
    stated_steps: int

    @property
    def steps(self) -> int:
        return len(self.factors)


@dataclass(frozen=True)
class Projection:
    """The estimate before it is rounded; arrays over the cohorts.

    `paths[i, k]` are the points expected to be redeemed by age k, for ages from the present one on; the last column
    is the ultimate.
    """

    development: Development
    developed: Floats
    methods: tuple[str, ...]
    paths: Floats
    errors: Floats
    total_error: float
    cape_cod_rate: float

    @property
    def ultimates(self) -> Floats:
        return self.paths[:, -1]


def triangle_at(cells: Iterable[Cell], month: date) -> Triangle | None:
    """What was known at the end of `month`; None when no points had been issued. Later cohorts are left out."""
    known = [cell for cell in cells if cell.month <= month and cell.cohort <= month]
    if not known:
        return None
    first = min(cell.cohort for cell in known)
    cohorts = tuple(add_months(first, number) for number in range(months_between(first, month) + 1))
    redeemed = [[0] * (months_between(cohort, month) + 1) for cohort in cohorts]
    issued, expired = [0] * len(cohorts), [0] * len(cohorts)
    lives = [0] * len(cohorts)
    for cell in known:
        number = months_between(first, cell.cohort)
        issued[number] += cell.issued
        expired[number] += cell.expired
        # A lot posted late can have been used in a month before the one it was issued in.
        redeemed[number][max(months_between(cell.cohort, cell.month), 0)] += cell.redeemed
        if cell.last_day is not None:
            lives[number] = max(lives[number], months_between(cell.cohort, month_of(cell.last_day)))
    cumulative = tuple(tuple(np.cumsum(row).tolist()) for row in redeemed)
    return Triangle(cohorts, tuple(issued), tuple(expired), cumulative, tuple(lives))


def months_between(earlier: date, later: date) -> int:
    return (later.year - earlier.year) * 12 + later.month - earlier.month


def project(
    triangle: Triangle,
    final_rate: Decimal | None = None,
    recent: int | None = None,
    young_below: float = YOUNG_BELOW,
) -> Projection:
    """Chain ladder with Mack's standard errors, and Cape Cod for cohorts that are still young.

    `final_rate` is the ultimate redemption rate of the oldest cohort whose life is longer than what has been seen;
    raises `FinalRateMissing` where there is one and no rate was stated. `recent`: each step as the newest so many
    cohorts have taken it, not all.
    """
    development = develop(triangle, final_rate, recent)
    ages, issued, latest = np.array(triangle.ages), np.array(triangle.issued, float), latest_of(triangle)
    is_open = ages < np.array(triangle.lives)
    is_ahead = np.arange(development.steps) >= ages[:, None]
    is_step = steps_in_life(triangle, development.steps)
    to_ultimate = growth_to_end(np.where(is_step, development.factors, 1.0))
    shares = shares_developed(to_ultimate, is_step & development.from_nothing)
    developed = shares[np.arange(len(ages)), np.minimum(ages, development.steps)]
    rate = cape_cod_rate(latest, issued * developed, final_rate)
    expected = rate * issued[:, None] * shares

    is_young = is_open & (developed < young_below)
    by_ladder = latest[:, None] * growth_from_start(np.where(is_step & is_ahead, development.factors, 1.0))
    by_exposure = latest[:, None] + expected - (rate * issued * developed)[:, None]
    paths = np.where(is_young[:, None], by_exposure, by_ladder)
    # What a young cohort has redeemed so far is no measure of its error: its expected path is.
    bases = np.where(is_young[:, None], expected, by_ladder)
    errors, total_error = mack_errors(development, is_step & is_ahead, bases, to_ultimate)
    most = np.maximum(issued - np.array(triangle.expired, float), latest)
    return Projection(
        development,
        developed,
        tuple(method_of(*flags) for flags in zip(is_open, is_young, strict=True)),
        np.clip(paths, latest[:, None], most[:, None]),
        errors,
        total_error,
        rate,
    )


def method_of(is_open: bool, is_young: bool) -> str:
    if not is_open:
        return CLOSED
    return CAPE_COD if is_young else CHAIN_LADDER


def latest_of(triangle: Triangle) -> Floats:
    return np.array([row[-1] for row in triangle.redeemed], float)


def develop(triangle: Triangle, final_rate: Decimal | None, recent: int | None = None) -> Development:
    """Volume-weighted factors of the steps that some cohort has been seen to take, then stated ones if needed."""
    redeemed = square(triangle.redeemed)
    seen = ~np.isnan(redeemed[:, 1:]) & steps_in_life(triangle, redeemed.shape[1] - 1)
    if recent is not None:
        seen &= np.cumsum(seen[::-1], axis=0)[::-1] <= recent
    steps = int(np.count_nonzero(seen.any(axis=0)))
    seen, before, after = seen[:, :steps], redeemed[:, :steps], redeemed[:, 1 : steps + 1]
    weights = np.where(seen, before, 0.0).sum(axis=0)
    reached = np.where(seen, after, 0.0).sum(axis=0)
    factors = np.divide(reached, weights, out=np.ones(steps), where=weights > 0)
    variances = mack_variances(np.where(seen, before, 0.0), np.where(seen, after, 0.0), factors)
    development = Development(factors, variances, weights, (weights <= 0) & (reached > 0), 0)
    oldest = next((i for i, life in enumerate(triangle.lives) if life > steps and triangle.issued[i] > 0), None)
    return development if oldest is None else with_stated_end(triangle, development, oldest, final_rate)


def with_stated_end(
    triangle: Triangle, development: Development, oldest: int, final_rate: Decimal | None
) -> Development:
    """More steps, that bring cohort `oldest` to `final_rate` of the points issued, by as many points each month."""
    if final_rate is None:
        raise FinalRateMissing(
            f"Points issued in {triangle.cohorts[oldest]:%Y-%m} can still be used at an age of more than "
            f"{development.steps} months, and no month of issue has been seen that old. State the part of its points "
            "that will be redeemed in the end: --final-rate 0.8, or ?final_rate=0.8."
        )
    months = min(triangle.lives[oldest] - development.steps, STATED_MONTHS_MAX)
    is_ahead = np.arange(development.steps) >= triangle.ages[oldest]
    reached = triangle.redeemed[oldest][-1] * float(np.prod(development.factors[is_ahead]))
    wanted = float(final_rate) * triangle.issued[oldest]
    growth = max(wanted / reached, 1.0) if reached > 0 else 1.0
    points = np.linspace(1.0, growth, months + 1)
    return Development(
        np.append(development.factors, points[1:] / points[:-1]),
        np.append(development.variances, np.zeros(months)),
        np.append(development.weights, np.full(months, np.inf)),
        np.append(development.from_nothing, np.full(months, reached <= 0)),
        months,
    )


def square(rows: Sequence[Sequence[int]]) -> Floats:
    """The rows as a matrix, with NaN in what has not come yet."""
    matrix = np.full((len(rows), max(map(len, rows))), np.nan)
    for number, row in enumerate(rows):
        matrix[number, : len(row)] = row
    return matrix


def steps_in_life(triangle: Triangle, steps: int) -> Flags:
    """Whether points of a cohort can still be redeemed after age k: from the end of its life on nothing develops."""
    return np.arange(steps) < np.array(triangle.lives)[:, None]


def mack_variances(before: Floats, after: Floats, factors: Floats) -> Floats:
    """Mack (1993), formula for sigma squared; a step seen once has its extrapolation from the two steps before."""
    counts = np.count_nonzero(before > 0, axis=0)
    ratios = np.divide(after, before, out=np.zeros_like(before), where=before > 0)
    squares = (before * (ratios - factors) ** 2).sum(axis=0)
    variances: Floats = squares / np.maximum(counts - 1, 1)
    for step in np.flatnonzero(counts == 1):
        last, one_before = (variances[step - 1], variances[step - 2]) if step > 1 else (0.0, 0.0)
        variances[step] = min(last**2 / one_before, last, one_before) if one_before > 0 else 0.0
    return variances


def mack_errors(
    development: Development, is_ahead: Flags, bases: Floats, to_ultimate: Floats
) -> tuple[Floats, float]:
    """Standard errors of each cohort's ultimate and of their sum (Mack 1993), as sums over the steps ahead.

    The chance of each cohort's own steps is independent; the factors' error is common to all, and adds up.
    """
    onward = np.where(is_ahead, to_ultimate[:, 1:], 0.0)
    bases = np.maximum(bases[:, :-1], 0.0)
    by_chance = (development.variances * bases * onward**2).sum(axis=1)
    weights = np.where(development.weights > 0, development.weights, np.inf)
    by_factor = bases * onward * np.sqrt(development.variances / weights)
    errors: Floats = np.sqrt(by_chance + (by_factor**2).sum(axis=1))
    return errors, float(np.sqrt(by_chance.sum() + (by_factor.sum(axis=0) ** 2).sum()))


def growth_to_end(factors: Floats) -> Floats:
    """From each age to the ultimate, which itself is the last column."""
    return growth_from_start(factors[:, ::-1])[:, ::-1]


def growth_from_start(factors: Floats) -> Floats:
    growth: Floats = np.multiply.accumulate(np.hstack([np.ones((len(factors), 1)), factors]), axis=1)
    return growth


def shares_developed(to_ultimate: Floats, from_nothing: Flags) -> Floats:
    """The part of the ultimate that is redeemed by each age; 0 as long as redemptions have not begun."""
    shares = np.divide(1.0, to_ultimate, out=np.ones_like(to_ultimate), where=to_ultimate > 0)
    is_to_begin = np.logical_or.accumulate(from_nothing[:, ::-1], axis=1)[:, ::-1]
    shares[:, :-1][is_to_begin] = 0.0
    return np.clip(shares, 0.0, 1.0)


def cape_cod_rate(latest: Floats, exposures: Floats, final_rate: Decimal | None) -> float:
    """Points redeemed over the points issued that are developed by now; the stated rate if none are."""
    developed = float(exposures.sum())
    return float(latest.sum()) / developed if developed > 0 else float(final_rate or 0)


@dataclass(frozen=True)
class Range:
    """An estimate in whole points or minor units, and what it lies between in nine cases of ten."""

    estimate: int
    low: int
    high: int

    def taken_from(self, whole: int) -> Range:
        return Range(whole - self.estimate, whole - self.high, whole - self.low)

    def at(self, rate: Decimal) -> Range:
        return Range(*(round_half_even(points * rate) for points in (self.estimate, self.low, self.high)))


@dataclass(frozen=True)
class CohortValue:
    """A month of issue in whole points. `ultimate` is what it will have redeemed in the end."""

    cohort: date
    age: int
    issued: int
    redeemed: int
    expired: int
    method: str
    developed: Decimal
    ultimate: Range
    standard_error: int

    @property
    def outstanding(self) -> int:
        return self.issued - self.redeemed - self.expired

    @property
    def expected(self) -> int:
        """Redemptions still to come: ultimate redemption rate x issued - redeemed."""
        return self.ultimate.estimate - self.redeemed

    @property
    def breakage(self) -> int:
        """Points outstanding that will never be redeemed."""
        return self.outstanding - self.expected

    def rate_of(self, points: int) -> Decimal | None:
        """`points` as a part of those issued, to four decimals; None when none were."""
        return rounded_share(Decimal(points) / self.issued) if self.issued > 0 else None


@dataclass(frozen=True)
class Liability:
    """All months of issue together: `expected` redemptions and `breakage` of what is outstanding, in points, and the
    same in minor units at the cost of a point.

    `unredeemed_amount` and `expired_amount` are owed besides where breakage is not head office's: what the points
    are worth that will expire, and that have expired so far.
    """

    expected: Range
    breakage: Range
    expected_amount: Range
    breakage_amount: Range
    unredeemed_amount: int
    expired_amount: int

    @property
    def amount(self) -> int:
        return self.expected_amount.estimate + self.unredeemed_amount + self.expired_amount


@dataclass(frozen=True)
class Revenue:
    """IFRS 15.B44-B46: what was deferred for points is earned in proportion to the rights exercised, in minor units.

    `earned` is the month's, of which `catch_up` comes from the estimate having changed; `deferred` is the contract
    liability at its end.
    """

    allocated: int
    recognised: int
    earned: int
    catch_up: int

    @property
    def deferred(self) -> int:
        return self.allocated - self.recognised


def value_cohorts(triangle: Triangle, projection: Projection) -> list[CohortValue]:
    return [
        CohortValue(
            cohort,
            triangle.ages[i],
            triangle.issued[i],
            triangle.redeemed[i][-1],
            triangle.expired[i],
            projection.methods[i],
            rounded_share(Decimal(float(projection.developed[i]))),
            range_of(
                float(projection.ultimates[i]),
                float(projection.errors[i]),
                triangle.redeemed[i][-1],
                triangle.issued[i] - triangle.expired[i],
            ),
            round(float(projection.errors[i])),
        )
        for i, cohort in enumerate(triangle.cohorts)
    ]


def range_of(estimate: float, error: float, least: int, most: int) -> Range:
    """In whole points, between what is certain and what is possible."""
    margin = RANGE_ERRORS * error
    return Range(*(min(max(round(p), least), most) for p in (estimate, estimate - margin, estimate + margin)))


def rounded_share(share: Decimal) -> Decimal:
    return round(share, 4)


def liability_of(
    cohorts: Sequence[CohortValue], total_error: float, cost_per_point: Decimal, is_breakage_kept: bool
) -> Liability:
    """`is_breakage_kept`: head office is entitled to what is never redeemed."""
    outstanding, expired = sum(c.outstanding for c in cohorts), sum(c.expired for c in cohorts)
    expected = range_of(sum(c.expected for c in cohorts), total_error, 0, outstanding)
    breakage = expected.taken_from(outstanding)
    return Liability(
        expected,
        breakage,
        expected.at(cost_per_point),
        breakage.at(cost_per_point),
        unredeemed_amount=0 if is_breakage_kept else round_half_even(breakage.estimate * cost_per_point),
        expired_amount=0 if is_breakage_kept else round_half_even(expired * cost_per_point),
    )


def recognised(allocated: int, exercised: int, expected: int) -> int:
    """The part of `allocated` that is earned when `exercised` of the `expected` redemptions have come."""
    return round_half_even(Decimal(allocated * exercised) / expected) if expected > 0 else 0


def revenue_of(
    now: Sequence[CohortValue],
    before: Sequence[CohortValue],
    prices: Sequence[Decimal],
    is_breakage_kept: bool,
) -> Revenue:
    """`before`: as valued a month earlier. `prices`: minor units deferred for a point of each cohort of `now`."""
    earlier = {value.cohort: value for value in before}
    allocated = total = total_before = caught_up = 0
    for value, price in zip(now, prices, strict=True):
        promised = round_half_even(value.issued * price)
        allocated += promised
        total += earned_by(value, promised, value.redeemed, is_breakage_kept)
        if value.cohort in earlier:
            then = earlier[value.cohort]
            earned_then = earned_by(then, round_half_even(then.issued * price), then.redeemed, is_breakage_kept)
            total_before += earned_then
            caught_up += earned_by(value, promised, then.redeemed, is_breakage_kept) - earned_then
    return Revenue(allocated, total, total - total_before, caught_up)


def earned_by(value: CohortValue, allocated: int, exercised: int, is_breakage_kept: bool) -> int:
    """Whoever is not entitled to breakage earns by redemptions alone, as if every point were redeemed."""
    if not is_breakage_kept:
        return recognised(allocated, exercised, value.issued)
    if value.ultimate.estimate == 0 and value.outstanding == 0:
        return allocated
    return recognised(allocated, exercised, value.ultimate.estimate)


@dataclass(frozen=True)
class BackTest:
    """What a valuation at the end of `month` expected of the points issued until then, and what came, in points.

    `expected_next` and `came_next` are of the month after it, the others of all months since. `standard_error` is
    that of everything it expected still to come, whenever.
    """

    month: date
    expected_next: int
    came_next: int
    expected: int
    came: int
    standard_error: int


def back_test(then: Triangle, projection: Projection, now: Triangle) -> BackTest:
    months = months_between(then.cohorts[-1], now.cohorts[-1])
    return BackTest(
        then.cohorts[-1],
        expected_within(then, projection, 1),
        came_within(then, now, 1),
        expected_within(then, projection, months),
        came_within(then, now, months),
        round(projection.total_error),
    )


def expected_within(then: Triangle, projection: Projection, months: int) -> int:
    """Redemptions that the projection has in the next so many months."""
    columns = np.minimum(np.array(then.ages) + months, projection.development.steps)
    reached = projection.paths[np.arange(len(columns)), columns]
    return round(float((reached - latest_of(then)).sum()))


def came_within(then: Triangle, now: Triangle, months: int) -> int:
    became = dict(zip(now.cohorts, now.redeemed, strict=True))
    known = zip(then.cohorts, then.ages, strict=True)
    return sum(became[cohort][age + months] - became[cohort][age] for cohort, age in known)
