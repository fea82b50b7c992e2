"""A month of a network on A4: totals, the largest flows, what netting saves, what is unpaid, and twelve months."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reportlab.lib.colors import Color
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.platypus import CondPageBreak, Flowable, KeepTogether, Paragraph, Spacer, Table

from settlement.languages.rules import ENGLISH, LANGUAGES, language_of
from settlement.reports.documents import FlowValue, NetworkReport
from settlement.reports.rules import (
    BUCKETS,
    MONEY_FIGURES,
    POINT_FIGURES,
    AgedStore,
    ComparedMonth,
    bucket_totals,
)
from settlement.reports.texts import UNKNOWN, Writer
from settlement.statements.paper import (
    ACCENT,
    CELL_PADDING,
    GREY,
    INK,
    ROW_HEIGHT,
    RULE,
    SMALL_SIZE,
    TEXT_SIZE,
    WIDTH,
)
from settlement.statements.story import (
    FLUSH,
    NOTE,
    SECTION,
    STORE,
    TEXT,
    headline_band,
    number_table,
    paragraph,
    title_line,
    write_pdf,
)
from tenants.foundation.months import show_month
from tenants.foundation.pdf_text import BOLD, REGULAR, font_runs, is_western, printable, shortened

# All lengths are in points, 1/72 inch.
FIGURE_WIDTH = 90.0
LEFT_WIDTH, RIGHT_WIDTH = WIDTH * 0.42, WIDTH * 0.54
MEASURE_WIDTH, PAYMENTS_WIDTH, SAVED_WIDTH = WIDTH - 250.0, 70.0, 60.0
BUCKET_WIDTH = (WIDTH - 75) / (len(BUCKETS) + 1)
LABEL_WIDTH, POINTS_WIDTH, AMOUNT_WIDTH = 196.0, 62.0, 78.0
BAR_LEFT, BAR_HEIGHT, FLOW_ROW_HEIGHT = LABEL_WIDTH + 8, 8.0, 15.0
BARS_WIDTH = WIDTH - BAR_LEFT - POINTS_WIDTH - AMOUNT_WIDTH
MONTH_WIDTH, SAVES_WIDTH = 38.0, 38.0
FIGURES = (*POINT_FIGURES, *MONEY_FIGURES)
MONTH_FIGURE_WIDTH = (WIDTH - MONTH_WIDTH - SAVES_WIDTH) / len(FIGURES)
CHANGE_SIZE, CHANGE_HEIGHT = 6.5, 9.0
LONGEST_DUE_MAX = 10

HEAD = ParagraphStyle("head", parent=TEXT, fontName=BOLD, fontSize=SMALL_SIZE, leading=9, textColor=GREY)
HEAD_RIGHT = ParagraphStyle("head right", parent=HEAD, alignment=TA_RIGHT)
DRAFT = ParagraphStyle("draft", parent=TEXT, fontName=BOLD, textColor=ACCENT)


def write_report_pdf(report: NetworkReport, path: Path, language: str = ENGLISH) -> None:
    """The same report gives the same bytes. Raises `Unavailable` when the file system refuses."""
    settlement = report.settlement
    writer = Writer(language_of(language), settlement.currency)
    month, kind = writer.language.month(settlement.month), writer.text("network_report")
    write_pdf(
        [
            *result_blocks(report, writer),
            Spacer(0, 12),
            *flow_blocks(report, writer),
            CondPageBreak(330),
            *ageing_blocks(report, writer),
            Spacer(0, 14),
            *month_blocks(report.months, writer),
        ],
        path,
        footer=f"{month} · {kind} · {settlement.network_name}",
        title=f"{kind} {month}",
        author=settlement.network_name,
        subject=writer.text("report_of", month=month),
        page_of=LANGUAGES[language].say("Page {number} of {count}"),
    )


def result_blocks(report: NetworkReport, writer: Writer) -> list[Flowable]:
    settlement = report.settlement
    collections = sum(line.position.net for line in settlement.stores if line.position.net > 0)
    draft = [paragraph(writer.text("draft"), DRAFT), Spacer(0, 6)] if settlement.is_draft else []
    return [
        title_line(settlement.network_name, writer.text("network_report")),
        Spacer(0, 10),
        paragraph(writer.text("report_of", month=writer.language.month(settlement.month)), STORE),
        Spacer(0, 6),
        *draft,
        band(writer.text("stores_remit"), writer.language.amount(collections, settlement.currency)),
        Spacer(0, 12),
        side_by_side(points_block(report, writer), money_block(report, writer)),
        Spacer(0, 12),
        *netting_block(report, writer),
    ]


def band(words: str, amount: str) -> Flowable:
    """The band's one font is Western."""
    return headline_band(words, amount) if is_western(words) else paragraph(f"{words} {amount}", STORE)


