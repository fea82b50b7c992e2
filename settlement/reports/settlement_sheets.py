"""A settlement as a workbook: its summary, every position and line, and the issuing x redeeming matrix.

Money cells are numbers in major units. Every formula carries its computed value, for readers that do not
calculate. All text goes through `write_string`, so that a name that starts with `=` stays a name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from io import BytesIO
from typing import Any
from zoneinfo import ZoneInfo

from xlsxwriter.utility import quote_sheetname, xl_range, xl_range_abs

from settlement.proposals.rules import Line, nets_of
from settlement.reports.texts import Writer
from settlement.statements.documents import (
    MONEY_COLUMNS,
    POINT_COLUMNS,
    Flow,
    SettlementDocument,
    StoreLine,
)
from tenants.foundation.months import show_month
from tenants.foundation.workbooks import FormattedWorkbook, cell, print_on_wide_paper, write_sum
from tenants.stores.rules import HEAD_OFFICE

NAME_COLUMNS = ("store", "name", "participant")
POSITION_COLUMNS = (*NAME_COLUMNS, *POINT_COLUMNS, *MONEY_COLUMNS, "direction", "lines_net", "check")
POSITION_WIDTHS = (12, 34, 30, *[14] * len(POINT_COLUMNS), *[15] * len(MONEY_COLUMNS), 12, 15, 10)
FIRST_POINTS, FIRST_MONEY = POSITION_COLUMNS.index("issued"), POSITION_COLUMNS.index("opening")
NET, DIRECTION, LINES_NET, CHECK = map(POSITION_COLUMNS.index, ("net", "direction", "lines_net", "check"))
# How the other columns make the net.
SIGNS = "+", "+", "-", "+", "+", "+", "+", "+"

LINE_COLUMNS = (
    *("number", "kind", "payer", "payee", "quantity", "rate_minor", "exact_minor", "amount"),
    *("rounding", "origin_month", "note"),
)
LINE_WIDTHS = (8, 18, 14, 14, 14, 14, 20, 18, 14, 12, 40)
PAYER, PAYEE, QUANTITY, RATE, EXACT, AMOUNT, ROUNDING, ORIGIN, NOTE = range(2, 11)
RATE_FORMAT, EXACT_FORMAT = "#,##0.######", "#,##0.000000;-#,##0.000000;0"
ROUNDING_DECIMALS = 6

# A spreadsheet has so many rows; the header is one.
LINES_MAX = 2**20 - 1
# Each store's net is looked for in all lines: beyond so many cells a spreadsheet would calculate for minutes.
CELLS_CALCULATED_MAX = 10_000_000
# Beyond this the matrix would not open in a spreadsheet (16,384 columns) or take minutes to write.
MATRIX_STORES_MAX = 16_000
MATRIX_FLOWS_MAX = 1_000_000


class SettlementWorkbook(FormattedWorkbook):
    """`writer` has the words; `recovered_cell` is where the summary says what was recovered."""

    def __init__(self, document: SettlementDocument, writer: Writer, content: BytesIO) -> None:
        super().__init__(document.currency, content)
        self.document = document
        self.writer = writer
        self.recovered_cell = ""
        self.percent = self.book.add_format({"num_format": "0.0%"})
        self.rate = self.book.add_format({"num_format": RATE_FORMAT})
        self.exact = self.book.add_format({"num_format": EXACT_FORMAT})
        decimals = "0" * (self.minor_digits + ROUNDING_DECIMALS)
        self.rounding = self.book.add_format({"num_format": f"0.{decimals};-0.{decimals};0"})
        self.day = self.book.add_format({"num_format": "yyyy-mm-dd", "align": "right"})
        self.note = self.book.add_format({"text_wrap": True, "valign": "top", "font_color": "#5F6B7A"})
        self.wrapped = self.book.add_format({"text_wrap": True, "valign": "top"})
        self.wrong = self.book.add_format({"bg_color": "#F4C7C3", "bold": True})

    @property
    def has_lines_sheet(self) -> bool:
        return len(self.document.lines) <= LINES_MAX

    def text(self, key: str, **places: object) -> str:
        return self.writer.text(key, **places)

    def add_sheet(self, key: str) -> Any:
        sheet = self.book.add_worksheet(self.text(key))
        print_on_wide_paper(sheet)
        network = self.document.network_name[:100].replace("&", "&&")
        sheet.set_header(f"&L{network}, {show_month(self.document.month)}&C&A&R{self.document.currency}")
        sheet.set_footer("&R&P / &N")
        return sheet

    def reference(self, sheet_key: str, cells: str) -> str:
        """`cells` of another sheet."""
        return f"{quote_sheetname(self.text(sheet_key))}!{cells}"

    def write_heads(
        self, sheet: Any, row: int, keys: Sequence[str], widths: Sequence[float], left: Sequence[str]
    ) -> None:
        """Those of the columns in `left` stand to the left, above texts."""
        for column, (key, width) in enumerate(zip(keys, widths, strict=True)):
            sheet.set_column(column, column, width)
            sheet.write_string(row, column, self.text(key), self.head if key in left else self.head_right)


def add_settlement(workbook: SettlementWorkbook) -> None:
    document = workbook.document
    title = f"{workbook.text('settlement_of_a_month')} {show_month(document.month)}"
    workbook.set_properties(title, document.network_name, document.as_of)
    add_summary(workbook)
    add_positions(workbook)
    add_lines(workbook)
    add_matrix(workbook)


def add_positions(workbook: SettlementWorkbook) -> None:
    """Header, one row a store, then total, head office and the check that both sum to zero."""
    sheet = workbook.add_sheet("positions")
    workbook.write_heads(sheet, 0, POSITION_COLUMNS, POSITION_WIDTHS, (*NAME_COLUMNS, "direction"))
    lines_nets = nets_by_code(workbook.document)
    for row, line in enumerate(workbook.document.stores, start=1):
        write_position(workbook, sheet, row, line)
        write_check(workbook, sheet, row, line.position.net, lines_nets.get(line.store_code, 0))
    stores_count = len(workbook.document.stores)
    write_position_totals(workbook, sheet, stores_count + 1)
    write_head_office(workbook, sheet, stores_count + 2)
    checks = (1, CHECK, stores_count + 2, CHECK)
    sheet.conditional_format(*checks, {"type": "cell", "criteria": "!=", "value": 0, "format": workbook.wrong})
    sheet.freeze_panes(1, 2)
    sheet.autofilter(0, 0, stores_count, CHECK)


def write_position(workbook: SettlementWorkbook, sheet: Any, row: int, line: StoreLine) -> None:
    for column, text in enumerate((line.store_code, line.store_name, line.participant_name)):
        sheet.write_string(row, column, text)
    for column, points in enumerate(line.points[:-1], start=FIRST_POINTS):
        sheet.write_number(row, column, points, workbook.points)
    issued, recovered, _, borne = (cell(row, FIRST_POINTS + number) for number in range(4))
    sheet.write_formula(row, FIRST_MONEY - 1, f"={issued}+{borne}-{recovered}", workbook.points, line.points[-1])
    for column, minor in enumerate(line.money[:-1], start=FIRST_MONEY):
        sheet.write_number(row, column, workbook.major(minor), workbook.money)
    parts = "".join(sign + cell(row, FIRST_MONEY + number) for number, sign in enumerate(SIGNS))
    write_rounded(workbook, sheet, row, NET, parts.removeprefix("+"), line.position.net)
    sheet.write_string(row, DIRECTION, workbook.text(line.position.direction))


def write_check(workbook: SettlementWorkbook, sheet: Any, row: int, net: int, lines_net: int) -> None:
    """The net again, from the lines, and that both are the same."""
    document = workbook.document
    if workbook.has_lines_sheet and 0 < len(document.lines) * len(document.stores) <= CELLS_CALCULATED_MAX:
        payer, payee, amount = (
            workbook.reference("lines", xl_range_abs(1, column, len(document.lines), column))
            for column in (PAYER, PAYEE, AMOUNT)
        )
        # EXACT, because to SUMIF the store 01 is the store 1.
        code = cell(row, 0)
        formula = f"SUMPRODUCT((EXACT({payer},{code})-EXACT({payee},{code}))*{amount})"
        write_rounded(workbook, sheet, row, LINES_NET, formula, lines_net)
    else:
        sheet.write_number(row, LINES_NET, workbook.major(lines_net), workbook.money)
    write_rounded(workbook, sheet, row, CHECK, f"{cell(row, NET)}-{cell(row, LINES_NET)}", net - lines_net)


def nets_by_code(document: SettlementDocument) -> dict[str, int]:
    codes = document.codes()
    return {codes[party]: net for party, net in nets_of(document.lines).items()}


def write_position_totals(workbook: SettlementWorkbook, sheet: Any, row: int) -> None:
    stores = workbook.document.stores
    for column in range(len(POSITION_COLUMNS)):
        sheet.write_blank(row, column, None, workbook.total_text)
    sheet.write_string(row, 0, workbook.text("total"), workbook.total_text)
    for number in range(len(POINT_COLUMNS)):
        column, total = FIRST_POINTS + number, sum(line.points[number] for line in stores)
        write_sum(sheet, row, column, (1, column, row - 1, column), total, workbook.total_points)
    for number in range(len(MONEY_COLUMNS)):
        column, minor = FIRST_MONEY + number, sum(line.money[number] for line in stores)
        write_sum(sheet, row, column, (1, column, row - 1, column), workbook.major(minor), workbook.total_money)
    net = workbook.major(sum(line.position.net for line in stores))
    write_sum(sheet, row, LINES_NET, (1, LINES_NET, row - 1, LINES_NET), net, workbook.total_money)
    write_sum(sheet, row, CHECK, (1, CHECK, row - 1, CHECK), 0, workbook.total_money)


def write_head_office(workbook: SettlementWorkbook, sheet: Any, row: int) -> None:
    """Head office's net and, below, the sum of all nets with it, which is zero."""
    document = workbook.document
    sheet.write_string(row, 0, HEAD_OFFICE)
    sheet.write_string(row, 1, workbook.text("head_office"))
    sheet.write_number(row, NET, workbook.major(document.hq_net), workbook.money)
    write_check(workbook, sheet, row, document.hq_net, nets_by_code(document).get(HEAD_OFFICE, 0))
    sheet.write_string(row + 1, 0, workbook.text("check"))
    sheet.write_string(row + 1, 1, workbook.text("sums_to_zero"))
    check = sum(line.position.net for line in document.stores) + document.hq_net
    write_rounded(workbook, sheet, row + 1, NET, f"{cell(row - 1, NET)}+{cell(row, NET)}", check)


