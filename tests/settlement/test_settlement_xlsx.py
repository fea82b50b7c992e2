"""What a spreadsheet, or a reader that does not calculate, finds in the workbook of a month."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook

from settlement.proposals.rules import KINDS
from settlement.reports.rules import BUCKETS
from settlement.reports.texts import TEXTS
from settlement.reports.xlsx import write_settlement_xlsx
from settlement.statements.documents import Flow, SettlementDocument
from settlement.terms.rules import ON_REDEMPTION
from tests.reports.examples import report_of
from tests.settlement.documents import busy_settlement, rates_of, settlement_of, small_settlement, zero_settlement
from tests.settlement.formulas import Calculator

SHEETS = ["Summary", "Positions", "Lines", "Matrix", "Largest flows", "Efficiency", "Ageing", "Months"]

MONTHS = {
    "busy": busy_settlement,
    "small": small_settlement,
    "nothing": zero_settlement,
    "no stores": lambda: settlement_of([], {}),
    "one store": lambda: settlement_of([Flow("S1", "S1", 7)], {"S1": 100}),
    "yen": lambda: busy_settlement(currency="JPY"),
    "dinars": lambda: busy_settlement(currency="KWD"),
    "on redemption": lambda: busy_settlement(model=ON_REDEMPTION, rates=rates_of("1", "0.9")),
    "01 and 1": lambda: settlement_of([Flow("01", "1", 5)], {"1": 30, "01": 50, "1.0": 70, "a": 9, "A": 11}),
}


@pytest.mark.parametrize("month", MONTHS)
def test_every_formula_makes_the_value_that_stands_beside_it(tmp_path: Path, month: str) -> None:
    document = MONTHS[month]()

    calculator = Calculator(book(tmp_path, document), values(tmp_path, document))

    assert calculator.differences() == []


@pytest.mark.parametrize("month", MONTHS)
def test_positions_are_those_of_the_lines(tmp_path: Path, month: str) -> None:
    document = MONTHS[month]()
    sheet = values(tmp_path, document)["Positions"]

    shown = {row[0].value: row for row in sheet.iter_rows(min_row=2) if row[0].value}
    for line in document.stores:
        row = shown[line.store_code]
        net = sum(each.owed_by(line.position.store_id) for each in document.lines)
        assert round(row[16].value * 10 ** digits(document)) == round(row[18].value * 10 ** digits(document)) == net
        assert row[19].value == 0
    assert shown["Total"][19].value == shown["HQ"][19].value == shown["Check"][16].value == 0


def digits(document: SettlementDocument) -> int:
    return {"JPY": 0, "KWD": 3}.get(document.currency, 2)


def test_a_position_states_every_part_of_its_net(tmp_path: Path) -> None:
    row = [cell.value for cell in values(tmp_path, busy_settlement())["Positions"][3]]

    assert row[:3] == ["S2", "Shop S2", "Northgate Foods Ltd"]
    assert row[3:8] == [80_000, 12_345, 1_600, 0, 67_655]
    # Opening, to pay, to receive, fees, tax, adjustments, disputed, carried forward: all in major units.
    assert row[8:16] == [-0.75, 604.0, 74.07, 35.0, 5.45, 49.99, 0, 0]
    assert row[16:18] == [pytest.approx(619.62), "remit"]


def test_too_little_to_pay_out_is_carried_forward(tmp_path: Path) -> None:
    row = [cell.value for cell in values(tmp_path, busy_settlement())["Positions"][5]]

    assert (row[0], row[15], row[16], row[17]) == ("S4", 540.26, 0, "none")


def test_total_row_readds_the_positions(tmp_path: Path) -> None:
    document = small_settlement()
    formulas = book(tmp_path, document)["Positions"]

    assert formulas["A5"].value == "Total"
    for column in "DEFGHIJKLMNOPQST":
        assert formulas[f"{column}5"].value == f"=SUM({column}2:{column}4)"


def test_net_readds_its_parts(tmp_path: Path) -> None:
    formulas = book(tmp_path, small_settlement())["Positions"]

    assert formulas["H2"].value == "=D2+G2-E2"
    assert formulas["Q2"].value == "=ROUND(I2+J2-K2+L2+M2+N2+O2+P2,2)"


def test_head_office_line_closes_the_sum_to_zero(tmp_path: Path) -> None:
    document = small_settlement()
    formulas, computed = book(tmp_path, document)["Positions"], values(tmp_path, document)["Positions"]

    assert [computed[f"{column}6"].value for column in "AQ"] == ["HQ", -computed["Q5"].value]
    assert formulas["Q7"].value == "=ROUND(Q5+Q6,2)"
    assert computed["Q7"].value == 0


@pytest.mark.parametrize(
    ("currency", "pattern", "to_pay"),
    [
        ("JPY", "#,##0;-#,##0;0", 123456),
        ("USD", "#,##0.00;-#,##0.00;0.00", 1234.56),
        ("KWD", "#,##0.000;-#,##0.000;0.000", 123.456),
    ],
    ids=["JPY", "USD", "KWD"],
)
def test_money_has_the_decimals_of_its_currency(tmp_path: Path, currency: str, pattern: str, to_pay: float) -> None:
    cell = values(tmp_path, small_settlement(currency=currency))["Positions"]["J2"]

    assert (cell.number_format, cell.value) == (pattern, to_pay)


def test_billions_are_exact_to_the_cent(tmp_path: Path) -> None:
    sheet = values(tmp_path, settlement_of([], {"S1": 987_654_321_012_345}))["Positions"]

    assert repr(sheet["J2"].value) == "9876543210123.45"


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "{=1}", "http://a.example", "a & 'b'"])
def test_a_name_that_looks_like_a_formula_stays_text(tmp_path: Path, name: str) -> None:
    document = settlement_of(
        [Flow(name, "S2", 5)], {name: 10, "S2": 0}, names={name: name}, participant_name=name, network_name=name
    )

    workbook = book(tmp_path, document)

    row = next(row for row in workbook["Positions"].iter_rows(min_row=2) if row[0].value == name)
    assert [(cell.value, cell.data_type) for cell in row[:3]] == [(name, "s")] * 3
    assert row[0].hyperlink is None
    for sheet in ("Lines", "Matrix", "Largest flows", "Ageing"):
        texts = [cell for row in workbook[sheet].iter_rows() for cell in row if cell.value == name]
        assert texts and {cell.data_type for cell in texts} == {"s"}


def test_lines_say_who_owes_whom_what_and_why(tmp_path: Path) -> None:
    document = busy_settlement()
    sheet = values(tmp_path, document)["Lines"]
    rows = [[cell.value for cell in row] for row in sheet.iter_rows(min_row=2)]

    assert len(rows) == len(document.lines)
    assert [rows[1][column] for column in (1, 2, 3, 4, 5, 6, 7, 9)] == [
        *("funding", "S1", "HQ", 123_456, 0.755, 93_209.28, 932.09, "2026-11")
    ]
    assert rows[1][8] == pytest.approx(-0.0028)
    adjustment = next(row for row in rows if row[10] == "a till that was not sent")
    assert adjustment[1:8] == ["adjustment", "S2", "HQ", None, None, 4_999, 49.99]
    assert adjustment[9] == "2026-09"
    assert {row[1] for row in rows} >= {"fee", "tax", "dispute accepted", "disputed", "carried forward"}


def test_a_note_that_looks_like_a_formula_stays_text(tmp_path: Path) -> None:
    cells = [row[10] for row in book(tmp_path, busy_settlement())["Lines"].iter_rows(min_row=2)]

    assert ("=cmd()", "s") in [(cell.value, cell.data_type) for cell in cells]


def test_more_lines_than_a_sheet_can_show_are_said_and_not_cut_off(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("settlement.reports.settlement_sheets.LINES_MAX", 3)
    workbook = values(tmp_path, busy_settlement())

    assert "see the lines CSV file" in workbook["Lines"]["A1"].value
    assert workbook["Lines"].max_row == 1
    assert workbook["Positions"]["T2"].value == 0


def test_a_large_month_is_not_calculated_for_minutes_when_it_is_opened(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("settlement.reports.settlement_sheets.CELLS_CALCULATED_MAX", 3)
    document = busy_settlement()

    cell = book(tmp_path, document)["Positions"]["S2"]

    assert cell.data_type == "n"
    assert Calculator(book(tmp_path, document), values(tmp_path, document)).differences() == []


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
    nothing = values(tmp_path, settlement_of([], {}))
    assert nothing["Positions"]["Q4"].value == 0
    assert nothing["Largest flows"]["A2"].value == "No store recovered points of another."
    assert nothing["Efficiency"]["D4"].value is None


def test_more_flows_than_a_sheet_can_show_are_said_and_not_cut_off(tmp_path: Path) -> None:
    codes = [f"C{number}" for number in range(16_001)]
    document = replace(small_settlement(), flows=tuple(Flow("HQ", code, 1) for code in codes))
    report = replace(report_of(small_settlement()), settlement=document)

    write_settlement_xlsx(report, tmp_path / "month.xlsx")

    sheet = load_workbook(tmp_path / "month.xlsx")["Matrix"]
    assert "see the flows CSV file" in sheet["A1"].value
    assert sheet.max_row == 1


def test_hundreds_of_stores_are_written_in_seconds(tmp_path: Path) -> None:
    codes = [f"S{number}" for number in range(300)]
    flows = [Flow(issuing, redeeming, 3) for issuing in codes for redeeming in codes]
    report = report_of(settlement_of(flows, dict.fromkeys(codes, 1000)))
    started_at = time.monotonic()

    write_settlement_xlsx(report, tmp_path / "month.xlsx")

    assert time.monotonic() - started_at < 15


def test_summary_states_who_did_it_totals_and_identities(tmp_path: Path) -> None:
    facts = summary(tmp_path, small_settlement())

    assert facts["Network"][0] == "Harbour Coffee (harbour)"
    assert (facts["Month"][0], facts["Version"][0], facts["State"][0]) == ("2026-11", "2", "approved")
    assert (facts["Proposed by"][0], facts["Approved by"][0]) == ("ana", "ben")
    assert facts["Closed at"][0] == "2026-12-02 09:05 America/New_York"
    assert facts["Root of the ledger's hashes"][0] == bytes(range(32)).hex()
    assert facts["Closing outstanding"][0] == 369_341
    assert facts["points outstanding by postings and by lots"] == (250, 250, "holds")


def test_summary_sums_collections_payouts_and_rounding_from_the_other_sheets(tmp_path: Path) -> None:
    document = busy_settlement(minimum_payout=0)
    facts = summary(tmp_path, document)
    nets = [line.position.net for line in document.stores]

    assert round(100 * facts["Stores remit (collections)"][0]) == sum(net for net in nets if net > 0)
    assert round(100 * facts["Stores receive (payouts)"][0]) == -sum(net for net in nets if net < 0) > 0
    assert round(100 * facts["Head office net (negative: keeps)"][0]) == document.hq_net
    assert facts["Rounding, to head office"][0] == pytest.approx(float(document.rounding) / 100, abs=1e-12)


def test_a_draft_says_so(tmp_path: Path) -> None:
    facts = summary(tmp_path, small_settlement(state="proposed"))

    assert (facts["State"][0], facts["Approved by"][0]) == ("proposed (draft)", "")


def test_points_of_head_office_are_told_apart(tmp_path: Path) -> None:
    document = small_settlement()
    points = replace(document.stores[0].position, issued=777)

    facts = summary(tmp_path, replace(document, hq_funded=points))

    assert facts["of it issued by head office"][0] == 777


def summary(folder: Path, document: SettlementDocument) -> dict[str, tuple[Any, ...]]:
    sheet = values(folder, document)["Summary"]
    return {row[0]: row[1:] for row in sheet.iter_rows(values_only=True) if row[0]}


def test_largest_flows_stand_first_without_those_of_a_store_with_itself(tmp_path: Path) -> None:
    rows = [row[:8] for row in values(tmp_path, small_settlement())["Largest flows"].iter_rows(2, values_only=True)]

    assert [(row[0], row[2], row[4], row[5], row[6]) for row in rows] == [
        ("S2 → S1", "Shop S2", "Shop S1", 30_001, 270.01),
        ("S1 → S2", "Shop S1", "Shop S2", 12_345, 111.1),
        ("S3 → S1", "Shop S3", "Shop S1", 7_000, 63),
        ("HQ → S1", "Head office", "Shop S1", 500, 4.5),
    ]
    assert rows[0][7] == pytest.approx(30_001 / 89_846)


def test_efficiency_is_stated_with_what_it_compares(tmp_path: Path) -> None:
    sheet = values(tmp_path, small_settlement())["Efficiency"]

    assert [cell.value for cell in sheet["B"][1:4]] == [448.61, 226.41, 226.41]
    assert [cell.value for cell in sheet["C"][1:4]] == [4, 3, 3]
    assert sheet["D3"].value == pytest.approx(1 - 226.41 / 448.61)
    assert "at the rate at which head office pays" in sheet["A6"].value


def test_ageing_sums_collections_and_payouts_apart(tmp_path: Path) -> None:
    document = small_settlement()
    sheet = values(tmp_path, document)["Ageing"]
    rows = [row for row in sheet.iter_rows(2, values_only=True) if row[0]]

    assert sheet["A1"].value == "As of January 20, 2027"
    assert rows[0] == (
        *("Direction", "Store", "Name", "Participant", "Not due", "1-30 days", "31-60 days", "61-90 days"),
        *("Over 90 days", "Total"),
    )
    s1, s2, _ = (line.position.net / 100 for line in document.stores)
    assert rows[1][:2] == ("collection", "S1")
    assert rows[1][4:] == (0, 0, s1, 0, 0, pytest.approx(s1))
    assert rows[2][4:] == (0, 0, s2, 0, s2, pytest.approx(2 * s2))
    totals = {row[0]: row[9] for row in rows}
    assert totals["Collections"] == pytest.approx(sum(row[9] for row in rows if row[0] == "collection"))
    assert totals["Payouts"] == 0


def test_nothing_unpaid_is_said(tmp_path: Path) -> None:
    write_settlement_xlsx(report_of(small_settlement(), legs=False), tmp_path / "month.xlsx")

    texts = [row[0] for row in load_workbook(tmp_path / "month.xlsx")["Ageing"].iter_rows(values_only=True)]

    assert "Nothing is unpaid." in texts


def test_months_are_compared_with_the_row_above(tmp_path: Path) -> None:
    formulas, computed = (reader(tmp_path, small_settlement())["Months"] for reader in (book, values))

    assert [cell.value for cell in computed["A"][1:13]] == [*(f"2025-{n}" for n in (12,)), *months_of_2026()]
    assert [computed.cell(1, column).value for column in (4, 13, 14)] == [
        *("Issued", "Issued, change", "Issued, change in %"),
    ]
    assert (computed["M2"].value, computed["N2"].value) == (1, 0.01)
    assert (formulas["M4"].value, formulas["N4"].value) == ("=ROUND(D4-D3,2)", "=M4/ABS(D3)")
    # Of a month that was not proposed there is no money, and no change of it in the one after.
    assert (computed["H2"].value, computed["U3"].value, computed["U4"].value) == (None, None, 123.45)


def months_of_2026() -> list[str]:
    return [f"2026-{number:02d}" for number in range(1, 12)]


def test_header_and_names_stay_in_sight_and_rows_can_be_filtered(tmp_path: Path) -> None:
    workbook = book(tmp_path, small_settlement())

    frozen = {sheet.title: sheet.freeze_panes for sheet in workbook}
    filters = {sheet.title: sheet.auto_filter.ref for sheet in workbook if sheet.auto_filter.ref}
    assert frozen == dict(zip(SHEETS, ["A2", "C2", "C2", "D3", "B2", "B2", "D3", "B2"], strict=True))
    assert filters == {
        "Positions": "A1:T4",
        "Lines": f"A1:K{1 + len(small_settlement().lines)}",
        "Largest flows": "A1:H5",
        "Months": "A1:AB13",
    }
    assert {sheet.page_setup.orientation for sheet in workbook} == {"landscape"}


def test_flows_and_months_have_charts(tmp_path: Path) -> None:
    workbook = book(tmp_path, small_settlement())

    assert {sheet.title: len(sheet._charts) for sheet in workbook if sheet._charts} == {
        "Largest flows": 1,
        "Months": 2,
    }


def test_same_report_gives_same_bytes(tmp_path: Path) -> None:
    for name in ("first", "second"):
        write_settlement_xlsx(report_of(busy_settlement()), tmp_path / f"{name}.xlsx")

    assert (tmp_path / "first.xlsx").read_bytes() == (tmp_path / "second.xlsx").read_bytes()
    assert load_workbook(tmp_path / "first.xlsx").properties.created == datetime(2026, 12, 12, 15, 30)


def test_every_formula_is_ours(tmp_path: Path) -> None:
    cells = [cell for sheet in book(tmp_path, busy_settlement()) for row in sheet.iter_rows() for cell in row]
    formulas = [cell.value for cell in cells if cell.data_type == "f"]

    assert len(formulas) > 100
    for text in formulas:
        assert re.fullmatch(r"=[-+*/(),$:'!A-Z0-9a-z <>\"]+", text), text
        assert set(re.findall(r"([A-Z]+)\(", text)) <= {"SUM", "ROUND", "ABS", "SUMIF", "SUMPRODUCT", "EXACT"}


def test_in_chinese_the_words_are_chinese_and_the_numbers_the_same(tmp_path: Path) -> None:
    report = report_of(busy_settlement())
    write_settlement_xlsx(report, tmp_path / "zh.xlsx", "zh-Hans")
    write_settlement_xlsx(report, tmp_path / "en.xlsx", "en")

    chinese, english = (load_workbook(tmp_path / f"{name}.xlsx", data_only=True) for name in ("zh", "en"))

    assert chinese.sheetnames == ["摘要", "头寸", "明细", "矩阵", "最大流量", "轧差效率", "账龄", "月度比较"]
    assert [cell.value for cell in chinese["头寸"][1]][:5] == ["门店", "名称", "结算主体", "发行", "回收"]
    assert chinese["账龄"]["A1"].value == "截至2027年1月20日"
    for one, other in zip(chinese, english, strict=True):
        assert numbers_of(one) == numbers_of(other)
    formulas = load_workbook(tmp_path / "zh.xlsx")
    assert Calculator(formulas, chinese).differences() == []


def numbers_of(sheet: Any) -> dict[str, tuple[float, str]]:
    return {
        cell.coordinate: (cell.value, cell.number_format)
        for row in sheet.iter_rows()
        for cell in row
        if isinstance(cell.value, int | float)
    }


def test_every_kind_and_bucket_has_its_words() -> None:
    assert {f"kind_{kind}" for kind in KINDS} <= TEXTS.keys()
    assert set(BUCKETS) <= TEXTS.keys()


def book(folder: Path, document: SettlementDocument, **options: Any) -> Workbook:
    """The workbook with its formulas as text."""
    write_settlement_xlsx(report_of(document), folder / "month.xlsx")
    return load_workbook(folder / "month.xlsx", **options)


def values(folder: Path, document: SettlementDocument) -> Workbook:
    """The workbook as a reader sees it that does not calculate."""
    return book(folder, document, data_only=True)