def points_block(report: NetworkReport, writer: Writer) -> list[Flowable]:
    totals = report.settlement.totals
    figures = {
        "opening_outstanding": totals.opening_outstanding,
        "issued": totals.issued,
        "borne_by_stores": totals.borne,
        "recovered": -totals.recovered,
        "expired": -totals.expired,
        "closing_outstanding": totals.closing_outstanding,
    }
    rows = [(writer.text(name), writer.language.number(points)) for name, points in figures.items()]
    return [paragraph(writer.text("points"), SECTION), facts(rows, LEFT_WIDTH)]


def money_block(report: NetworkReport, writer: Writer) -> list[Flowable]:
    settlement = report.settlement
    nets = [line.position.net for line in settlement.stores]
    figures = {
        "fees": sum(line.position.fees for line in settlement.stores),
        "adjustments": sum(line.position.adjustments for line in settlement.stores),
        "stores_remit": sum(net for net in nets if net > 0),
        "stores_receive": sum(net for net in nets if net < 0),
        "hq_net": settlement.hq_net,
    }
    rows = [(writer.text(name), writer.amount(minor)) for name, minor in figures.items()]
    title = writer.text("money", currency=settlement.currency)
    return [paragraph(title, SECTION), facts(rows, RIGHT_WIDTH)]


def facts(rows: Sequence[tuple[str, str]], width: float) -> Flowable:
    """A name and a number each; the last is the result."""
    widths = [width - FIGURE_WIDTH, FIGURE_WIDTH]
    cells = [[cell(name, widths[0]), figure] for name, figure in rows]
    return number_table(cells, widths, [ROW_HEIGHT] * len(cells), total_rows=1)


def heads(texts: Sequence[str], text_columns: int) -> list[Flowable]:
    return [paragraph(text, HEAD if column < text_columns else HEAD_RIGHT) for column, text in enumerate(texts)]


def netting_block(report: NetworkReport, writer: Writer) -> list[Flowable]:
    efficiency = report.efficiency
    measures = (
        ("gross", efficiency.gross, efficiency.gross_payments, ""),
        (
            "bilateral",
            efficiency.bilateral,
            efficiency.bilateral_payments,
            writer.percent(efficiency.bilateral_saved),
        ),
        (
            "multilateral",
            efficiency.multilateral,
            efficiency.multilateral_payments,
            writer.percent(efficiency.multilateral_saved),
        ),
    )
    widths = [MEASURE_WIDTH, WIDTH - MEASURE_WIDTH - PAYMENTS_WIDTH - SAVED_WIDTH, PAYMENTS_WIDTH, SAVED_WIDTH]
    rows = [
        [cell(writer.text(name), MEASURE_WIDTH), writer.amount(minor), writer.language.number(payments), saved]
        for name, minor, payments, saved in measures
    ]
    cells = [heads(writer.texts(("measure", "amount", "payments", "saved")), 1), *rows]
    return [
        paragraph(writer.text("netting_title", currency=writer.currency), SECTION),
        number_table(cells, widths, [ROW_HEIGHT] * len(cells), head_rows=1, total_rows=1),
        Spacer(0, 3),
        paragraph(writer.text(f"efficiency_note_{report.settlement.model}"), NOTE),
    ]


def flow_blocks(report: NetworkReport, writer: Writer) -> list[Flowable]:
    title = paragraph(writer.text("largest_flows_title"), SECTION)
    if not report.largest_flows:
        return [title, paragraph(writer.text("no_flows"), TEXT)]
    names = report.settlement.names(writer.text("head_office"))
    return [KeepTogether([title, FlowBars(report.largest_flows, names, writer)])]


