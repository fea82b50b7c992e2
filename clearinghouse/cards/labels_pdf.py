"""A batch of cards as A4 sheets of labels with Code 128 barcodes, for whoever prints them.

The labels are 70 x 37 mm, three by eight a page without gaps: the common sheet of 24. Lengths are in points.
"""

from __future__ import annotations

from io import BytesIO

from reportlab.graphics.barcode.code128 import Code128
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas

from clearinghouse.cards.files import LabelSheet, printed
from tenants.foundation.pdf_text import BOLD, REGULAR, font_runs, shortened

PAGE_WIDTH, PAGE_HEIGHT = A4
COLUMNS, ROWS = 3, 8
LABEL_WIDTH, LABEL_HEIGHT = PAGE_WIDTH / COLUMNS, 37 * mm
TOP = PAGE_HEIGHT - (PAGE_HEIGHT - ROWS * LABEL_HEIGHT) / 2
TEXT_WIDTH_MAX = LABEL_WIDTH - 12 * mm
NAME_SIZE, NUMBER_SIZE, NOTE_SIZE = 9.0, 11.0, 6.0
NAME_Y, BARS_Y, NUMBER_Y, NOTE_Y = 29 * mm, 14 * mm, 8.5 * mm, 4.5 * mm
BAR_HEIGHT = 12 * mm
# The narrowest bar, 0.42 mm: five dots of a printer of 300 dpi, ten of 600, so that no bar is a dot too wide. The
# quiet zones of ten modules on each side have room in the label.
# (At 0.375 mm a scan of 150 dpi missed one in a hundred.)
MODULE = 5 * 72 / 300


def cards_pdf(sheet: LabelSheet) -> bytes:
    """The same batch gives the same bytes."""
    content = BytesIO()
    canvas = Canvas(content, A4, pageCompression=1, invariant=1)
    canvas.setTitle(f"Cards of {sheet.network_name}: {sheet.label}")
    canvas.setAuthor(sheet.network_name)
    canvas.setCreator("clearinghouse")
    name = shortened(sheet.network_name, NAME_SIZE, TEXT_WIDTH_MAX)
    note = shortened(sheet.label, NOTE_SIZE, TEXT_WIDTH_MAX)
    for index, number in enumerate(sheet.numbers):
        place = index % (COLUMNS * ROWS)
        if index and not place:
            canvas.showPage()
        row, column = divmod(place, COLUMNS)
        draw_label(canvas, column * LABEL_WIDTH, TOP - (row + 1) * LABEL_HEIGHT, name, number, note)
    canvas.save()
    return content.getvalue()


def draw_label(canvas: Canvas, left: float, bottom: float, name: str, number: str, note: str) -> None:
    middle = left + LABEL_WIDTH / 2
    draw_centred(canvas, middle, bottom + NAME_Y, name, NAME_SIZE, BOLD)
    draw_bars(canvas, middle, bottom + BARS_Y, number)
    draw_centred(canvas, middle, bottom + NUMBER_Y, printed(number), NUMBER_SIZE, REGULAR)
    draw_centred(canvas, middle, bottom + NOTE_Y, note, NOTE_SIZE, REGULAR)


def draw_bars(canvas: Canvas, middle: float, bottom: float, number: str) -> None:
    """As one path: ten thousand cards have 400,000 bars."""
    widths = modules(number)
    x = middle - sum(widths) * MODULE / 2
    bars = canvas.beginPath()
    for index, width in enumerate(widths):
        if index % 2 == 0:
            bars.rect(x, bottom, width * MODULE, BAR_HEIGHT)
        x += width * MODULE
    canvas.drawPath(bars, stroke=0, fill=1)


def modules(number: str) -> list[int]:
    """Widths of bars and spaces in turn, in modules, beginning and ending with a bar."""
    barcode = Code128(number)
    barcode.validate()
    barcode.encode()
    barcode.decompose()
    # Reportlab spells a bar of three modules `C` and a space of two `b`.
    return [ord(character.lower()) - ord("a") + 1 for character in barcode.decomposed]


def draw_centred(canvas: Canvas, middle: float, y: float, text: str, size: float, western_font: str) -> None:
    runs = font_runs(text, western_font)
    x = middle - sum(stringWidth(run, font, size) for font, run in runs) / 2
    for font, run in runs:
        canvas.setFont(font, size)
        canvas.drawString(x, y, run)
        x += stringWidth(run, font, size)