def write_rounded(workbook: SettlementWorkbook, sheet: Any, row: int, column: int, formula: str, minor: int) -> None:
    """Cents have no exact binary form; without ROUND a long sum ends in 0.0000001."""
    rounded = f"=ROUND({formula},{workbook.minor_digits})"
    sheet.write_formula(row, column, rounded, workbook.money, workbook.major(minor))


def add_lines(workbook: SettlementWorkbook) -> None:
    document = workbook.document
    sheet = workbook.add_sheet("lines")
    if not workbook.has_lines_sheet:
        sheet.write_string(0, 0, workbook.text("too_many_lines"))
        return
    workbook.write_heads(
        sheet, 0, LINE_COLUMNS, LINE_WIDTHS, ("number", "kind", "payer", "payee", "origin_month", "note")
    )
    codes = document.codes()
    for row, line in enumerate(document.lines, start=1):
        sheet.write_number(row, 0, row)
        sheet.write_string(row, 1, workbook.text(f"kind_{line.kind}"))
        sheet.write_string(row, PAYER, codes[line.payer_id])
        sheet.write_string(row, PAYEE, codes[line.payee_id])
        write_line_amounts(workbook, sheet, row, line)
        sheet.write_string(row, ORIGIN, show_month(line.origin_month))
        sheet.write_string(row, NOTE, line.note)
    sheet.freeze_panes(1, 2)
    sheet.autofilter(0, 0, len(document.lines), NOTE)