class FlowBars(Flowable):
    """A bar a flow, the largest at the top, with its points and what it is worth."""

    def __init__(self, flows: Sequence[FlowValue], names: dict[str, str], writer: Writer) -> None:
        super().__init__()
        self.flows = flows
        self.names = names
        self.writer = writer
        self.width, self.height = WIDTH, FLOW_ROW_HEIGHT * (len(flows) + 1)

    def wrap(self, *available: float) -> tuple[float, float]:
        return self.width, self.height

    def draw(self) -> None:
        self.draw_heads()
        largest = max(flow.points for flow in self.flows)
        for number, flow in enumerate(self.flows, start=2):
            base = self.height - number * FLOW_ROW_HEIGHT + 4
            self.draw_text(CELL_PADDING - 3, base, self.label(flow), REGULAR, TEXT_SIZE, INK)
            self.canv.setFillColor(ACCENT)
            self.canv.rect(BAR_LEFT, base - 1, BARS_WIDTH * flow.points / largest, BAR_HEIGHT, stroke=0, fill=1)
            self.draw_numbers(base, self.writer.language.number(flow.points), self.writer.amount(flow.amount))

    def draw_heads(self) -> None:
        base = self.height - FLOW_ROW_HEIGHT + 4
        texts = self.writer.texts(("issued_by", "recovered_by"))
        self.draw_text(0, base, " → ".join(texts), BOLD, SMALL_SIZE, GREY)
        for key, right in (("points", WIDTH - AMOUNT_WIDTH), ("amount", WIDTH)):
            text = self.writer.text(key)
            left = right - CELL_PADDING - text_width(text, BOLD, SMALL_SIZE)
            self.draw_text(left, base, text, BOLD, SMALL_SIZE, GREY)
        self.canv.setStrokeColor(RULE)
        self.canv.setLineWidth(0.5)
        self.canv.line(0, base - 4, WIDTH, base - 4)

    def label(self, flow: FlowValue) -> str:
        """As much of both names as there is room for: what one does not need is the other's."""
        issuing, redeeming = (
            f"{code} {self.names.get(code, '')}" for code in (flow.issuing_code, flow.redeeming_code)
        )
        room = LABEL_WIDTH - text_width(" → ", REGULAR, TEXT_SIZE)
        left = max(room / 2, room - text_width(printable(redeeming), REGULAR, TEXT_SIZE))
        issuing = shortened(issuing, TEXT_SIZE, left)
        right = room - text_width(issuing, REGULAR, TEXT_SIZE)
        return f"{issuing} → {shortened(redeeming, TEXT_SIZE, right)}"

    def draw_numbers(self, base: float, points: str, amount: str) -> None:
        for text, right in ((points, WIDTH - AMOUNT_WIDTH), (amount, WIDTH)):
            width = (POINTS_WIDTH if text is points else AMOUNT_WIDTH) - 2 * CELL_PADDING
            size = min(TEXT_SIZE, TEXT_SIZE * width / stringWidth(text, REGULAR, TEXT_SIZE))
            self.canv.setFillColor(INK)
            self.canv.setFont(REGULAR, size)
            self.canv.drawRightString(right - CELL_PADDING, base, text)

    def draw_text(self, left: float, base: float, text: str, font: str, size: float, color: Color) -> None:
        drawn = self.canv.beginText(left, base)
        drawn.setFillColor(color)
        for run_font, run in font_runs(text, font):
            drawn.setFont(run_font, size)
            drawn.textOut(run)
        self.canv.drawText(drawn)


def text_width(text: str, font: str, size: float) -> float:
    return sum(stringWidth(run, run_font, size) for run_font, run in font_runs(text, font))


def ageing_blocks(report: NetworkReport, writer: Writer) -> list[Flowable]:
    ageing = report.ageing
    title = writer.text("ageing_title", day=writer.language.day(ageing.as_of), currency=writer.currency)
    if not ageing.legs:
        return [paragraph(title, SECTION), paragraph(writer.text("no_unpaid_legs"), TEXT)]
    cells = [
        heads(["", *writer.texts((*BUCKETS, "total"))], 1),
        aged_row("collections", ageing.collections, writer),
        aged_row("payouts", ageing.payouts, writer),
    ]
    widths = [75.0, *[BUCKET_WIDTH] * (len(BUCKETS) + 1)]
    table = number_table(cells, widths, [ROW_HEIGHT] * len(cells), head_rows=1)
    return [KeepTogether([paragraph(title, SECTION), table]), *longest_due_block(report, writer)]


