"""A published month as a workbook: every position, the issuing x redeeming matrix and the month's proofs.

Money cells are numbers in major units. Every formula carries its computed value, for readers that do not
calculate. All text goes through `write_string`, so that a name that starts with `=` stays a name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from xlsxwriter import Workbook
from xlsxwriter.utility import xl_col_to_name, xl_range

from settlement.proposals.rules import Position
from settlement.statements.documents import Flow, SettlementDocument, StoreLine
from tenants.foundation.files import put_in_place
from tenants.foundation.money import minor_digits
from tenants.foundation.months import show_month
from tenants.stores.service import HEAD_OFFICE

POINTS = "#,##0;-#,##0;0"
POSITION_COLUMNS = (
    ("Store", 12),
    ("Name", 34),
    ("Participant", 30),
    ("Issued", 14),
    ("Recovered", 14),
    ("Expired", 14),
    ("Borne", 14),
    ("Net points", 14),
    ("Opening", 14),
    ("To pay", 18),
    ("To receive", 18),
    ("Fees", 14),
    ("Tax", 14),
    ("Adjustments", 14),
    ("Disputed", 14),
    ("Carried forward", 14),
    ("Net amount", 18),
    ("Direction", 12),
)
FIRST_NUMBER, FIRST_MONEY, NET, DIRECTION = 3, 8, 16, 17

# Beyond this the matrix would not open in a spreadsheet (16,384 columns) or take minutes to write.
MATRIX_STORES_MAX = 16_000
MATRIX_FLOWS_MAX = 1_000_000


class FormattedWorkbook:
    """A workbook under construction, with the formats that its sheets share."""

    def __init__(self, currency: str, content: BytesIO) -> None:
        self.minor_digits = minor_digits(currency)
        self.book = Workbook(content, {"in_memory": True})
        decimals = "." + "0" * self.minor_digits if self.minor_digits else ""
        self.money_pattern = f"#,##0{decimals};-#,##0{decimals};0{decimals}"
        self.title = self.book.add_format({"bold": True, "font_size": 14})
        self.head = self.book.add_format(HEAD)
        self.head_right = self.book.add_format({**HEAD, "align": "right"})
        self.points = self.book.add_format({"num_format": POINTS})
        self.money = self.book.add_format({"num_format": self.money_pattern})
        self.total_text = self.book.add_format(TOTAL)
        self.total_points = self.book.add_format({**TOTAL, "num_format": POINTS})
        self.total_money = self.book.add_format({**TOTAL, "num_format": self.money_pattern})

    def set_properties(self, title: str, author: str, published_at: datetime) -> None:
        """Created on the day of publication and not of writing: the same document gives the same bytes."""
        created = published_at.astimezone(UTC).replace(tzinfo=None)
        self.book.set_properties({"title": title, "author": author, "created": created})

    def major(self, minor: int) -> float:
        """The nearest double: exact to the minor unit up to the 15 digits that a spreadsheet holds."""
        return minor / 10**self.minor_digits


class SettlementWorkbook(FormattedWorkbook):
    def __init__(self, document: SettlementDocument, content: BytesIO) -> None:
        super().__init__(document.currency, content)
        self.document = document


HEAD = {"bold": True, "bg_color": "#E8EDF2", "bottom": 1, "text_wrap": True, "valign": "top"}
TOTAL = {"bold": True, "top": 1}


def write_settlement_xlsx(document: SettlementDocument, path: Path) -> None:
    content = BytesIO()
    workbook = SettlementWorkbook(document, content)
    title = f"Settlement {show_month(document.month)}"
    workbook.set_properties(title, document.network_name, document.as_of)
    add_positions(workbook)
    add_matrix(workbook)
    add_summary(workbook)
    workbook.book.close()
    put_in_place(path, content.getvalue())


def add_positions(workbook: SettlementWorkbook) -> None:
    """Header, one row a store, then total, head office and the check that both sum to zero."""
    document = workbook.document
    sheet = workbook.book.add_worksheet("Positions")
    for column, (name, width) in enumerate(POSITION_COLUMNS):
        is_number = FIRST_NUMBER <= column < DIRECTION
        sheet.set_column(column, column, width)
        sheet.write_string(0, column, name, workbook.head_right if is_number else workbook.head)
    for row, line in enumerate(document.stores, start=1):
        write_position(workbook, sheet, row, line)
    stores_count = len(document.stores)
    write_position_totals(workbook, sheet, stores_count + 1)
    write_head_office(workbook, sheet, stores_count + 2)
    sheet.freeze_panes(1, 2)
    sheet.autofilter(0, 0, stores_count, DIRECTION)
    print_on_wide_paper(sheet)


def write_position(workbook: SettlementWorkbook, sheet: Any, row: int, line: StoreLine) -> None:
    for column, text in enumerate((line.store_code, line.store_name, line.participant_name)):
        sheet.write_string(row, column, text)
    for column, points in enumerate(points_of(line.position), start=FIRST_NUMBER):
        sheet.write_number(row, column, points, workbook.points)
    for column, minor in enumerate(money_of(line.position), start=FIRST_MONEY):
        sheet.write_number(row, column, workbook.major(minor), workbook.money)
    sheet.write_string(row, DIRECTION, line.position.direction)


def write_position_totals(workbook: SettlementWorkbook, sheet: Any, row: int) -> None:
    positions = [line.position for line in workbook.document.stores]
    points = column_sums([points_of(position) for position in positions])
    money = column_sums([money_of(position) for position in positions])
    for column in range(len(POSITION_COLUMNS)):
        sheet.write_blank(row, column, None, workbook.total_text)
    sheet.write_string(row, 0, "Total", workbook.total_text)
    for column, total in enumerate(points, start=FIRST_NUMBER):
        write_sum(sheet, row, column, (1, column, row - 1, column), total, workbook.total_points)
    for column, minor in enumerate(money, start=FIRST_MONEY):
        write_sum(sheet, row, column, (1, column, row - 1, column), workbook.major(minor), workbook.total_money)


def write_head_office(workbook: SettlementWorkbook, sheet: Any, row: int) -> None:
    """Head office's net and, below, the sum of all nets with it, which is zero."""
    document = workbook.document
    total_cell, head_office_cell = (f"{xl_col_to_name(NET)}{number}" for number in (row, row + 1))
    sheet.write_string(row, 0, HEAD_OFFICE)
    sheet.write_string(row, 1, "Head office")
    sheet.write_number(row, NET, workbook.major(document.hq_net), workbook.money)
    sheet.write_string(row + 1, 0, "Check")
    sheet.write_string(row + 1, 1, "Total and head office sum to zero")
    # Cents have no exact binary form; without ROUND a long column ends in 0.0000001.
    formula = f"=ROUND({total_cell}+{head_office_cell},{workbook.minor_digits})"
    check = sum(line.position.net for line in document.stores) + document.hq_net
    sheet.write_formula(row + 1, NET, formula, workbook.money, workbook.major(check))


