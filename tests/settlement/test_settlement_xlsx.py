"""What a spreadsheet, or a reader that does not calculate, finds in the workbook of a month."""

from __future__ import annotations

import re
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook

from settlement.statements.documents import Flow, SettlementDocument
from settlement.statements.xlsx import write_settlement_xlsx
from tests.settlement.documents import settlement_of, small_settlement, zero_settlement


def test_positions_are_real_numbers_in_major_units(tmp_path: Path) -> None:
    sheet = values(tmp_path, small_settlement())["Positions"]

    assert [cell.value for cell in sheet[2]] == [
        *["S1", "Shop S1", "Northgate Foods Ltd"],
        *[123456, 77501, 2469, 0, 45955],
        *[1234.56, 697.51, 537.05],
        "remit",
    ]


def test_total_row_readds_the_positions(tmp_path: Path) -> None:
    document = small_settlement()
    formulas, computed = book(tmp_path, document)["Positions"], values(tmp_path, document)["Positions"]

    assert formulas["A5"].value == "Total"
    for column in "DEFGHIJK":
        assert formulas[f"{column}5"].value == f"=SUM({column}2:{column}4)"
        stores = [computed[f"{column}{row}"].value for row in (2, 3, 4)]
        assert computed[f"{column}5"].value == pytest.approx(sum(stores), abs=1e-9)


def test_head_office_line_closes_the_sum_to_zero(tmp_path: Path) -> None:
    document = small_settlement()
    formulas, computed = book(tmp_path, document)["Positions"], values(tmp_path, document)["Positions"]

    assert [computed[f"{column}6"].value for column in "AK"] == ["HQ", -computed["K5"].value]
    assert formulas["K7"].value == "=ROUND(K5+K6,2)"
    assert computed["K7"].value == 0


@pytest.mark.parametrize(
    ("currency", "pattern", "to_pay"),
    [("JPY", "#,##0;-#,##0;0", 123456), ("USD", "#,##0.00;-#,##0.00;0.00", 1234.56)],
    ids=["JPY", "USD"],
)
def test_yen_has_no_decimals(tmp_path: Path, currency: str, pattern: str, to_pay: float) -> None:
    cell = values(tmp_path, small_settlement(currency=currency))["Positions"]["I2"]

    assert (cell.number_format, cell.value) == (pattern, to_pay)


def test_billions_are_exact_to_the_cent(tmp_path: Path) -> None:
    sheet = values(tmp_path, settlement_of([], {"S1": 987_654_321_012_345}))["Positions"]

    assert repr(sheet["I2"].value) == "9876543210123.45"


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "{=1}", "http://a.example"])
def test_a_name_that_looks_like_a_formula_stays_text(tmp_path: Path, name: str) -> None:
    document = settlement_of(
        [Flow(name, name, 5)], {name: 10}, names={name: name}, participant_name=name, network_name=name
    )

    sheet = book(tmp_path, document)["Positions"]

    assert [(cell.value, cell.data_type) for cell in sheet[2][:3]] == [(name, "s")] * 3
    assert sheet["A2"].hyperlink is None


def test_matrix_holds_the_flows_and_nothing_else(tmp_path: Path) -> None:
    document = settlement_of(
        [Flow("A", "B", 5), Flow("HQ", "B", 7), Flow("B", "A", 0)], {"A": 10, "B": 20, "idle": 0}
    )

    rows = list(values(tmp_path, document)["Matrix"].values)

    assert rows == [
        ("Issued by \\ Recovered by", "Name", "Total", "B"),
        ("Total", None, 12, 12),
        ("A", "Shop A", 5, 5),
        ("HQ", "Head office", 7, 7),
    ]