def aged_row(name: str, stores: Sequence[AgedStore], writer: Writer) -> list[object]:
    totals = bucket_totals(stores)
    return [cell(writer.text(name), 75), *(writer.amount(minor) for minor in (*totals, sum(totals)))]


def longest_due_block(report: NetworkReport, writer: Writer) -> list[Flowable]:
    as_of = report.ageing.as_of
    due = [leg for leg in report.ageing.legs if leg.days_past_due(as_of) > 0]
    due.sort(key=lambda leg: (leg.due_on, -abs(leg.amount), leg.store_code))
    if not due:
        return []
    widths = [WIDTH - 330.0, 60.0, 70.0, 100.0, 100.0]
    rows = [
        [
            cell(shortened(f"{leg.store_code} {leg.store_name}", TEXT_SIZE, widths[0] - CELL_PADDING), widths[0]),
            show_month(leg.month),
            cell(writer.text(leg.direction), widths[2]),
            writer.language.number(leg.days_past_due(as_of)),
            writer.amount(abs(leg.amount)),
        ]
        for leg in due[:LONGEST_DUE_MAX]
    ]
    cells = [heads(writer.texts(("store", "month", "direction", "days_past_due", "amount")), 3), *rows]
    table = number_table(cells, widths, [ROW_HEIGHT] * len(cells), head_rows=1, text_columns=3)
    title = paragraph(writer.text("longest_due", currency=writer.currency), SECTION)
    return [Spacer(0, 10), KeepTogether([title, table])]


def month_blocks(months: Sequence[ComparedMonth], writer: Writer) -> list[Flowable]:
    names = ("month", *FIGURES[:-1], "head_office", "multilateral_saved")
    cells: list[list[object]] = [[*heads(writer.texts(names), 1)]]
    heights = [2 * ROW_HEIGHT]
    for month in months:
        cells += [figures_row(month, writer), changes_row(month, writer)]
        heights += [ROW_HEIGHT, CHANGE_HEIGHT]
    widths = [MONTH_WIDTH, *[MONTH_FIGURE_WIDTH] * len(FIGURES), SAVES_WIDTH]
    table = number_table(cells, widths, heights, head_rows=1)
    for row in range(1, len(cells), 2):
        table.setStyle(
            [
                ("LINEBELOW", (0, row), (-1, row), 0, Color(1, 1, 1)),
                ("FONTSIZE", (0, row), (-1, row), 7.5),
                ("FONT", (0, row + 1), (-1, row + 1), REGULAR, CHANGE_SIZE),
                ("TEXTCOLOR", (0, row + 1), (-1, row + 1), GREY),
                ("VALIGN", (0, row + 1), (-1, row + 1), "TOP"),
            ]
        )
    return [
        CondPageBreak(200),
        paragraph(writer.text("months_title", count=len(months)), SECTION),
        table,
        Spacer(0, 3),
        paragraph(writer.text("months_note", currency=writer.currency), NOTE),
    ]


def figures_row(month: ComparedMonth, writer: Writer) -> list[object]:
    figures = month.figures
    points = [writer.language.number(getattr(figures, name)) for name in POINT_FIGURES]
    money = [getattr(figures, name) for name in MONEY_FIGURES]
    return [
        show_month(figures.month),
        *points,
        *(UNKNOWN if minor is None else writer.amount(minor) for minor in money),
        writer.percent(figures.saved),
    ]


def changes_row(month: ComparedMonth, writer: Writer) -> list[object]:
    changes = [month.changes.get(name) for name in FIGURES]
    shown = [
        writer.percent(change.share, signed=True) if change and change.share is not None else "" for change in changes
    ]
    return ["", *shown, ""]


def side_by_side(left: list[Flowable], right: list[Flowable]) -> Table:
    return Table([[left, "", right]], [LEFT_WIDTH, WIDTH - LEFT_WIDTH - RIGHT_WIDTH, RIGHT_WIDTH], style=FLUSH)


def cell(text: str, width: float) -> str | Paragraph:
    """A plain string, which a table draws far faster, unless the text has to wrap or change its font."""
    text = printable(text)
    fits = is_western(text) and stringWidth(text, REGULAR, TEXT_SIZE) <= width - CELL_PADDING
    return text if fits else paragraph(text, TEXT)