def write_line_amounts(workbook: SettlementWorkbook, sheet: Any, row: int, line: Line) -> None:
    """`exact` is a formula where one rate and a quantity make it."""
    if line.quantity is not None:
        sheet.write_number(row, QUANTITY, line.quantity, workbook.points)
    if line.rate is not None:
        sheet.write_number(row, RATE, line.rate, workbook.rate)
    if line.quantity is not None and line.rate is not None:
        formula = f"={cell(row, QUANTITY)}*{cell(row, RATE)}"
        sheet.write_formula(row, EXACT, formula, workbook.exact, float(line.exact))
    else:
        sheet.write_number(row, EXACT, line.exact, workbook.exact)
    sheet.write_number(row, AMOUNT, workbook.major(line.amount), workbook.money)
    decimals = workbook.minor_digits + ROUNDING_DECIMALS
    formula = f"=ROUND({cell(row, AMOUNT)}-{cell(row, EXACT)}/{10**workbook.minor_digits},{decimals})"
    sheet.write_formula(row, ROUNDING, formula, workbook.rounding, major_of(workbook, line.amount - line.exact))


def major_of(workbook: FormattedWorkbook, minor: Decimal) -> float:
    return float(minor.scaleb(-workbook.minor_digits))


def add_matrix(workbook: SettlementWorkbook) -> None:
    """Issuing stores down, redeeming stores across, totals first so that they stay in sight."""
    flows = [flow for flow in workbook.document.flows if flow.points]
    issuing = codes_in_order(workbook.document, {flow.issuing_code for flow in flows})
    redeeming = codes_in_order(workbook.document, {flow.redeeming_code for flow in flows})
    sheet = workbook.add_sheet("matrix")
    if len(redeeming) > MATRIX_STORES_MAX or len(flows) > MATRIX_FLOWS_MAX:
        sheet.write_string(0, 0, workbook.text("too_many_flows"))
        return
    write_matrix_heads(workbook, sheet, issuing, redeeming)
    write_matrix_totals(workbook, sheet, flows, issuing, redeeming)
    rows = {code: row for row, code in enumerate(issuing, start=2)}
    columns = {code: column for column, code in enumerate(redeeming, start=3)}
    for flow in flows:
        sheet.write_number(rows[flow.issuing_code], columns[flow.redeeming_code], flow.points, workbook.points)
    sheet.freeze_panes(2, 3)