def test_matrix_totals_readd_their_rows_and_columns(tmp_path: Path) -> None:
    document = small_settlement()
    formulas, computed = book(tmp_path, document)["Matrix"], values(tmp_path, document)["Matrix"]

    assert [cell.value for cell in formulas[2][2:]] == ["=SUM(C3:C6)", "=SUM(D3:D6)", "=SUM(E3:E6)"]
    assert [formulas[f"C{row}"].value for row in range(3, 7)] == [f"=SUM(D{row}:E{row})" for row in range(3, 7)]
    assert [cell.value for cell in computed[2][2:]] == [89_846, 77_501, 12_345]
    assert [computed[f"C{row}"].value for row in range(3, 7)] == [52_345, 30_001, 7_000, 500]


def test_month_without_flows_or_stores_is_still_a_workbook(tmp_path: Path) -> None:
    assert values(tmp_path, zero_settlement())["Matrix"]["C2"].value == 0
    assert values(tmp_path, settlement_of([], {}))["Positions"]["K4"].value == 0


def test_more_flows_than_a_sheet_can_show_are_said_and_not_cut_off(tmp_path: Path) -> None:
    codes = [f"C{number}" for number in range(16_001)]
    document = settlement_of([Flow("HQ", code, 1) for code in codes], {"S1": 1})

    sheet = values(tmp_path, document)["Matrix"]

    assert "see the flows CSV file" in sheet["A1"].value
    assert sheet.max_row == 1


def test_hundreds_of_stores_are_written_in_seconds(tmp_path: Path) -> None:
    codes = [f"S{number}" for number in range(300)]
    flows = [Flow(issuing, redeeming, 3) for issuing in codes for redeeming in codes]
    started_at = time.monotonic()

    write_settlement_xlsx(settlement_of(flows, dict.fromkeys(codes, 1000)), tmp_path / "month.xlsx")

    assert time.monotonic() - started_at < 15


def test_summary_states_rates_totals_and_identities(tmp_path: Path) -> None:
    sheet = values(tmp_path, small_settlement())["Summary"]
    facts = {row[0]: row[1:] for row in sheet.iter_rows(values_only=True) if row[0]}

    assert facts["Network"][0] == "Harbour Coffee (harbour)"
    assert facts["Month"][0] == "2026-11"
    assert facts["Closed at"][0] == "2026-12-02 09:05 America/New_York"
    assert facts["Redemption rate, USD per point"][0] == 0.009
    assert facts["Closing outstanding"][0] == 369_341
    assert facts["Ledger and lots agree on points outstanding"] == (250, 250, "holds")


def test_header_and_names_stay_in_sight_and_stores_can_be_filtered(tmp_path: Path) -> None:
    workbook = book(tmp_path, small_settlement())

    assert workbook["Positions"].freeze_panes == "C2"
    assert workbook["Positions"].auto_filter.ref == "A1:L4"
    assert workbook["Matrix"].freeze_panes == "D3"


def test_same_document_gives_same_bytes(tmp_path: Path) -> None:
    write_settlement_xlsx(small_settlement(), tmp_path / "first.xlsx")
    write_settlement_xlsx(small_settlement(), tmp_path / "second.xlsx")

    assert (tmp_path / "first.xlsx").read_bytes() == (tmp_path / "second.xlsx").read_bytes()
    assert load_workbook(tmp_path / "first.xlsx").properties.created == datetime(2026, 12, 2, 15, 30)


def test_every_formula_is_ours(tmp_path: Path) -> None:
    cells = [cell for sheet in book(tmp_path, small_settlement()) for row in sheet.iter_rows() for cell in row]
    formulas = [cell.value for cell in cells if cell.data_type == "f"]

    assert len(formulas) == 16
    assert all(re.fullmatch(r"=(SUM\([A-Z]+\d+:[A-Z]+\d+\)|ROUND\(K5\+K6,2\))", text) for text in formulas)


def book(folder: Path, document: SettlementDocument, **options: Any) -> Workbook:
    """The workbook with its formulas as text."""
    write_settlement_xlsx(document, folder / "month.xlsx")
    return load_workbook(folder / "month.xlsx", **options)


def values(folder: Path, document: SettlementDocument) -> Workbook:
    """The workbook as a reader sees it that does not calculate."""
    return book(folder, document, data_only=True)
