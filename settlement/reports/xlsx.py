"""The workbook of a month: the settlement, and how the network does beside it, with charts."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from xlsxwriter.utility import xl_range

from settlement.languages.rules import ENGLISH, language_of
from settlement.legs.rules import COLLECTION, PAYOUT
from settlement.reports.documents import NetworkReport
from settlement.reports.rules import (
    BUCKETS,
    MONEY_FIGURES,
    POINT_FIGURES,
    AgedStore,
    ComparedMonth,
    bucket_totals,
)
from settlement.reports.settlement_sheets import SettlementWorkbook, add_settlement
from settlement.reports.texts import Writer
from tenants.foundation.files import put_in_place
from tenants.foundation.months import show_month
from tenants.foundation.workbooks import cell, write_sum

FLOW_COLUMNS = ("flow", "issued_by", "name", "recovered_by", "name", "points", "amount", "share_of_recovered")
FLOW_WIDTHS = (26, 14, 30, 14, 30, 14, 16, 14)
EFFICIENCY_COLUMNS, EFFICIENCY_WIDTHS = ("measure", "amount", "payments", "saved"), (40, 20, 14, 14)
AGEING_COLUMNS = ("direction", "store", "name", "participant", *BUCKETS, "total")
AGEING_WIDTHS = (14, 14, 32, 30, *[15] * len(BUCKETS), 16)
FIRST_BUCKET = AGEING_COLUMNS.index(BUCKETS[0])
MONTH_COLUMNS = ("month", "state", "version", *POINT_FIGURES, *MONEY_FIGURES, "multilateral_saved")
MONTH_WIDTHS = (10, 16, 9, *[15] * len(POINT_FIGURES), *[17] * len(MONEY_FIGURES), 12)
FIGURES = (*POINT_FIGURES, *MONEY_FIGURES)
FIRST_FIGURE = MONTH_COLUMNS.index(FIGURES[0])
FIRST_CHANGE = len(MONTH_COLUMNS)
CHART_SIZE = {"width": 900, "height": 380}


def write_settlement_xlsx(report: NetworkReport, path: Path, language: str = ENGLISH) -> None:
    """The same report gives the same bytes. Raises `Unavailable` when the file system refuses."""
    content = BytesIO()
    writer = Writer(language_of(language), report.settlement.currency)
    workbook = SettlementWorkbook(report.settlement, writer, content)
    add_settlement(workbook)
    add_largest_flows(workbook, report)
    add_efficiency(workbook, report)
    add_ageing(workbook, report)
    add_months(workbook, report.months)
    workbook.book.close()
    put_in_place(path, content.getvalue())


def add_largest_flows(workbook: SettlementWorkbook, report: NetworkReport) -> None:
    flows, recovered = report.largest_flows, report.settlement.totals.recovered
    names = report.settlement.names(workbook.text("head_office"))
    sheet = workbook.add_sheet("largest_flows")
    workbook.write_heads(sheet, 0, FLOW_COLUMNS, FLOW_WIDTHS, FLOW_COLUMNS[:5])
    for row, flow in enumerate(flows, start=1):
        sheet.write_string(row, 0, f"{flow.issuing_code} → {flow.redeeming_code}")
        for column, code in ((1, flow.issuing_code), (3, flow.redeeming_code)):
            sheet.write_string(row, column, code)
            sheet.write_string(row, column + 1, names.get(code, ""))
        sheet.write_number(row, 5, flow.points, workbook.points)
        sheet.write_number(row, 6, workbook.major(flow.amount), workbook.money)
        if recovered:
            formula = f"={cell(row, 5)}/{workbook.recovered_cell}"
            sheet.write_formula(row, 7, formula, workbook.percent, flow.points / recovered)
    sheet.freeze_panes(1, 1)
    sheet.autofilter(0, 0, len(flows), len(FLOW_COLUMNS) - 1)
    if flows:
        sheet.insert_chart(len(flows) + 2, 0, chart_of_flows(workbook, len(flows)))
    else:
        sheet.write_string(1, 0, workbook.text("no_flows"))


def chart_of_flows(workbook: SettlementWorkbook, count: int) -> Any:
    """Bars, the largest at the top."""
    sheet_name = workbook.text("largest_flows")
    chart = workbook.book.add_chart({"type": "bar"})
    chart.add_series(
        {
            "name": workbook.text("points"),
            "categories": [sheet_name, 1, 0, count, 0],
            "values": [sheet_name, 1, 5, count, 5],
            "fill": {"color": "#1F4E79"},
            "gap": 40,
            "data_labels": {"value": True},
        }
    )
    chart.set_title({"name": workbook.text("largest_flows_chart"), "name_font": {"size": 12}})
    chart.set_y_axis({"reverse": True})
    chart.set_x_axis({"num_format": "#,##0", "min": 0})
    chart.set_legend({"none": True})
    chart.set_size({"width": 900, "height": 120 + 28 * count})
    return chart


def add_efficiency(workbook: SettlementWorkbook, report: NetworkReport) -> None:
    efficiency = report.efficiency
    sheet = workbook.add_sheet("efficiency")
    workbook.write_heads(sheet, 0, EFFICIENCY_COLUMNS, EFFICIENCY_WIDTHS, ("measure",))
    measures = (
        ("gross", efficiency.gross, efficiency.gross_payments),
        ("bilateral", efficiency.bilateral, efficiency.bilateral_payments),
        ("multilateral", efficiency.multilateral, efficiency.multilateral_payments),
    )
    for row, (name, minor, payments) in enumerate(measures, start=1):
        sheet.write_string(row, 0, workbook.text(name))
        sheet.write_number(row, 1, workbook.major(minor), workbook.money)
        sheet.write_number(row, 2, payments, workbook.points)
        if efficiency.gross:
            saved = (efficiency.gross - minor) / efficiency.gross
            sheet.write_formula(row, 3, f"=1-{cell(row, 1)}/{cell(1, 1)}", workbook.percent, saved)
    sheet.merge_range(5, 0, 5, 3, "", workbook.note)
    sheet.write_string(5, 0, workbook.text(f"efficiency_note_{report.settlement.model}"), workbook.note)
    sheet.set_row(5, 62)
    sheet.freeze_panes(1, 1)


def add_ageing(workbook: SettlementWorkbook, report: NetworkReport) -> None:
    """A line a store: what it has not paid, and then, what it has not been paid; each with its total."""
    ageing = report.ageing
    sheet = workbook.add_sheet("ageing")
    sheet.write_string(0, 0, workbook.text("as_of", day=workbook.writer.language.day(ageing.as_of)), workbook.title)
    workbook.write_heads(sheet, 1, AGEING_COLUMNS, AGEING_WIDTHS, AGEING_COLUMNS[:FIRST_BUCKET])
    sheet.freeze_panes(2, 3)
    sheet.repeat_rows(0, 1)
    row = write_aged_stores(workbook, sheet, 2, COLLECTION, ageing.collections)
    row = write_aged_stores(workbook, sheet, row + 1, PAYOUT, ageing.payouts)
    if not ageing.legs:
        sheet.write_string(row + 1, 0, workbook.text("no_unpaid_legs"))


def write_aged_stores(
    workbook: SettlementWorkbook, sheet: Any, first: int, direction: str, stores: Sequence[AgedStore]
) -> int:
    """Returns the row after the total."""
    for row, store in enumerate(stores, start=first):
        texts = (workbook.text(direction), store.store_code, store.store_name, store.participant_name)
        for column, text in enumerate(texts):
            sheet.write_string(row, column, text)
        write_buckets(workbook, sheet, row, store.amounts)
    row, last = first + len(stores), len(AGEING_COLUMNS) - 1
    sheet.write_string(row, 0, workbook.text(f"{direction}s"), workbook.total_text)
    for column in range(1, FIRST_BUCKET):
        sheet.write_blank(row, column, None, workbook.total_text)
    totals = bucket_totals(stores)
    for column, minor in zip(range(FIRST_BUCKET, last + 1), (*totals, sum(totals)), strict=True):
        write_sum(sheet, row, column, (first, column, row - 1, column), workbook.major(minor), workbook.total_money)
    return row + 1


def write_buckets(workbook: SettlementWorkbook, sheet: Any, row: int, amounts: Sequence[int]) -> None:
    for column, minor in enumerate(amounts, start=FIRST_BUCKET):
        sheet.write_number(row, column, workbook.major(minor), workbook.money)
    last = FIRST_BUCKET + len(amounts)
    total = workbook.major(sum(amounts))
    sheet.write_formula(row, last, f"=SUM({xl_range(row, FIRST_BUCKET, row, last - 1)})", workbook.money, total)


def add_months(workbook: SettlementWorkbook, months: Sequence[ComparedMonth]) -> None:
    """Figures to the left, then how each has changed against the row above."""
    sheet = workbook.add_sheet("months")
    workbook.write_heads(sheet, 0, MONTH_COLUMNS, MONTH_WIDTHS, ("month", "state"))
    for number, name in enumerate(FIGURES):
        column = FIRST_CHANGE + 2 * number
        sheet.set_column(column, column + 1, 16)
        for offset, key in enumerate(("change", "change_percent")):
            sheet.write_string(0, column + offset, workbook.text(key, name=workbook.text(name)), workbook.head_right)
    for row, month in enumerate(months, start=1):
        write_compared_month(workbook, sheet, row, month)
    sheet.freeze_panes(1, 1)
    sheet.autofilter(0, 0, len(months), FIRST_CHANGE + 2 * len(FIGURES) - 1)
    add_month_charts(workbook, sheet, len(months))


def write_compared_month(workbook: SettlementWorkbook, sheet: Any, row: int, month: ComparedMonth) -> None:
    figures = month.figures
    sheet.write_string(row, 0, show_month(figures.month))
    sheet.write_string(row, 1, workbook.text(figures.state) if figures.state else "")
    if figures.version is not None:
        sheet.write_number(row, 2, figures.version)
    for number in range(len(FIGURES)):
        write_figure(workbook, sheet, row, number, month)
    if figures.saved is not None:
        sheet.write_number(row, FIRST_CHANGE - 1, figures.saved, workbook.percent)


def write_figure(workbook: SettlementWorkbook, sheet: Any, row: int, number: int, month: ComparedMonth) -> None:
    """The change is a formula, but in the first row, whose month before is not on the sheet."""
    name = FIGURES[number]
    value, change = getattr(month.figures, name), month.changes.get(name)
    style = workbook.money if name in MONEY_FIGURES else workbook.points
    column, changed = FIRST_FIGURE + number, FIRST_CHANGE + 2 * number
    if value is not None:
        sheet.write_number(row, column, shown(workbook, name, value), style)
    if change is None:
        return
    absolute = shown(workbook, name, change.absolute)
    if row == 1:
        sheet.write_number(row, changed, absolute, style)
    else:
        difference = f"=ROUND({cell(row, column)}-{cell(row - 1, column)},{workbook.minor_digits})"
        sheet.write_formula(row, changed, difference, style, absolute)
    if change.share is None:
        return
    if row == 1:
        sheet.write_number(row, changed + 1, change.share, workbook.percent)
    else:
        share = f"={cell(row, changed)}/ABS({cell(row - 1, column)})"
        exact = change.absolute / abs(value - change.absolute)
        sheet.write_formula(row, changed + 1, share, workbook.percent, exact)


def shown(workbook: SettlementWorkbook, name: str, value: int) -> float:
    return workbook.major(value) if name in MONEY_FIGURES else value


def add_month_charts(workbook: SettlementWorkbook, sheet: Any, count: int) -> None:
    """Lines over the months: points, and below them money."""
    if not count:
        return
    titles = (
        (workbook.text("points_chart"), POINT_FIGURES[:3]),
        (workbook.text("money_chart", currency=workbook.document.currency), MONEY_FIGURES[:2]),
    )
    for number, (title, names) in enumerate(titles):
        chart = workbook.book.add_chart({"type": "line"})
        for name in names:
            column = MONTH_COLUMNS.index(name)
            chart.add_series(
                {
                    "name": [workbook.text("months"), 0, column],
                    "categories": [workbook.text("months"), 1, 0, count, 0],
                    "values": [workbook.text("months"), 1, column, count, column],
                    "marker": {"type": "circle", "size": 4},
                }
            )
        chart.set_title({"name": title, "name_font": {"size": 12}})
        chart.set_legend({"position": "bottom"})
        chart.set_y_axis({"num_format": "#,##0"})
        chart.set_size(CHART_SIZE)
        sheet.insert_chart(count + 2 + number * 20, 0, chart)
