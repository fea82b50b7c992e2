"""PDFs of which one is made at a time, laid out by reportlab's own engine. Statements, of which there are thousands,
are drawn with `settlement.statements.paper`."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache, partial
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Table

from settlement.statements.paper import (
    ACCENT,
    BAND,
    CELL_PADDING,
    GREY,
    INK,
    LARGE_SIZE,
    LEFT,
    RULE,
    SMALL_SIZE,
    TEXT_SIZE,
    WIDTH,
    NumberedCanvas,
    fitting_size,
)
from tenants.foundation.files import put_in_place
from tenants.foundation.money import minor_digits
from tenants.foundation.pdf_text import BOLD, REGULAR, font_runs, is_western, printable

# Lengths are in points, 1/72 inch.
BAND_HEIGHT = 40.0
WIDEST_CHARACTER = 0.584  # The plus sign, the widest of a number in Helvetica; in units of the font's size.

TEXT = ParagraphStyle("text", fontName=REGULAR, fontSize=TEXT_SIZE, leading=11, textColor=INK)
NOTE = ParagraphStyle("note", parent=TEXT, fontSize=SMALL_SIZE, leading=10, textColor=GREY)
SECTION = ParagraphStyle("section", parent=TEXT, fontName=BOLD, fontSize=10, leading=15, textColor=ACCENT)
STORE = ParagraphStyle("store", parent=TEXT, fontName=BOLD, fontSize=15, leading=18)
NETWORK = ParagraphStyle("network", parent=TEXT, fontName=BOLD, fontSize=10, leading=13, textColor=ACCENT)
KIND = ParagraphStyle("kind", parent=NETWORK, fontName=REGULAR, textColor=GREY, alignment=TA_RIGHT)

FLUSH = [
    ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ("LEFTPADDING", (0, 0), (-1, -1), 0),
    ("RIGHTPADDING", (0, 0), (-1, -1), 0),
    ("TOPPADDING", (0, 0), (-1, -1), 0),
    ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
]
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


def write_pdf(
    story: list[Flowable],
    path: Path,
    *,
    footer: str,
    title: str,
    author: str,
    subject: str,
    page_of: str = "Page {number} of {count}",
) -> None:
    """A4 pages with a footer that numbers them."""
    content = BytesIO()
    template = SimpleDocTemplate(
        content,
        pagesize=A4,
        leftMargin=LEFT - 6,  # A frame pads its content by 6 points on each side.
        rightMargin=LEFT - 6,
        topMargin=LEFT - 12,
        bottomMargin=LEFT + 4,
        title=title,
        author=author,
        subject=subject,
        creator="clearinghouse",
        invariant=1,
    )
    template.build(story, canvasmaker=partial(NumberedCanvas, footer=footer, page_of=page_of))
    put_in_place(path, content.getvalue())


def title_line(network_name: str, kind: str) -> Table:
    cells = [[paragraph(network_name, NETWORK), paragraph(kind, KIND)]]
    return Table(cells, [WIDTH * 0.62, WIDTH * 0.38], style=[*FLUSH, ("LINEBELOW", (0, 0), (-1, -1), 0.8, ACCENT)])


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
