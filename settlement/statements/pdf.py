"""One store's monthly statement on A4: what it pays or receives, and how that comes about.

The first page is complete in itself; the pages after it list the other stores.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache, partial
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

from reportlab import rl_config
from reportlab.lib.colors import HexColor
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    CondPageBreak,
    Flowable,
    KeepTogether,
    Paragraph,
    SimpleDocTemplate,
    Spacer,
    Table,
)

from settlement.proposals.rules import RECEIVE, REMIT
from settlement.statements.documents import DayLine, Flow, SettlementDocument, StatementDocument
from tenants.foundation.files import put_in_place
from tenants.foundation.money import minor_digits, show_money
from tenants.foundation.pdf_text import (
    BOLD,
    REGULAR,
    font_runs,
    is_western,
    printable,
    shortened,
)
from tenants.stores.service import HEAD_OFFICE

# Binary instead of ASCII 85 streams: files are a fifth smaller and written a tenth faster.
rl_config.useA85 = 0

# All lengths are in points, 1/72 inch.
PAGE_WIDTH, PAGE_HEIGHT = A4
MARGIN = 48.0
WIDTH = PAGE_WIDTH - 2 * MARGIN
FOOTER_HEIGHT = 34.0
TEXT_SIZE, SMALL_SIZE, LARGE_SIZE = 8.5, 7.5, 19.0
ROW_HEIGHT, DAY_ROW_HEIGHT, BAND_HEIGHT = 14.0, 11.0, 40.0
CELL_PADDING = 3.0

INK, GREY, RULE = HexColor("#1D2733"), HexColor("#5F6B7A"), HexColor("#C9D0D8")
ACCENT, PALE, BAND = HexColor("#1F4E79"), HexColor("#9DB7D0"), HexColor("#F1F4F8")

LEFT_WIDTH, RIGHT_WIDTH, DAYS_WIDTH = WIDTH * 0.42, WIDTH * 0.54, WIDTH * 0.56
CODE_WIDTH, COUNT_WIDTH = 74.0, 80.0
NAME_WIDTH = WIDTH - CODE_WIDTH - 3 * COUNT_WIDTH
PRODUCT_WIDTH = RIGHT_WIDTH - 80
WIDEST_CHARACTER = 0.584  # The plus sign, the widest of a number in Helvetica; in units of the font's size.

TEXT = ParagraphStyle("text", fontName=REGULAR, fontSize=TEXT_SIZE, leading=11, textColor=INK)
NOTE = ParagraphStyle("note", parent=TEXT, fontSize=SMALL_SIZE, leading=10, textColor=GREY)
SECTION = ParagraphStyle("section", parent=TEXT, fontName=BOLD, fontSize=10, leading=15, textColor=ACCENT)
STORE = ParagraphStyle("store", parent=TEXT, fontName=BOLD, fontSize=15, leading=18)
NETWORK = ParagraphStyle("network", parent=TEXT, fontName=BOLD, fontSize=10, leading=13, textColor=ACCENT)
KIND = ParagraphStyle("kind", parent=NETWORK, fontName=REGULAR, textColor=GREY, alignment=TA_RIGHT)

HEADLINES = {REMIT: "Remit to head office", RECEIVE: "Receive from head office"}

TIMES = "\N{MULTIPLICATION SIGN}"
NET_LABELS = {REMIT: "Net, to remit", RECEIVE: "Net, to receive"}
DAY_HEAD = ["Day", "Issued", "Recovered here", "Expired"]
COUNTER_HEAD = ["Store", "Name", "Own points\nrecovered there", "Their points\nrecovered here", "Difference"]
COUNTER_NOTE = (
    "Difference = own points recovered there, less their points recovered here. "
    "Every store settles with head office alone; nothing is paid from store to store."
)

EARLIER_NOTE = "Earlier: events of earlier months that arrived after those months had closed."


def write_statement_pdf(statement: StatementDocument, path: Path) -> None:
    """The same statement gives the same bytes. Raises `Unavailable` when the file system refuses."""
    settlement, line = statement.settlement, statement.line
    month = f"{settlement.month:%B %Y}"
    write_pdf(
        story_of(statement),
        path,
        footer=f"{month} · {line.store_code} {line.store_name} · {settlement.network_name}",
        title=f"Settlement statement {month}, {line.store_code} {line.store_name}",
        author=settlement.network_name,
        subject=f"{line.participant_name}, {month}",
    )


def write_pdf(story: list[Flowable], path: Path, *, footer: str, title: str, author: str, subject: str) -> None:
    """A4 pages with a footer that numbers them."""
    content = BytesIO()
    template = SimpleDocTemplate(
        content,
        pagesize=A4,
        leftMargin=MARGIN - 6,  # A frame pads its content by 6 points on each side.
        rightMargin=MARGIN - 6,
        topMargin=MARGIN - 12,
        bottomMargin=MARGIN + 4,
        title=title,
        author=author,
        subject=subject,
        creator="clearinghouse",
        invariant=1,
    )
    template.build(story, canvasmaker=partial(NumberedCanvas, footer=footer))
    put_in_place(path, content.getvalue())


def story_of(statement: StatementDocument) -> list[Flowable]:
    return [
        *heading(statement),
        Spacer(0, 10),
        amount_band(statement),
        Spacer(0, 12),
        side_by_side(outstanding_block(statement), amount_block(statement)),
        Spacer(0, 12),
        KeepTogether(days_block(statement)),
        Spacer(0, 12),
        *counter_store_block(statement),
    ]


class NumberedCanvas(Canvas):
    """Keeps the pages back until their number is known, then gives each its footer."""

    def __init__(self, *arguments: Any, footer: str, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.footer = footer
        self.pages: list[dict[str, Any]] = []

    def showPage(self) -> None:
        self.pages.append(dict(self.__dict__))
        self._startPage()

    def save(self) -> None:
        for number, page in enumerate(self.pages, start=1):
            self.__dict__.update(page)
            self.draw_footer(number)
            super().showPage()
        super().save()

    def draw_footer(self, number: int) -> None:
        page_of_pages = f"Page {number} of {len(self.pages)}"
        room = WIDTH - stringWidth(page_of_pages, REGULAR, SMALL_SIZE) - 16
        self.setStrokeColor(RULE)
        self.setLineWidth(0.5)
        self.line(MARGIN, FOOTER_HEIGHT + 12, MARGIN + WIDTH, FOOTER_HEIGHT + 12)
        self.setFillColor(GREY)
        self.setFont(REGULAR, SMALL_SIZE)
        self.drawRightString(MARGIN + WIDTH, FOOTER_HEIGHT, page_of_pages)
        footer = self.beginText(MARGIN, FOOTER_HEIGHT)
        for font, run in font_runs(shortened(self.footer, SMALL_SIZE, room), REGULAR):
            footer.setFont(font, SMALL_SIZE)
            footer.textOut(run)
        self.drawText(footer)


def heading(statement: StatementDocument) -> list[Flowable]:
    settlement, line = statement.settlement, statement.line
    closed_at = settlement.closed_at.astimezone(ZoneInfo(settlement.time_zone))
    facts = {
        "Participant": line.participant_name,
        "Month": f"{settlement.month:%B %Y}",
        "Closed at": f"{closed_at:%Y-%m-%d %H:%M} {settlement.time_zone}",
        "Currency": settlement.currency,
    }
    cells = [[paragraph(name, NOTE) for name in facts], [paragraph(value, TEXT) for value in facts.values()]]
    return [
        title_line(settlement.network_name, "Monthly settlement statement"),
        Spacer(0, 10),
        paragraph(f"{line.store_code} · {line.store_name}", STORE),
        Spacer(0, 6),
        Table(cells, [WIDTH * 0.38, WIDTH * 0.17, WIDTH * 0.33, WIDTH * 0.12], style=FACTS),
    ]


def title_line(network_name: str, kind: str) -> Table:
    cells = [[paragraph(network_name, NETWORK), paragraph(kind, KIND)]]
    return Table(cells, [WIDTH * 0.62, WIDTH * 0.38], style=[*FLUSH, ("LINEBELOW", (0, 0), (-1, -1), 0.8, ACCENT)])


def amount_band(statement: StatementDocument) -> Table:
    position, currency = statement.line.position, statement.settlement.currency
    words = HEADLINES.get(position.direction, "Nothing to settle")
    return headline_band(words, f"{currency} {show_money(abs(position.net), currency)}")


def headline_band(words: str, amount: str) -> Table:
    size = fitting_size(f"{words}   {amount}", BOLD, LARGE_SIZE, WIDTH - 28)
    words_width = stringWidth(words, BOLD, size) + 14
    style = [
        ("BACKGROUND", (0, 0), (-1, -1), BAND),
        ("LINEBEFORE", (0, 0), (0, -1), 3, ACCENT, "butt"),
        ("FONT", (0, 0), (-1, -1), BOLD, size),
        ("TEXTCOLOR", (0, 0), (-1, -1), INK),
        ("ALIGN", (1, 0), (1, 0), "RIGHT"),
        ("LEFTPADDING", (0, 0), (0, 0), 12),
        ("RIGHTPADDING", (0, 0), (0, 0), 0),
        ("RIGHTPADDING", (1, 0), (1, 0), CELL_PADDING),
        ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
    ]
    return Table([[words, amount]], [words_width, WIDTH - words_width], [BAND_HEIGHT], style=style)


def side_by_side(left: list[Flowable], right: list[Flowable]) -> Table:
    return Table([[left, "", right]], [LEFT_WIDTH, WIDTH - LEFT_WIDTH - RIGHT_WIDTH, RIGHT_WIDTH], style=FLUSH)


def outstanding_block(statement: StatementDocument) -> list[Flowable]:
    position = statement.line.position
    rows = [
        ["Opening outstanding", f"{statement.opening_outstanding:,}"],
        ["Issued", signed(position.issued)],
        ["Own points recovered anywhere", signed(-statement.own_points_recovered)],
        ["Expired", signed(-position.expired)],
        *([["Borne", signed(position.borne)]] if position.borne else []),
        ["Closing outstanding", f"{statement.closing_outstanding:,}"],
    ]
    return [
        paragraph("Points of this store, opening to closing", SECTION),
        number_table(rows, [LEFT_WIDTH - 80, 80], [ROW_HEIGHT] * len(rows), total_rows=1),
    ]


def amount_block(statement: StatementDocument) -> list[Flowable]:
    """What is received has a minus, so that the column adds up to the net."""
    position, currency = statement.line.position, statement.settlement.currency
    amounts = [
        ("Opening balance", position.opening),
        (f"To pay for {position.issued + position.borne:,} points", position.to_pay),
        (f"To receive for {position.recovered:,} points", -position.to_receive),
        ("Fees", position.fees),
        ("Tax", position.tax),
        ("Adjustments", position.adjustments),
        ("Disputed", position.disputed),
        ("Carried forward", position.carried_forward),
    ]
    shown = [[name, show_money(amount, currency)] for name, amount in amounts if amount]
    rows = [*shown, [NET_LABELS.get(position.direction, "Net"), show_money(position.net, currency)]]
    return [
        paragraph(f"How the amount comes about, in {currency}", SECTION),
        number_table(rows, [PRODUCT_WIDTH, RIGHT_WIDTH - PRODUCT_WIDTH], [ROW_HEIGHT] * len(rows), total_rows=1),
    ]


def days_block(statement: StatementDocument) -> list[Flowable]:
    month = statement.settlement.month
    days = with_earlier_days_as_one(month, statement.days)
    rows = [
        [f"{day.day:%a %d}" if day.day >= month else "Earlier", *(f"{count:,}" for count in counts_of(day))]
        for day in days
    ]
    totals = [f"{sum(column):,}" for column in zip(*map(counts_of, days), strict=True)]
    cells = [DAY_HEAD, *rows, ["Month", *totals]]
    heights = [DAY_ROW_HEIGHT] * len(cells)
    table = number_table(cells, [DAYS_WIDTH - 3 * 72, 72, 72, 72], heights, head_rows=1, total_rows=1)
    gap = 16
    bars = DayBars(days, WIDTH - DAYS_WIDTH - gap)
    has_earlier = days[0].day < month
    return [
        paragraph("The month by day, in points", SECTION),
        Table([[table, "", bars]], [DAYS_WIDTH, gap, WIDTH - DAYS_WIDTH - gap], style=FLUSH),
        *([paragraph(EARLIER_NOTE, NOTE)] if has_earlier else []),
    ]


def with_earlier_days_as_one(month: date, days: Sequence[DayLine]) -> list[DayLine]:
    """Late events can be of any day of earlier months: one line for all keeps the table on its page."""
    earlier = [counts_of(day) for day in days if day.day < month]
    in_month = [day for day in days if day.day >= month]
    if not earlier:
        return in_month
    issued, recovered, expired = (sum(column) for column in zip(*earlier, strict=True))
    return [DayLine(month - timedelta(days=1), issued, recovered, expired), *in_month]


def counts_of(day: DayLine) -> tuple[int, int, int]:
    return day.issued, day.recovered, day.expired


class DayBars(Flowable):
    """Two bars a day, each beside the row of its day in the table to the left."""

    def __init__(self, days: Sequence[DayLine], width: float) -> None:
        super().__init__()
        self.days = days
        self.width = width
        self.height = DAY_ROW_HEIGHT * (len(days) + 2)

    def wrap(self, *available: float) -> tuple[float, float]:
        return self.width, self.height

    def draw(self) -> None:
        counts = [count for day in self.days for count in (day.issued, day.recovered)]
        lowest, highest = min([0, *counts]), max([0, *counts])
        scale = self.width / max(highest - lowest, 1)
        zero = -lowest * scale
        self.draw_key()
        for number, day in enumerate(self.days, start=1):
            top = self.height - number * DAY_ROW_HEIGHT
            self.draw_bar(zero, top - 5.1, day.issued * scale, ACCENT)
            self.draw_bar(zero, top - 9.1, day.recovered * scale, PALE)
        self.canv.setStrokeColor(RULE)
        self.canv.setLineWidth(0.5)
        self.canv.line(zero, DAY_ROW_HEIGHT, zero, self.height - DAY_ROW_HEIGHT)

    def draw_key(self) -> None:
        left, base = 0.0, self.height - DAY_ROW_HEIGHT + 3.4
        for name, color in (("Issued", ACCENT), ("Recovered here", PALE)):
            self.draw_bar(left, base, 8, color)
            self.canv.setFillColor(GREY)
            self.canv.setFont(REGULAR, SMALL_SIZE)
            self.canv.drawString(left + 11, base - 0.8, name)
            left += 11 + stringWidth(name, REGULAR, SMALL_SIZE) + 12

    def draw_bar(self, left: float, base: float, length: float, color: HexColor) -> None:
        if length:
            self.canv.setFillColor(color)
            self.canv.rect(left, base, length, 3.6, stroke=0, fill=1)


@dataclass
class CounterStore:
    """Points that moved between this store and another one."""

    own_recovered_there: int = 0
    theirs_recovered_here: int = 0


def counter_store_block(statement: StatementDocument) -> list[Flowable]:
    counter_stores = by_counter_store(statement.counter_flows, statement.line.store_code)
    title = paragraph("Points that moved between this store and others", SECTION)
    if not counter_stores:
        return [title, paragraph("No points moved between this store and others in this month.", TEXT)]
    rows = counter_rows(statement.settlement, counter_stores)
    totals = counter_totals(statement, counter_stores.values())
    heights = [row_height(row[1]) for row in rows]
    table = number_table(
        [COUNTER_HEAD, *rows, *totals],
        [CODE_WIDTH, NAME_WIDTH, *[COUNT_WIDTH] * 3],
        [2 * ROW_HEIGHT, *heights, *[ROW_HEIGHT] * len(totals)],
        head_rows=1,
        total_rows=len(totals),
        text_columns=2,
    )
    return [CondPageBreak(130), title, paragraph(COUNTER_NOTE, NOTE), Spacer(0, 4), table]


def by_counter_store(flows: Iterable[Flow], own_code: str) -> dict[str, CounterStore]:
    counter_stores: dict[str, CounterStore] = defaultdict(CounterStore)
    for flow in flows:
        if flow.issuing_code == own_code:
            counter_stores[flow.redeeming_code].own_recovered_there += flow.points
        else:
            counter_stores[flow.issuing_code].theirs_recovered_here += flow.points
    return counter_stores


def counter_rows(settlement: SettlementDocument, counter_stores: dict[str, CounterStore]) -> list[list[Any]]:
    """By store code, with whoever is no store (head office) last."""
    names = {line.store_code: line.store_name for line in settlement.stores}
    return [
        [
            cell(code, CODE_WIDTH),
            cell(names.get(code, "Head office" if code == HEAD_OFFICE else ""), NAME_WIDTH),
            *three_numbers(counter_stores[code].own_recovered_there, counter_stores[code].theirs_recovered_here),
        ]
        for code in sorted(counter_stores, key=lambda code: (code not in names, code))
    ]


def counter_totals(statement: StatementDocument, counter_stores: Iterable[CounterStore]) -> list[list[str]]:
    """Ties the table to the first page: others + this store = what the first page says was recovered."""
    counter_stores = list(counter_stores)
    there = sum(counter_store.own_recovered_there for counter_store in counter_stores)
    here = sum(counter_store.theirs_recovered_here for counter_store in counter_stores)
    all_there, all_here = statement.own_points_recovered, statement.line.position.recovered
    return [
        ["Sum of the above", "", *three_numbers(there, here)],
        ["Own points recovered in this store", "", *three_numbers(all_there - there, all_here - here)],
        ["Total, as on page 1", "", *three_numbers(all_there, all_here)],
    ]


def three_numbers(there: int, here: int) -> list[str]:
    return [f"{there:,}", f"{here:,}", signed(there - here)]


FLUSH = [
    ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ("LEFTPADDING", (0, 0), (-1, -1), 0),
    ("RIGHTPADDING", (0, 0), (-1, -1), 0),
    ("TOPPADDING", (0, 0), (-1, -1), 0),
    ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
]
FACTS = [*FLUSH, ("RIGHTPADDING", (0, 0), (-1, -1), 10), ("BOTTOMPADDING", (0, 0), (-1, -1), 0)]
NUMBERS = [
    ("FONT", (0, 0), (-1, -1), REGULAR, TEXT_SIZE),
    ("TEXTCOLOR", (0, 0), (-1, -1), INK),
    ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
    ("LEFTPADDING", (0, 0), (-1, -1), 0),
    ("RIGHTPADDING", (0, 0), (-1, -1), CELL_PADDING),
    ("TOPPADDING", (0, 0), (-1, -1), 0),
    ("BOTTOMPADDING", (0, 0), (-1, -1), 0),
    ("LINEBELOW", (0, 0), (-1, -1), 0.25, RULE),
]


def number_table(
    rows: list[list[Any]],
    widths: list[float],
    heights: Sequence[float],
    *,
    head_rows: int = 0,
    total_rows: int = 0,
    text_columns: int = 1,
) -> Table:
    """Text columns, then right-aligned numbers; the head repeats on each page; of the totals the last is bold."""
    style: list[tuple[Any, ...]] = [
        *NUMBERS,
        ("ALIGN", (text_columns, 0), (-1, -1), "RIGHT"),
    ]
    if total_rows:
        style += [
            ("LINEABOVE", (0, -total_rows), (-1, -total_rows), 0.8, GREY),
            ("FONTNAME", (0, -1), (-1, -1), BOLD),
        ]
    if head_rows:
        style += [
            ("FONT", (0, 0), (-1, head_rows - 1), BOLD, SMALL_SIZE, SMALL_SIZE + 1.5),
            ("TEXTCOLOR", (0, 0), (-1, head_rows - 1), GREY),
            ("VALIGN", (0, 0), (-1, head_rows - 1), "BOTTOM"),
            ("BOTTOMPADDING", (0, 0), (-1, head_rows - 1), 2),
            ("LINEBELOW", (0, head_rows - 1), (-1, head_rows - 1), 0.8, GREY),
        ]
    for row, cells in enumerate(rows[head_rows:], start=head_rows):
        for column in range(text_columns, len(widths)):
            size = number_size(cells[column], widths[column])
            if size < TEXT_SIZE:
                style.append(("FONTSIZE", (column, row), (column, row), size))
    return Table(rows, widths, heights, style=style, repeatRows=head_rows, hAlign="LEFT")


def number_size(text: str, width: float) -> float:
    """Measures only what is long enough to be too wide: a table has thousands of cells."""
    if len(text) * TEXT_SIZE * WIDEST_CHARACTER <= width - 2 * CELL_PADDING:
        return TEXT_SIZE
    return fitting_size(text, BOLD, TEXT_SIZE, width - 2 * CELL_PADDING)


def fitting_size(text: str, font: str, size: float, width: float) -> float:
    """`size`, or the smaller one at which `text` is exactly as wide as `width`."""
    return min(size, size * width / stringWidth(text, font, size))


def signed(points: int) -> str:
    return f"{points:+,}" if points else "0"


def major_rate(rate: Decimal, currency: str) -> str:
    """A rate in minor units per point as a plain decimal in major units: `Decimal("1.50")` USD -> `0.015`."""
    text = f"{rate.scaleb(-minor_digits(currency)):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def paragraph(text: str, style: ParagraphStyle) -> Paragraph:
    """`text` as it is, never as markup, in as many fonts as it needs."""
    text = printable(text)
    if is_western(text):
        return Paragraph(escape(text), style)
    runs = font_runs(text, style.fontName)
    markup = "".join(f'<font name="{font}">{escape(run)}</font>' for font, run in runs)
    return Paragraph(markup, wrapping_anywhere(style))


@lru_cache
def wrapping_anywhere(style: ParagraphStyle) -> ParagraphStyle:
    """Chinese has no spaces to break a line at."""
    return ParagraphStyle(f"{style.name} anywhere", parent=style, wordWrap="CJK")


def cell(text: str, width: float) -> str | Paragraph:
    """A plain string, which a table draws far faster, unless the text has to wrap or change its font."""
    text = printable(text)
    fits = is_western(text) and stringWidth(text, REGULAR, TEXT_SIZE) <= width - CELL_PADDING
    return text if fits else paragraph(text, TEXT)


def row_height(name: str | Paragraph) -> float:
    return ROW_HEIGHT if isinstance(name, str) else name.wrap(NAME_WIDTH - CELL_PADDING, PAGE_HEIGHT)[1] + 4
