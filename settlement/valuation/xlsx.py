"""A valuation as a workbook whose formulas lead from the triangle and the assumptions to the liability.

Each formula carries its computed value, for readers that do not calculate. Points of the months of issue, the
ultimates and their ranges are numbers; what follows from them is formulas.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from xlsxwriter.utility import xl_range, xl_rowcol_to_cell

from settlement.valuation.documents import Valuation
from settlement.valuation.rules import RANGE_ERRORS, YOUNG_BELOW, BackTest
from tenants.foundation.files import put_in_place
from tenants.foundation.months import show_month
from tenants.foundation.workbooks import FormattedWorkbook, print_on_wide_paper, write_sum

COHORT_COLUMNS = (
    *("Issued in", "Method", "Developed", "Issued", "Redeemed", "Expired", "Outstanding", "Ultimate", "Low", "High"),
    *("Standard error", "Expected redemptions", "Breakage", "Ultimate rate"),
)
ISSUED, REDEEMED, EXPIRED, OUTSTANDING, ULTIMATE, LOW, HIGH, ERROR, EXPECTED, BREAKAGE, RATE = range(3, 14)
SUMMED = (ISSUED, REDEEMED, EXPIRED, OUTSTANDING, ULTIMATE, EXPECTED, BREAKAGE)
BACK_TEST_COLUMNS = (
    *("Valued at the end of", "Expected in the next month", "Came", "Difference", "Expected since", "Came since"),
    *("Difference", "Standard error"),
)


class ValuationWorkbook(FormattedWorkbook):
    def __init__(self, valuation: Valuation, content: BytesIO) -> None:
        super().__init__(valuation.currency, content)
        self.valuation = valuation
        self.percent = self.book.add_format({"num_format": "0.0%"})
        self.total_percent = self.book.add_format({"bold": True, "top": 1, "num_format": "0.0%"})
        self.factor = self.book.add_format({"num_format": "0.000000", "top": 1})

    @property
    def total_row(self) -> int:
        return len(self.valuation.cohorts) + 1


def write_valuation_xlsx(valuation: Valuation, tests: Sequence[BackTest], path: Path) -> None:
    """The same valuation gives the same bytes. Raises `Unavailable` when the file system refuses."""
    content = BytesIO()
    workbook = ValuationWorkbook(valuation, content)
    title = f"Valuation of points {show_month(valuation.month)}"
    workbook.set_properties(title, valuation.network_name, valuation.published_at)
    add_cohorts(workbook)
    add_assumptions(workbook)
    add_triangle(workbook)
    add_development(workbook)
    add_back_test(workbook, tests)
    workbook.book.close()
    put_in_place(path, content.getvalue())


def add_heads(workbook: ValuationWorkbook, sheet: Any, names: Sequence[str], text_columns: int, width: int) -> None:
    sheet.set_column(0, len(names) - 1, width)
    for column, name in enumerate(names):
        sheet.write_string(0, column, name, workbook.head if column < text_columns else workbook.head_right)
    print_on_wide_paper(sheet)


def add_cohorts(workbook: ValuationWorkbook) -> None:
    sheet = workbook.book.add_worksheet("Months of issue")
    add_heads(workbook, sheet, COHORT_COLUMNS, 2, 13)
    for row, cohort in enumerate(workbook.valuation.cohorts, start=1):
        sheet.write_string(row, 0, show_month(cohort.cohort))
        sheet.write_string(row, 1, cohort.method)
        sheet.write_number(row, 2, float(cohort.developed), workbook.percent)
        known = (cohort.issued, cohort.redeemed, cohort.expired)
        for column, points in zip((ISSUED, REDEEMED, EXPIRED), known, strict=True):
            sheet.write_number(row, column, points, workbook.points)
        estimated = (*vars(cohort.ultimate).values(), cohort.standard_error)
        for column, points in zip((ULTIMATE, LOW, HIGH, ERROR), estimated, strict=True):
            sheet.write_number(row, column, points, workbook.points)
        write_what_follows(
            workbook, sheet, row, (cohort.outstanding, cohort.expected, cohort.breakage), workbook.points
        )
        write_rate(sheet, row, cohort.issued, cohort.ultimate.estimate, workbook.percent)
    write_total(workbook, sheet)
    sheet.freeze_panes(1, 1)


def write_what_follows(
    workbook: ValuationWorkbook, sheet: Any, row: int, values: tuple[int, int, int], style: Any
) -> None:
    issued, redeemed, expired, outstanding, ultimate, expected = (
        xl_rowcol_to_cell(row, column) for column in (ISSUED, REDEEMED, EXPIRED, OUTSTANDING, ULTIMATE, EXPECTED)
    )
    formulas = (f"={issued}-{redeemed}-{expired}", f"={ultimate}-{redeemed}", f"={outstanding}-{expected}")
    for column, formula, value in zip((OUTSTANDING, EXPECTED, BREAKAGE), formulas, values, strict=True):
        sheet.write_formula(row, column, formula, style, value)


def write_rate(sheet: Any, row: int, issued: int, ultimate: int, style: Any) -> None:
    if issued > 0:
        formula = f"={xl_rowcol_to_cell(row, ULTIMATE)}/{xl_rowcol_to_cell(row, ISSUED)}"
        sheet.write_formula(row, RATE, formula, style, ultimate / issued)


def write_total(workbook: ValuationWorkbook, sheet: Any) -> None:
    """The standard error of all is not the sum: what is wrong with the factors is wrong for every month of issue."""
    valuation, row = workbook.valuation, workbook.total_row
    for column in range(len(COHORT_COLUMNS)):
        sheet.write_blank(row, column, None, workbook.total_text)
    sheet.write_string(row, 0, "Total", workbook.total_text)
    ultimate = valuation.total("redeemed") + valuation.total("expected")
    totals = [valuation.total(name) for name in ("issued", "redeemed", "expired", "outstanding")]
    totals += [ultimate, valuation.total("expected"), valuation.total("breakage")]
    for column, total in zip(SUMMED, totals, strict=True):
        write_sum(sheet, row, column, (1, column, row - 1, column), total, workbook.total_points)
    sheet.write_number(row, ERROR, valuation.standard_error, workbook.total_points)
    write_rate(sheet, row, totals[0], ultimate, workbook.total_percent)


def add_assumptions(workbook: ValuationWorkbook) -> None:
    """What was assumed, and the liability that follows from it and the months of issue."""
    sheet = workbook.book.add_worksheet("Assumptions")
    sheet.set_column(0, 0, 62)
    sheet.set_column(1, 1, 24)
    valuation, stated = workbook.valuation, workbook.valuation.assumptions
    sheet.write_string(0, 0, f"{valuation.network_name}, {show_month(valuation.month)}", workbook.title)
    cost = float(valuation.cost_per_point.scaleb(-workbook.minor_digits))
    facts: list[tuple[str, str | float]] = [
        (f"Cost of a redeemed point, {valuation.currency}", cost),
        (f"Deferred for a point issued, {valuation.currency}", deferred_for_a_point(workbook)),
        ("Entitled to breakage", stated.breakage_to),
        ("Final rate of points without an end in sight", str(stated.final_rate or "not stated")),
        ("Newest months of issue that the development is of", str(stated.recent or "all")),
        ("Cape Cod for months of issue developed less than", YOUNG_BELOW),
        ("Cape Cod rate", valuation.projection.cape_cod_rate),
        ("Standard errors to each side in a range", RANGE_ERRORS),
    ]
    for row, (name, value) in enumerate(facts, start=1):
        sheet.write_string(row, 0, name)
        sheet.write_string(row, 1, value) if isinstance(value, str) else sheet.write_number(row, 1, value)
    write_liability(workbook, sheet, len(facts) + 2)
    sheet.freeze_panes(1, 0)


def deferred_for_a_point(workbook: ValuationWorkbook) -> str | float:
    price = workbook.valuation.assumptions.price_per_point
    return "the funding rate of its month" if price is None else float(price.scaleb(-workbook.minor_digits))


def write_liability(workbook: ValuationWorkbook, sheet: Any, row: int) -> None:
    """Rows of formulas, rounded as the published figures are but for ties, which a spreadsheet rounds up."""
    valuation, liability, revenue = workbook.valuation, workbook.valuation.liability, workbook.valuation.revenue
    digits, total_row = workbook.minor_digits, workbook.total_row
    expected, breakage, expired = (
        "'Months of issue'!" + xl_rowcol_to_cell(total_row, column) for column in (EXPECTED, BREAKAGE, EXPIRED)
    )
    share = "0" if valuation.is_breakage_kept else "1"
    parts = (
        ("Expected redemptions", f"=ROUND({expected}*B2,{digits})", liability.expected_amount.estimate),
        (
            "Breakage to come that is not head office's",
            f"=ROUND({breakage}*B2*{share},{digits})",
            liability.unredeemed_amount,
        ),
        (
            "Breakage so far that is not head office's",
            f"=ROUND({expired}*B2*{share},{digits})",
            liability.expired_amount,
        ),
    )
    sheet.write_string(row, 0, f"Liability, {valuation.currency}", workbook.head)
    sheet.write_blank(row, 1, None, workbook.head)
    for offset, (name, formula, minor) in enumerate(parts, start=1):
        sheet.write_string(row + offset, 0, name)
        sheet.write_formula(row + offset, 1, formula, workbook.money, workbook.major(minor))
    row += len(parts) + 1
    sheet.write_string(row, 0, "Liability", workbook.total_text)
    write_sum(
        sheet, row, 1, (row - len(parts), 1, row - 1, 1), workbook.major(liability.amount), workbook.total_money
    )
    if revenue is not None:
        amounts = (
            ("Revenue of the month", revenue.earned),
            ("of it because the estimate has changed", revenue.catch_up),
            ("Revenue deferred (contract liability)", revenue.deferred),
        )
        for offset, (name, minor) in enumerate(amounts, start=2):
            sheet.write_string(row + offset, 0, name)
            sheet.write_number(row + offset, 1, workbook.major(minor), workbook.money)


def add_triangle(workbook: ValuationWorkbook) -> None:
    """Points redeemed by the end of each age; below, the factor that leads from each age to the next."""
    triangle = workbook.valuation.triangle
    ages = max(map(len, triangle.redeemed))
    sheet = workbook.book.add_worksheet("Triangle")
    add_heads(workbook, sheet, ["Issued in \\ Age", *map(str, range(ages))], 1, 11)
    for row, (cohort, points) in enumerate(zip(triangle.cohorts, triangle.redeemed, strict=True), start=1):
        sheet.write_string(row, 0, show_month(cohort))
        for column, count in enumerate(points, start=1):
            sheet.write_number(row, column, count, workbook.points)
    row = workbook.total_row
    sheet.write_string(row, 0, "Factor", workbook.total_text)
    for age, factor in enumerate(workbook.valuation.projection.development.factors.tolist()):
        formula = factor_formula(workbook, age)
        if formula is None:
            sheet.write_number(row, age + 2, factor, workbook.factor)
        else:
            sheet.write_formula(row, age + 2, formula, workbook.factor, factor)
    sheet.freeze_panes(1, 1)


def factor_formula(workbook: ValuationWorkbook, age: int) -> str | None:
    """None for a stated factor, and where the months of issue that have shown it do not stand together."""
    valuation = workbook.valuation
    triangle, recent = valuation.triangle, valuation.assumptions.recent
    seen = [
        number for number, row in enumerate(triangle.redeemed) if len(row) > age + 1 and triangle.lives[number] > age
    ][-recent if recent else 0 :]
    if not seen or seen[-1] - seen[0] + 1 != len(seen) or valuation.projection.development.weights[age] <= 0:
        return None
    before, after = (xl_range(seen[0] + 1, column, seen[-1] + 1, column) for column in (age + 1, age + 2))
    return f"=SUM({after})/SUM({before})"


def add_development(workbook: ValuationWorkbook) -> None:
    """The triangle in percent of issued, and a line for each month of issue."""
    valuation = workbook.valuation
    ages = valuation.projection.development.steps + 1
    sheet = workbook.book.add_worksheet("Development")
    add_heads(workbook, sheet, ["Issued in \\ Age", *map(str, range(ages))], 1, 9)
    chart = workbook.book.add_chart({"type": "line"})
    rows = zip(valuation.triangle.cohorts, valuation.triangle.redeemed, valuation.triangle.issued, strict=True)
    for row, (cohort, points, issued) in enumerate(rows, start=1):
        sheet.write_string(row, 0, show_month(cohort))
        shown = points[:ages] if issued > 0 else ()
        for column, count in enumerate(shown, start=1):
            issued_cell = "'Months of issue'!" + xl_rowcol_to_cell(row, ISSUED)
            formula = f"=Triangle!{xl_rowcol_to_cell(row, column)}/{issued_cell}"
            sheet.write_formula(row, column, formula, workbook.percent, count / issued)
        if shown:
            chart.add_series(
                {
                    "name": ["Development", row, 0],
                    "categories": ["Development", 0, 1, 0, ages],
                    "values": ["Development", row, 1, row, len(shown)],
                }
            )
    chart.set_title({"name": "Redeemed by age, in percent of issued"})
    chart.set_x_axis({"name": "Age in months"})
    chart.set_size({"width": 900, "height": 420})
    if chart.series:
        sheet.insert_chart(len(valuation.cohorts) + 2, 0, chart)
    sheet.freeze_panes(1, 1)


def add_back_test(workbook: ValuationWorkbook, tests: Sequence[BackTest]) -> None:
    sheet = workbook.book.add_worksheet("Back-test")
    add_heads(workbook, sheet, BACK_TEST_COLUMNS, 1, 16)
    for row, test in enumerate(tests, start=1):
        sheet.write_string(row, 0, show_month(test.month))
        for column, expected, came in ((1, test.expected_next, test.came_next), (4, test.expected, test.came)):
            sheet.write_number(row, column, expected, workbook.points)
            sheet.write_number(row, column + 1, came, workbook.points)
            expected_cell, came_cell = xl_rowcol_to_cell(row, column), xl_rowcol_to_cell(row, column + 1)
            if came:
                formula = f"={expected_cell}/{came_cell}-1"
                sheet.write_formula(row, column + 2, formula, workbook.percent, expected / came - 1)
        sheet.write_number(row, 7, test.standard_error, workbook.points)
    sheet.freeze_panes(1, 1)
