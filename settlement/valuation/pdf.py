"""A valuation on A4: the result, what it assumes, the triangle, how redemptions develop, and the back-test."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from math import ceil
from pathlib import Path

from reportlab.lib.colors import Color, linearlyInterpolatedColor
from reportlab.platypus import CondPageBreak, Flowable, KeepTogether, PageBreak, Spacer

from settlement.statements.paper import ACCENT, GREY, PALE, ROW_HEIGHT, RULE, SMALL_SIZE, WIDTH
from settlement.statements.story import (
    NOTE,
    SECTION,
    STORE,
    TEXT,
    headline_band,
    major_rate,
    number_table,
    paragraph,
    title_line,
    write_pdf,
)
from settlement.valuation.documents import Valuation
from settlement.valuation.rules import RANGE_ERRORS, STATED_MONTHS_MAX, YOUNG_BELOW, BackTest, CohortValue
from settlement.valuation.show import rates_of, show_difference, show_money_range, show_percent, show_range
from tenants.foundation.money import show_money
from tenants.foundation.months import show_month
from tenants.foundation.pdf_text import REGULAR

# All lengths are in points, 1/72 inch.
MONTH_WIDTH, AGE_WIDTH = 46.0, 25.0
AGES_ABREAST = int((WIDTH - MONTH_WIDTH) / AGE_WIDTH)
FACT_WIDTH = WIDTH * 0.5
CHART_HEIGHT, CHART_LEFT, CHART_BOTTOM = 230.0, 30.0, 26.0
GRID_STEPS, GRID_LINES_MAX = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2), 6

COHORT_HEAD = [
    *("Issued in", "Method", "Issued", "Redeemed", "Expired", "Outstanding"),
    *("Ultimate\nrate", "Range", "Expected\nredemptions"),
]
COHORT_WIDTHS = [MONTH_WIDTH, 60, 60, 60, 56, 62, 40, 60, WIDTH - MONTH_WIDTH - 398]
BACK_TEST_HEAD = [
    *("Valued at the\nend of", "Expected in\nthe next month", "Came", "Difference"),
    *("Expected\nsince", "Came since", "Difference", "Standard\nerror"),
]

RESULT_NOTE = (
    "Expected redemptions = ultimate rate x issued - redeemed. In nine cases of ten the ultimate rate lies in its "
    "range, if the error is normal. Outstanding points that are not expected to be redeemed are breakage."
)
TRIANGLE_NOTE = (
    "Points redeemed by the end of each age, in percent of those issued. The age is in months after the month of "
    "issue; the workbook has the same in points."
)
CHART_NOTE = (
    "Lines end at today's age and go on, dashed, as expected. The darker, the more recent the month of issue."
)
BACK_TEST_NOTE = (
    "Each month valued again with only what was known at its end. Differences are expected less came, in percent of "
    "what came. The standard error is that of all redemptions then still to come, in points."
)


def write_valuation_pdf(valuation: Valuation, tests: Sequence[BackTest], path: Path) -> None:
    """The same valuation gives the same bytes. Raises `Unavailable` when the file system refuses."""
    month = f"{valuation.month:%B %Y}"
    write_pdf(
        [
            *result_page(valuation),
            PageBreak(),
            *assumptions_page(valuation),
            PageBreak(),
            *triangle_blocks(valuation),
            CondPageBreak(CHART_HEIGHT + 60),
            *chart_block(valuation),
            Spacer(0, 12),
            *back_test_block(tests),
        ],
        path,
        footer=f"{month} · Valuation of points · {valuation.network_name}",
        title=f"Valuation of points {month}",
        author=valuation.network_name,
        subject=f"Points outstanding at the end of {month}",
    )


def result_page(valuation: Valuation) -> list[Flowable]:
    currency, liability = valuation.currency, valuation.liability
    rows = [[*cohort_row(cohort)] for cohort in valuation.cohorts]
    totals = [valuation.total(name) for name in ("issued", "redeemed", "expired", "outstanding")]
    issued, redeemed = totals[:2]
    rate = Decimal(redeemed + liability.expected.estimate) / issued if issued > 0 else None
    total = [
        "All",
        "",
        *(f"{points:,}" for points in totals),
        show_percent(rate),
        "",
        f"{liability.expected.estimate:,}",
    ]
    cells = [COHORT_HEAD, *rows, total]
    heights = [2 * ROW_HEIGHT, *[ROW_HEIGHT] * (len(rows) + 1)]
    return [
        title_line(valuation.network_name, "Actuarial valuation of points"),
        Spacer(0, 10),
        paragraph(f"Points outstanding at the end of {valuation.month:%B %Y}", STORE),
        Spacer(0, 8),
        headline_band("Liability", f"{currency} {show_money(liability.amount, currency)}"),
        Spacer(0, 12),
        paragraph("By month of issue, in points", SECTION),
        number_table(cells, COHORT_WIDTHS, heights, head_rows=1, total_rows=1, text_columns=2),
        Spacer(0, 3),
        paragraph(RESULT_NOTE, NOTE),
        Spacer(0, 12),
        KeepTogether(fact_block("The liability and the month's revenue", money_facts(valuation), 1)),
    ]


def cohort_row(cohort: CohortValue) -> list[str]:
    rate, low, high = rates_of(cohort).values()
    points = (cohort.issued, cohort.redeemed, cohort.expired, cohort.outstanding)
    bounds = "" if low == high or low is None or high is None else f"{100 * low:.1f} to {100 * high:.1f}%"
    return [
        show_month(cohort.cohort),
        cohort.method,
        *(f"{count:,}" for count in points),
        show_percent(rate),
        bounds,
        f"{cohort.expected:,}",
    ]


def fact_block(title: str, facts: dict[str, str], total_rows: int = 0) -> list[Flowable]:
    rows = [[name, value] for name, value in facts.items()]
    widths, heights = [FACT_WIDTH, WIDTH - FACT_WIDTH], [ROW_HEIGHT] * len(rows)
    return [paragraph(title, SECTION), number_table(rows, widths, heights, total_rows=total_rows)]


def money_facts(valuation: Valuation) -> dict[str, str]:
    currency, liability, revenue = valuation.currency, valuation.liability, valuation.revenue

    def money(minor: int) -> str:
        return f"{currency} {show_money(minor, currency)}"

    facts = {
        "Expected redemptions, in points": show_range(liability.expected),
        "Breakage of the points outstanding": show_range(liability.breakage),
        "Breakage, at the cost of a point": show_money_range(liability.breakage_amount, currency),
    }
    if revenue is not None:
        facts |= {
            "Revenue of the month": money(revenue.earned),
            "of it because the estimate has changed": money(revenue.catch_up),
            "Revenue deferred (contract liability)": money(revenue.deferred),
        }
    facts["Expected redemptions, at the cost of a point"] = show_money_range(liability.expected_amount, currency)
    if not valuation.is_breakage_kept:
        facts |= {
            "Breakage to come, not head office's": money(liability.unredeemed_amount),
            "Breakage so far, not head office's": money(liability.expired_amount),
        }
    return {**facts, "Liability": money(liability.amount)}


def assumptions_page(valuation: Valuation) -> list[Flowable]:
    stated, development = valuation.assumptions, valuation.projection.development
    facts = {
        f"Cost of a redeemed point, {valuation.currency}": major_rate(valuation.cost_per_point, valuation.currency),
        f"Deferred for a point issued, {valuation.currency}": deferred_for_a_point(valuation),
        "Entitled to breakage": "head office" if valuation.is_breakage_kept else "the members: it stays a liability",
        "Development": "of all months of issue" if stated.recent is None else f"of the newest {stated.recent} months",
        "Final rate of points without an end in sight": "not needed"
        if not development.stated_steps
        else f"{show_percent(stated.final_rate)}, stated",
        "Cape Cod, for months of issue developed less than": f"{YOUNG_BELOW:.0%}",
        "Cape Cod rate, of all months of issue": f"{valuation.projection.cape_cod_rate:.1%}",
        "Ranges": f"{RANGE_ERRORS} standard errors to each side",
    }
    return [
        *fact_block("Assumptions", facts),
        Spacer(0, 12),
        *[part for sentences in METHOD for part in (paragraph(sentences, TEXT), Spacer(0, 4))],
        Spacer(0, 8),
        *factor_block(valuation),
        Spacer(0, 12),
        KeepTogether(fact_block("Against the published months, in points", reconciliation_facts(valuation), 1)),
    ]


METHOD = (
    "Each month of issue is followed by age. What is redeemed by one age over what was redeemed by the age before, "
    "in all months that have come so far, is the factor between the two (chain ladder). Standard errors are those "
    "of Mack (1993).",
    "A month of issue that is not half developed says little about itself: it is expected to redeem, from its age "
    "on, as large a part of its issued points as all months together (Cape Cod).",
    "Points can be redeemed until they expire. Nothing develops after the last day of a month's points, and no more "
    "can be redeemed than is outstanding.",
    "A stated final rate brings the oldest points in equal steps to their end, or within "
    f"{STATED_MONTHS_MAX} months if they never expire. It has no error of its own: the ranges do not cover it.",
)


def deferred_for_a_point(valuation: Valuation) -> str:
    if valuation.assumptions.price_per_point is None:
        return "the funding rate of the month of issue"
    return major_rate(valuation.assumptions.price_per_point, valuation.currency)


def factor_block(valuation: Valuation) -> list[Flowable]:
    development = valuation.projection.development
    if not development.steps:
        return []
    first_stated = development.steps - development.stated_steps
    rows = [
        [
            f"{age} to {age + 1}",
            f"{development.factors[age]:.4f}",
            f"{development.weights[age]:,.0f}" if age < first_stated else "stated",
            f"{(development.variances[age] / development.weights[age]) ** 0.5:.4f}"
            if age < first_stated and development.weights[age] > 0
            else "",
        ]
        for age in range(development.steps)
    ]
    head = ["Age", "Factor", "Seen in points", "Standard error"]
    widths = [WIDTH - 3 * 110, 110, 110, 110]
    heights = [ROW_HEIGHT] * (len(rows) + 1)
    return [
        paragraph("Development factors", SECTION),
        number_table([head, *rows], widths, heights, head_rows=1),
    ]


def reconciliation_facts(valuation: Valuation) -> dict[str, str]:
    found = valuation.reconciliation
    facts = {
        "Recovered by stores, as published": f"{found.recovered:,}",
        "of it from no lot: redeemed on credit or borne by a store": f"{found.beyond_lots:,}",
        "Outstanding of the months of issue": f"{found.outstanding:,}",
        "Owed by members": f"{-found.owed:,}",
    }
    if found.issued_later:
        facts["Of lots issued after the month, but used in it"] = f"{found.issued_later:,}"
    return {**facts, "Outstanding, as published": f"{found.closing_outstanding:,}"}


def triangle_blocks(valuation: Valuation) -> list[Flowable]:
    """The ages side by side as far as the page is wide, then the next ones below."""
    ages = min(valuation.projection.development.steps + 1, max(map(len, valuation.triangle.redeemed)))
    story: list[Flowable] = [
        paragraph("Triangle of redemptions", SECTION),
        paragraph(TRIANGLE_NOTE, NOTE),
        Spacer(0, 4),
    ]
    for first in range(0, ages, AGES_ABREAST):
        story += [triangle_table(valuation, range(first, min(first + AGES_ABREAST, ages))), Spacer(0, 10)]
    return story


def triangle_table(valuation: Valuation, ages: range) -> Flowable:
    triangle = valuation.triangle
    rows = [
        [show_month(cohort), *(percent_redeemed(row, issued, age) for age in ages)]
        for cohort, row, issued in zip(triangle.cohorts, triangle.redeemed, triangle.issued, strict=True)
        if len(row) > ages.start
    ]
    cells = [["Age", *map(str, ages)], *rows]
    widths = [MONTH_WIDTH, *[AGE_WIDTH] * len(ages)]
    return number_table(cells, widths, [ROW_HEIGHT] * len(cells), head_rows=1)


def percent_redeemed(row: Sequence[int], issued: int, age: int) -> str:
    return f"{100 * row[age] / issued:.1f}" if age < len(row) and issued > 0 else ""


def chart_block(valuation: Valuation) -> list[Flowable]:
    chart = DevelopmentChart(valuation)
    return [
        KeepTogether(
            [paragraph("Development by age, in percent of issued", SECTION), chart, paragraph(CHART_NOTE, NOTE)]
        )
    ]


class DevelopmentChart(Flowable):
    """A line for each month of issue: as it was until now, and dashed as it is expected to go on."""

    def __init__(self, valuation: Valuation) -> None:
        super().__init__()
        self.width, self.height = WIDTH, CHART_HEIGHT
        self.steps = max(valuation.projection.development.steps, 1)
        self.lines = [
            ([points / issued for points in row[: self.steps + 1]], [float(p) / issued for p in path])
            for row, issued, path in zip(
                valuation.triangle.redeemed, valuation.triangle.issued, valuation.projection.paths, strict=True
            )
            if issued > 0
        ]
        highest = max([GRID_STEPS[0], *(share for seen, path in self.lines for share in (*seen, path[-1]))])
        self.grid_step = next((step for step in GRID_STEPS if highest <= GRID_LINES_MAX * step), highest)
        self.grid_lines = ceil(highest / self.grid_step)
        self.top = self.grid_lines * self.grid_step

    def wrap(self, *available: float) -> tuple[float, float]:
        return self.width, self.height

    def place(self, age: int, share: float) -> tuple[float, float]:
        across, up = self.width - CHART_LEFT - 8, self.height - CHART_BOTTOM - 8
        return CHART_LEFT + across * age / self.steps, CHART_BOTTOM + up * share / self.top

    def draw(self) -> None:
        self.draw_grid()
        for number, (seen, path) in enumerate(self.lines):
            self.canv.setStrokeColor(self.color_of(number))
            self.canv.setLineWidth(1.1)
            self.draw_line(0, seen)
            self.canv.setDash(2, 2)
            self.draw_line(len(seen) - 1, path[len(seen) - 1 :])
            self.canv.setDash()

    def color_of(self, number: int) -> Color:
        return linearlyInterpolatedColor(PALE, ACCENT, 0, max(len(self.lines) - 1, 1), number)

    def draw_line(self, age: int, shares: Sequence[float]) -> None:
        places = [self.place(age + number, share) for number, share in enumerate(shares)]
        for (left, low), (right, high) in pairwise(places):
            self.canv.line(left, low, right, high)

    def draw_grid(self) -> None:
        self.canv.setStrokeColor(RULE)
        self.canv.setLineWidth(0.4)
        self.canv.setFillColor(GREY)
        self.canv.setFont(REGULAR, SMALL_SIZE)
        for number in range(self.grid_lines + 1):
            share = number * self.grid_step
            left, height = self.place(0, share)
            self.canv.line(left, height, self.width - 8, height)
            self.canv.drawRightString(left - 4, height - 2.5, f"{100 * share:g}%")
        for age in range(0, self.steps + 1, max(self.steps // 12, 1)):
            self.canv.drawCentredString(self.place(age, 0)[0], CHART_BOTTOM - 11, str(age))
        self.canv.drawRightString(self.width - 8, CHART_BOTTOM - 22, "Age in months")


def back_test_block(tests: Sequence[BackTest]) -> list[Flowable]:
    title = paragraph("Back-test, in points", SECTION)
    if not tests:
        return [title, paragraph("No earlier month could be valued with what was known then.", TEXT)]
    rows = [
        [
            show_month(test.month),
            f"{test.expected_next:,}",
            f"{test.came_next:,}",
            show_difference(test.expected_next, test.came_next),
            f"{test.expected:,}",
            f"{test.came:,}",
            show_difference(test.expected, test.came),
            f"{test.standard_error:,}",
        ]
        for test in tests
    ]
    cells = [BACK_TEST_HEAD, *rows]
    widths = [WIDTH - 7 * 62, *[62.0] * 7]
    heights = [2 * ROW_HEIGHT, *[ROW_HEIGHT] * len(rows)]
    return [title, number_table(cells, widths, heights, head_rows=1), Spacer(0, 3), paragraph(BACK_TEST_NOTE, NOTE)]
