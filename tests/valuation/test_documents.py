"""What finance and auditors find in the PDF and the workbook of a valuation."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from openpyxl import load_workbook
from openpyxl.worksheet.worksheet import Worksheet
from pypdf import PdfReader

from settlement.valuation.assumptions import Assumptions
from settlement.valuation.documents import Reconciliation, Valuation
from settlement.valuation.pdf import write_valuation_pdf
from settlement.valuation.rules import (
    BackTest,
    Triangle,
    liability_of,
    project,
    revenue_of,
    value_cohorts,
)
from settlement.valuation.xlsx import write_valuation_xlsx
from tenants.foundation.months import add_months

JANUARY = date(2026, 1, 1)
STANDARD = Assumptions()
TESTS = [BackTest(add_months(JANUARY, 2), 410, 400, 800, 0, 55)]


def valuation_of(months: int, life: int, assumptions: Assumptions = STANDARD, currency: str = "USD") -> Valuation:
    """The first month of issue redeems 4,000 of 10,000 points in its life, later ones a little more."""
    step = 4000 // (life + 1)
    rows = [[step * (min(age, life) + 1) + 37 * number for age in range(months - number)] for number in range(months)]
    cohorts = tuple(add_months(JANUARY, number) for number in range(months))
    expired = tuple(10_000 - row[-1] if len(row) > life else 0 for row in rows)
    triangle = Triangle(cohorts, (10_000,) * months, expired, tuple(map(tuple, rows)), (life,) * months)
    projection = project(triangle, assumptions.final_rate, assumptions.recent)
    values = value_cohorts(triangle, projection)
    is_kept = assumptions.breakage_to == "hq"
    outstanding = sum(value.outstanding for value in values)
    redeemed = sum(value.redeemed for value in values)
    return Valuation(
        "harbour",
        "Harbour Coffee =1+1",
        currency,
        cohorts[-1],
        datetime(2026, 12, 2, 15, 30, tzinfo=UTC),
        assumptions,
        Decimal("0.8"),
        (Decimal(1),) * months,
        triangle,
        projection,
        tuple(values),
        liability_of(values, projection.total_error, Decimal("0.8"), is_kept),
        revenue_of(values, [], (Decimal(1),) * months, is_kept),
        Reconciliation(outstanding, 0, 5, outstanding - 5, redeemed + 7, redeemed),
    )


def pdf_text(tmp_path: Path, valuation: Valuation, tests: list[BackTest] = TESTS) -> list[str]:
    write_valuation_pdf(valuation, tests, tmp_path / "valuation.pdf")
    return [page.extract_text() for page in PdfReader(tmp_path / "valuation.pdf").pages]


def test_the_pdf_has_result_assumptions_triangle_and_back_test(tmp_path: Path) -> None:
    valuation = valuation_of(6, 3)

    result, assumptions, triangle = pdf_text(tmp_path, valuation)

    assert f"USD {valuation.liability.amount / 100:.2f}" in result
    assert f"{valuation.liability.expected.estimate:,}" in result
    assert "0.008" in assumptions and "not needed" in assumptions and "1.645" in assumptions
    assert f"{valuation.reconciliation.closing_outstanding:,}" in assumptions
    assert "40.0" in triangle and "Back-test" in triangle and "+2.5%" in triangle


def test_a_triangle_of_many_months_goes_on_below(tmp_path: Path) -> None:
    text = "".join(pdf_text(tmp_path, valuation_of(48, 36, Assumptions(breakage_to="members"))))

    assert "2029-12" in text
    assert "the members: it stays a liability" in text


@pytest.mark.parametrize("months", [1, 2])
def test_a_young_programme_has_a_valuation_too(tmp_path: Path, months: int) -> None:
    stated = valuation_of(months, 12, Assumptions(final_rate=Decimal("0.7"), recent=3), "JPY")

    assert "70.0%, stated" in pdf_text(tmp_path, stated, [])[1]
    assert "No earlier month could be valued" in "".join(pdf_text(tmp_path, stated, []))
    write_valuation_xlsx(stated, [], tmp_path / "valuation.xlsx")


def test_a_month_without_points_leaves_a_gap_only(tmp_path: Path) -> None:
    nothing = Triangle((JANUARY,), (0,), (0,), ((0,),), (0,))
    projection = project(nothing)
    values = tuple(value_cohorts(nothing, projection))
    liability = liability_of(values, 0, Decimal(1), is_breakage_kept=True)
    valuation = replace(
        valuation_of(1, 0), triangle=nothing, projection=projection, cohorts=values, liability=liability, revenue=None
    )

    assert "USD 0.00" in pdf_text(tmp_path, valuation, [])[0]
    write_valuation_xlsx(valuation, [], tmp_path / "valuation.xlsx")


@pytest.mark.parametrize("write", [write_valuation_pdf, write_valuation_xlsx])
def test_the_same_valuation_gives_the_same_bytes(tmp_path: Path, write: object) -> None:
    for name in ("one", "two"):
        write(valuation_of(6, 3), TESTS, tmp_path / name)

    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize(
    "assumptions",
    [Assumptions(), Assumptions(breakage_to="members", recent=2)],
    ids=["breakage earned", "breakage owed, recent"],
)
def test_every_formula_of_the_workbook_comes_to_the_value_it_carries(
    tmp_path: Path, assumptions: Assumptions
) -> None:
    path = tmp_path / "valuation.xlsx"
    write_valuation_xlsx(valuation_of(8, 3, assumptions), TESTS, path)
    formulas, values = load_workbook(path), load_workbook(path, data_only=True)

    checked = 0
    for sheet in formulas:
        for row in sheet.iter_rows():
            for cell in row:
                if cell.data_type == "f":
                    carried = values[sheet.title][cell.coordinate].value
                    assert computed(cell.value, values, sheet.title) == pytest.approx(carried, abs=1e-9), cell
                    checked += 1
    assert checked > 60
    assert formulas["Assumptions"]["A1"].value == "Harbour Coffee =1+1, 2026-08"


def computed(formula: str, values: dict[str, Worksheet], own_sheet: str) -> float:
    """Of cells, their sums, the four operations and ROUND."""

    def number(match: re.Match[str]) -> str:
        sheet = values[(match["quoted"] or match["plain"] or own_sheet)]
        if match["to"]:
            cells = sheet[f"{match['cell']}:{match['to']}"]
            return str(sum(cell.value or 0 for row in cells for cell in row))
        return str(sheet[match["cell"]].value)

    pattern = (
        r"(?:(?:'(?P<quoted>[^']+)'|(?P<plain>[A-Z][a-z]+))!)?\b(?P<cell>[A-Z]{1,2}\d+)(?::(?P<to>[A-Z]{1,2}\d+))?"
    )
    text = re.sub(pattern, number, formula.removeprefix("="))
    return float(eval(text, {"SUM": float, "ROUND": round}))


def test_the_heads_stay_in_sight(tmp_path: Path) -> None:
    write_valuation_xlsx(valuation_of(6, 3), TESTS, tmp_path / "valuation.xlsx")

    sheets = load_workbook(tmp_path / "valuation.xlsx")

    assert sheets.sheetnames == ["Months of issue", "Assumptions", "Triangle", "Development", "Back-test"]
    assert {sheet.freeze_panes for sheet in sheets} == {"B2", "A2"}
    assert len(sheets["Development"]._charts) == 1