def add_matrix(workbook: SettlementWorkbook) -> None:
    """Issuing stores down, redeeming stores across, totals first so that they stay in sight."""
    flows = [flow for flow in workbook.document.flows if flow.points]
    issuing = codes_in_order(workbook.document, {flow.issuing_code for flow in flows})
    redeeming = codes_in_order(workbook.document, {flow.redeeming_code for flow in flows})
    sheet = workbook.book.add_worksheet("Matrix")
    if len(redeeming) > MATRIX_STORES_MAX or len(flows) > MATRIX_FLOWS_MAX:
        sheet.write_string(0, 0, "This month has more flows than a sheet can show: see the flows CSV file.")
        return
    write_matrix_heads(workbook, sheet, issuing, redeeming)
    write_matrix_totals(workbook, sheet, flows, issuing, redeeming)
    rows = {code: row for row, code in enumerate(issuing, start=2)}
    columns = {code: column for column, code in enumerate(redeeming, start=3)}
    for flow in flows:
        sheet.write_number(rows[flow.issuing_code], columns[flow.redeeming_code], flow.points, workbook.points)
    sheet.freeze_panes(2, 3)
    print_on_wide_paper(sheet)


def codes_in_order(document: SettlementDocument, codes: set[str]) -> list[str]:
    """The stores' own order, then whoever is no store of the month, like head office."""
    stores = [line.store_code for line in document.stores if line.store_code in codes]
    return stores + sorted(codes.difference(stores))


def write_matrix_heads(
    workbook: SettlementWorkbook, sheet: Any, issuing: Sequence[str], redeeming: Sequence[str]
) -> None:
    names = {line.store_code: line.store_name for line in workbook.document.stores}
    sheet.set_column(0, 0, 20)
    sheet.set_column(1, 1, 30)
    sheet.set_column(2, 2 + len(redeeming), 13)
    sheet.write_string(0, 0, "Issued by \\ Recovered by", workbook.head)
    sheet.write_string(0, 1, "Name", workbook.head)
    sheet.write_string(0, 2, "Total", workbook.head_right)
    for column, code in enumerate(redeeming, start=3):
        sheet.write_string(0, column, code, workbook.head_right)
    for row, code in enumerate(issuing, start=2):
        sheet.write_string(row, 0, code)
        sheet.write_string(row, 1, names.get(code, "Head office" if code == HEAD_OFFICE else ""))


