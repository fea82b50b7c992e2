"""Valuing the points of a published month. Nothing is stored: a closed month gives the same figures again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from uuid import UUID

from clearinghouse.ledger.queries import check_attached
from settlement.statements.service import output_folder
from settlement.valuation.assumptions import HEAD_OFFICE, Assumptions, check_assumptions
from settlement.valuation.documents import Reconciliation, Valuation
from settlement.valuation.pdf import write_valuation_pdf
from settlement.valuation.queries import Movements, movements_through
from settlement.valuation.rules import (
    BackTest,
    Cell,
    CohortValue,
    FinalRateMissing,
    Triangle,
    back_test,
    liability_of,
    project,
    revenue_of,
    triangle_at,
    value_cohorts,
)
from settlement.valuation.xlsx import write_valuation_xlsx
from settlement.windows.service import get_published_window, list_windows
from settlement.windows.tables import Window
from tenants.foundation.database import unit_of_work
from tenants.foundation.errors import Conflict, IntegrityFailure
from tenants.foundation.months import add_months, last_day, show_month
from tenants.networks.service import get_network
from tenants.networks.tables import Network
from tenants.rates.queries import rate_book
from tenants.rates.rules import Rate, RateBook


def value_month(tenant_id: UUID, month: date | None, assumptions: Assumptions) -> Valuation:
    """At the end of `month`, or of the newest published one, with what had been posted to the months until then.

    Raises `NotFound` or `Conflict` unless the month has been published, some points have been issued, and a final
    rate is stated if one is needed; `IntegrityFailure` when the points do not add up to the published ones.
    """
    check_assumptions(assumptions)
    windows, movements = load_movements(tenant_id, month)
    with unit_of_work(tenant_id) as session:
        network, rates = get_network(tenant_id), rate_book(session)
    return value(network, windows, movements, rates, assumptions)


def value(
    network: Network, windows: Sequence[Window], movements: Movements, rates: RateBook, assumptions: Assumptions
) -> Valuation:
    """At the end of the last of `windows`."""
    newest = windows[-1]
    triangle = triangle_of(movements, newest.month)
    projection = project(triangle, assumptions.final_rate, assumptions.recent)
    cohorts = value_cohorts(triangle, projection)
    is_breakage_kept = assumptions.breakage_to == HEAD_OFFICE
    cost_per_point = assumptions.cost_per_point
    if cost_per_point is None:
        cost_per_point = network_rate(rates, newest.month).redemption
    prices = prices_of(triangle.cohorts, rates, assumptions.price_per_point)
    before = value_before(movements.cells, newest.month, assumptions)
    assert newest.published_at is not None
    return Valuation(
        network.code,
        network.name,
        network.currency,
        newest.month,
        newest.published_at,
        assumptions,
        cost_per_point,
        prices,
        triangle,
        projection,
        tuple(cohorts),
        liability_of(cohorts, projection.total_error, cost_per_point, is_breakage_kept),
        None if before is None else revenue_of(cohorts, before, prices, is_breakage_kept),
        reconcile(movements, cohorts, windows),
    )


def load_movements(tenant_id: UUID, month: date | None) -> tuple[list[Window], Movements]:
    """The published windows through `month`, and what they did to the lots of each month of issue."""
    windows = [window for window in list_windows(tenant_id)[0] if window.published_at is not None]
    if month is not None:
        get_published_window(tenant_id, month)
        windows = [window for window in windows if window.month <= month]
    if not windows:
        raise Conflict(
            "No month has been published yet; `clearinghouse window close` does that.", code="nothing_to_value"
        )
    with unit_of_work(tenant_id) as session:
        check_attached(session, windows[0].month, windows[-1].month)
        return windows, movements_through(session, windows[-1].month)


def triangle_of(movements: Movements, month: date) -> Triangle:
    triangle = triangle_at(movements.cells, month)
    if triangle is None:
        raise Conflict(f"No points had been issued by the end of {show_month(month)}.", code="nothing_to_value")
    return triangle


def prices_of(cohorts: Sequence[date], rates: RateBook, price_per_point: Decimal | None) -> tuple[Decimal, ...]:
    """What the network charged for a point at the end of each cohort's month, unless one price is given for all."""
    if price_per_point is not None:
        return (price_per_point,) * len(cohorts)
    return tuple(network_rate(rates, cohort).funding for cohort in cohorts)


def network_rate(rates: RateBook, month: date) -> Rate:
    """At the end of the month; of months before the network's first rate, that one."""
    return rates.on(None, max(last_day(month), rates.first_days()[0]))


def value_before(cells: Sequence[Cell], month: date, assumptions: Assumptions) -> list[CohortValue] | None:
    """The cohorts as valued a month earlier, none for the first month; None if that needs a final rate."""
    triangle = triangle_at(cells, add_months(month, -1))
    if triangle is None:
        return []
    try:
        return value_cohorts(triangle, project(triangle, assumptions.final_rate, assumptions.recent))
    except FinalRateMissing:
        return None


def reconcile(movements: Movements, cohorts: Sequence[CohortValue], windows: Sequence[Window]) -> Reconciliation:
    newest = windows[-1]
    later = [cell for cell in movements.cells if cell.cohort > newest.month]
    found = Reconciliation(
        sum(cohort.outstanding for cohort in cohorts),
        sum(cell.issued - cell.redeemed - cell.expired for cell in later),
        sum(movements.owed.values()),
        newest.closing_outstanding or 0,
        sum(window.recovered or 0 for window in windows),
        sum(cohort.redeemed for cohort in cohorts),
    )
    if not found.holds:
        raise IntegrityFailure(
            f"The lots of {show_month(newest.month)} hold {found.outstanding + found.issued_later:,} points and "
            f"members owe {found.owed:,}, but {found.closing_outstanding:,} were published as outstanding. "
            "`clearinghouse ledger check` names what differs."
        )
    return found


def back_tests(tenant_id: UUID, month: date | None, assumptions: Assumptions) -> list[BackTest]:
    """Every month before `month`, or the newest published one, valued with only what was known then.

    Left out are those that nobody could have valued without a stated final rate.
    """
    check_assumptions(assumptions)
    windows, movements = load_movements(tenant_id, month)
    now = triangle_of(movements, windows[-1].month)
    tests = []
    for window in windows[:-1]:
        then = triangle_at(movements.cells, window.month)
        if then is None:
            continue
        try:
            tests.append(back_test(then, project(then, assumptions.final_rate, assumptions.recent), now))
        except FinalRateMissing:
            continue
    return tests


def export_valuation(tenant_id: UUID, month: date | None, assumptions: Assumptions) -> list[Path]:
    """Written anew each time, as the assumptions may be others."""
    valuation = value_month(tenant_id, month, assumptions)
    tests = back_tests(tenant_id, valuation.month, assumptions)
    folder = output_folder(valuation.network_code, valuation.month)
    paths = [folder / "valuation.pdf", folder / "valuation.xlsx"]
    for path, write in zip(paths, (write_valuation_pdf, write_valuation_xlsx), strict=True):
        write(valuation, tests, path)
    return paths