def codes_in_order(document: SettlementDocument, codes: set[str]) -> list[str]:
    """The stores' own order, then whoever is no store of the month, like head office."""
    stores = [line.store_code for line in document.stores if line.store_code in codes]
    return stores + sorted(codes.difference(stores))


def write_matrix_heads(
    workbook: SettlementWorkbook, sheet: Any, issuing: Sequence[str], redeeming: Sequence[str]
) -> None:
    names = workbook.document.names(workbook.text("head_office"))
    sheet.set_column(0, 0, 20)
    sheet.set_column(1, 1, 30)
    sheet.set_column(2, 2 + len(redeeming), 13)
    sheet.write_string(0, 0, workbook.text("issued_by_recovered_by"), workbook.head)
    sheet.write_string(0, 1, workbook.text("name"), workbook.head)
    sheet.write_string(0, 2, workbook.text("total"), workbook.head_right)
    for column, code in enumerate(redeeming, start=3):
        sheet.write_string(0, column, code, workbook.head_right)
    for row, code in enumerate(issuing, start=2):
        sheet.write_string(row, 0, code)
        sheet.write_string(row, 1, names.get(code, ""))


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
    sheet.write_string(1, 0, workbook.text("total"), workbook.total_text)
    sheet.write_blank(1, 1, None, workbook.total_text)
    write_sum(sheet, 1, 2, (2, 2, last_row, 2), sum(issued.values()), style)
    for row, code in enumerate(issuing, start=2):
        write_sum(sheet, row, 2, (row, 3, row, last_column), issued[code], workbook.points)
    for column, code in enumerate(redeeming, start=3):
        write_sum(sheet, 1, column, (2, column, last_row, column), recovered[code], style)


def add_summary(workbook: SettlementWorkbook) -> None:
    sheet = workbook.add_sheet("summary")
    sheet.set_column(0, 0, 46)
    sheet.set_column(1, 3, 26)
    sheet.write_string(0, 0, workbook.text("settlement_of_a_month"), workbook.title)
    row = write_facts(workbook, sheet, 1)
    row = write_points(workbook, sheet, row + 1)
    row = write_money(workbook, sheet, row + 1)
    write_identities(workbook, sheet, row + 1)
    sheet.freeze_panes(1, 0)


def write_facts(workbook: SettlementWorkbook, sheet: Any, row: int) -> int:
    """Returns the row after the last one written, as the other parts of the summary do."""
    document = workbook.document
    closed_at = document.closed_at.astimezone(ZoneInfo(document.time_zone))
    facts = {
        "network": f"{document.network_name} ({document.network_code})",
        "month": show_month(document.month),
        "version": str(document.version),
        "state": workbook.text(document.state),
        "model": workbook.text(document.model),
        "proposed_by": document.proposed_by,
        "approved_by": document.approved_by or "",
        "closed_at": f"{closed_at:%Y-%m-%d %H:%M} {document.time_zone}",
        "currency": document.currency,
        "ledger_root": (document.merkle_root or b"").hex(),
    }
    for name, value in facts.items():
        sheet.write_string(row, 0, workbook.text(name))
        sheet.write_string(row, 1, value)
        row += 1
    return row