def write_matrix_totals(
    workbook: SettlementWorkbook,
    sheet: Any,
    flows: Sequence[Flow],
    issuing: Sequence[str],
    redeeming: Sequence[str],
) -> None:
    issued: dict[str, int] = defaultdict(int)
    recovered: dict[str, int] = defaultdict(int)
    for flow in flows:
        issued[flow.issuing_code] += flow.points
        recovered[flow.redeeming_code] += flow.points
    last_row, last_column = 1 + len(issuing), 2 + len(redeeming)
    style = workbook.total_points
    sheet.write_string(1, 0, "Total", workbook.total_text)
    sheet.write_blank(1, 1, None, workbook.total_text)
    write_sum(sheet, 1, 2, (2, 2, last_row, 2), sum(issued.values()), style)
    for row, code in enumerate(issuing, start=2):
        write_sum(sheet, row, 2, (row, 3, row, last_column), issued[code], workbook.points)
    for column, code in enumerate(redeeming, start=3):
        write_sum(sheet, 1, column, (2, column, last_row, column), recovered[code], style)


def write_sum(sheet: Any, row: int, column: int, cells: tuple[int, int, int, int], value: float, style: Any) -> None:
    """A SUM over `cells`, or the plain value if there are none: a reversed range would include the sum."""
    first_row, first_column, last_row, last_column = cells
    if last_row < first_row or last_column < first_column:
        sheet.write_number(row, column, value, style)
    else:
        sheet.write_formula(row, column, f"=SUM({xl_range(*cells)})", style, value)


def add_summary(workbook: SettlementWorkbook) -> None:
    sheet = workbook.book.add_worksheet("Summary")
    sheet.set_column(0, 0, 46)
    sheet.set_column(1, 3, 22)
    row = write_month(workbook, sheet)
    row = write_network_totals(workbook, sheet, row + 1)
    write_identities(workbook, sheet, row + 1)
    sheet.freeze_panes(1, 0)


def write_month(workbook: SettlementWorkbook, sheet: Any) -> int:
    """Returns the row after the last one written, as the other parts of the summary do."""
    document = workbook.document
    closed_at = document.closed_at.astimezone(ZoneInfo(document.time_zone))
    facts = (
        ("Network", f"{document.network_name} ({document.network_code})"),
        ("Month", show_month(document.month)),
        ("Closed at", f"{closed_at:%Y-%m-%d %H:%M} {document.time_zone}"),
        ("Currency", document.currency),
    )
    sheet.write_string(0, 0, "Settlement of a month", workbook.title)
    for row, (name, value) in enumerate(facts, start=1):
        sheet.write_string(row, 0, name)
        sheet.write_string(row, 1, value)
    return 1 + len(facts)


def write_network_totals(workbook: SettlementWorkbook, sheet: Any, row: int) -> int:
    totals, currency = workbook.document.totals, workbook.document.currency
    points = (
        ("Opening outstanding", totals.opening_outstanding),
        ("Issued", totals.issued),
        ("Recovered", totals.recovered),
        ("Expired", totals.expired),
        ("Borne by stores", totals.borne),
        ("Closing outstanding", totals.closing_outstanding),
    )
    sheet.write_string(row, 0, "Whole network", workbook.head)
    sheet.write_string(row, 1, "Points", workbook.head_right)
    for name, count in points:
        row += 1
        sheet.write_string(row, 0, name)
        sheet.write_number(row, 1, count, workbook.points)
    sheet.write_string(row + 1, 0, f"Head office net, {currency} (negative: takes in more than it pays out)")
    sheet.write_number(row + 1, 1, workbook.major(workbook.document.hq_net), workbook.money)
    sheet.write_string(row + 2, 0, f"Rounding, {currency}")
    sheet.write_number(row + 2, 1, float(workbook.document.rounding.scaleb(-workbook.minor_digits)))
    return row + 3


def write_identities(workbook: SettlementWorkbook, sheet: Any, row: int) -> None:
    for column, name in enumerate(("Identity", "Left", "Right", "Holds")):
        sheet.write_string(row, column, name, workbook.head_right if column in (1, 2) else workbook.head)
    for identity in workbook.document.identities:
        row += 1
        sheet.write_string(row, 0, identity.name)
        for column, side in enumerate((identity.left, identity.right), start=1):
            is_whole = side == side.to_integral_value()
            sheet.write_number(row, column, float(side), workbook.points if is_whole else None)
        sheet.write_string(row, 3, "holds" if identity.holds else "DOES NOT HOLD")


def print_on_wide_paper(sheet: Any) -> None:
    sheet.set_landscape()
    sheet.set_paper(9)
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0)


def points_of(position: Position) -> tuple[int, ...]:
    return position.issued, position.recovered, position.expired, position.borne, position.net_points


def money_of(position: Position) -> tuple[int, ...]:
    return (
        position.opening,
        position.to_pay,
        position.to_receive,
        position.fees,
        position.tax,
        position.adjustments,
        position.disputed,
        position.carried_forward,
        position.net,
    )


def column_sums(rows: Sequence[tuple[int, ...]]) -> list[int]:
    return [sum(column) for column in zip(*rows, strict=True)]