def write_points(workbook: SettlementWorkbook, sheet: Any, row: int) -> int:
    totals, hq_funded = workbook.document.totals, workbook.document.hq_funded
    points = {
        "opening_outstanding": totals.opening_outstanding,
        "issued": totals.issued,
        "of_it_hq": hq_funded.issued if hq_funded else 0,
        "recovered": totals.recovered,
        "expired": totals.expired,
        "borne_by_stores": totals.borne,
    }
    sheet.write_string(row, 0, workbook.text("whole_network"), workbook.head)
    sheet.write_string(row, 1, workbook.text("points"), workbook.head_right)
    cells = {}
    for number, (name, count) in enumerate(points.items(), start=row + 1):
        cells[name] = cell(number, 1)
        sheet.write_string(number, 0, workbook.text(name))
        sheet.write_number(number, 1, count, workbook.points)
    row += 1 + len(points)
    workbook.recovered_cell = workbook.reference("summary", cells["recovered"])
    formula = "={opening_outstanding}+{issued}+{borne_by_stores}-{recovered}-{expired}".format(**cells)
    sheet.write_string(row, 0, workbook.text("closing_outstanding"))
    sheet.write_formula(row, 1, formula, workbook.total_points, totals.closing_outstanding)
    return row + 1


def write_money(workbook: SettlementWorkbook, sheet: Any, row: int) -> int:
    """From the positions and lines."""
    document = workbook.document
    stores = len(document.stores)
    nets = [line.position.net for line in document.stores]
    of_stores = workbook.reference("positions", xl_range(1, NET, max(stores, 1), NET))
    of_head_office = workbook.reference("positions", cell(stores + 2, NET))
    money = (
        ("stores_remit", f'=SUMIF({of_stores},">0")', sum(net for net in nets if net > 0)),
        ("stores_receive", f'=-SUMIF({of_stores},"<0")', -sum(net for net in nets if net < 0)),
        ("hq_net", f"={of_head_office}", document.hq_net),
    )
    sheet.write_string(row, 0, workbook.text("money", currency=document.currency), workbook.head)
    sheet.write_blank(row, 1, None, workbook.head)
    for name, formula, minor in money:
        row += 1
        sheet.write_string(row, 0, workbook.text(name))
        sheet.write_formula(row, 1, formula, workbook.money, workbook.major(minor))
    sheet.write_string(row + 1, 0, workbook.text("hq_rounding"))
    write_rounding(workbook, sheet, row + 1)
    return row + 2


def write_rounding(workbook: SettlementWorkbook, sheet: Any, row: int) -> None:
    """What rounding has added to what head office takes in."""
    lines, rounding = len(workbook.document.lines), major_of(workbook, workbook.document.rounding)
    if not (lines and workbook.has_lines_sheet):
        sheet.write_number(row, 1, rounding, workbook.rounding)
        return
    payer, payee, added = (
        workbook.reference("lines", xl_range(1, column, lines, column)) for column in (PAYER, PAYEE, ROUNDING)
    )
    taken_in = f'SUMPRODUCT((EXACT({payee},"{HEAD_OFFICE}")-EXACT({payer},"{HEAD_OFFICE}"))*{added})'
    decimals = workbook.minor_digits + ROUNDING_DECIMALS
    sheet.write_formula(row, 1, f"=ROUND({taken_in},{decimals})", workbook.rounding, rounding)


def write_identities(workbook: SettlementWorkbook, sheet: Any, row: int) -> None:
    for column, name in enumerate(("identity", "left", "right", "holds")):
        is_number = name in ("left", "right")
        sheet.write_string(row, column, workbook.text(name), workbook.head_right if is_number else workbook.head)
    for identity in workbook.document.identities:
        row += 1
        sheet.write_string(row, 0, workbook.writer.language.say_if_known(identity.name), workbook.wrapped)
        for column, side in enumerate((identity.left, identity.right), start=1):
            is_whole = side == side.to_integral_value()
            sheet.write_number(row, column, float(side), workbook.points if is_whole else None)
        sheet.write_string(row, 3, workbook.text("does_hold" if identity.holds else "does_not_hold"))
