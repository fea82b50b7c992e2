"""A4 pages drawn straight on a canvas: text that wraps, columns of numbers, tables that go on over pages.

Thousands of statements are drawn in a row. A layout engine that is told nothing beforehand takes several times as
long as this one, which knows every height and never measures a text twice. All lengths are in points, 1/72 inch; `y`
counts from the bottom of the page.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO

from reportlab import rl_config
from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas

from tenants.foundation.pdf_text import BOLD, REGULAR, font_runs, is_western, printable, shortened

# Binary instead of ASCII 85 streams: files are a fifth smaller and written a tenth faster.
rl_config.useA85 = 0

PAGE_WIDTH, PAGE_HEIGHT = A4
LEFT = 48.0
WIDTH = PAGE_WIDTH - 2 * LEFT
RIGHT = LEFT + WIDTH
TOP, BOTTOM = PAGE_HEIGHT - 42.0, 60.0
FOOTER_HEIGHT = 34.0
TEXT_SIZE, SMALL_SIZE, LARGE_SIZE = 8.5, 7.5, 19.0
LINE_HEIGHT, ROW_HEIGHT, HEAD_LINE_HEIGHT = 11.0, 14.0, 9.5
CELL_PADDING = 3.0

INK, GREY, RULE = HexColor("#1D2733"), HexColor("#5F6B7A"), HexColor("#C9D0D8")
ACCENT, PALE, BAND = HexColor("#1F4E79"), HexColor("#9DB7D0"), HexColor("#F1F4F8")
THIRD, WARNING, WATERMARK = HexColor("#D9A441"), HexColor("#A33A2A"), HexColor("#EEF0F3")

# What a line may be broken after: a Chinese, Japanese or Korean letter, or a space.
ASIAN = r"\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef"
BREAKABLE = re.compile(rf"[{ASIAN}]|[^\s{ASIAN}]+\s*|\s+")


class NumberedCanvas(Canvas):
    """Keeps the pages back until their number is known, then gives each its footer.

    `page_of` says where a page is among how many, with `{number}` and `{count}`.
    """

    def __init__(self, *arguments: object, footer: str, page_of: str = "Page {number} of {count}", **more: object):
        super().__init__(*arguments, **more)
        self.footer, self.page_of = footer, page_of
        self.pages: list[dict[str, object]] = []

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
        page_of_pages = self.page_of.format(number=number, count=len(self.pages))
        room = WIDTH - width_of(page_of_pages, REGULAR, SMALL_SIZE) - 16
        self.setStrokeColor(RULE)
        self.setLineWidth(0.5)
        self.line(LEFT, FOOTER_HEIGHT + 12, RIGHT, FOOTER_HEIGHT + 12)
        text = self.beginText(LEFT, FOOTER_HEIGHT)
        text.setFillColor(GREY)
        for font, run in font_runs(shortened(self.footer, SMALL_SIZE, room), REGULAR):
            text.setFont(font, SMALL_SIZE)
            text.textOut(run)
        text.setTextOrigin(RIGHT - width_of(page_of_pages, REGULAR, SMALL_SIZE), FOOTER_HEIGHT)
        for font, run in font_runs(page_of_pages, REGULAR):
            text.setFont(font, SMALL_SIZE)
            text.textOut(run)
        self.drawText(text)


@lru_cache(maxsize=50_000)
def units_of(text: str, font: str) -> float:
    """How wide the text is at size 1, whatever fonts it needs."""
    return sum(stringWidth(run, run_font, 1) for run_font, run in font_runs(text, font))


def width_of(text: str, font: str, size: float) -> float:
    return units_of(text, font) * size


def fitting_size(text: str, font: str, size: float, width: float) -> float:
    """`size`, or the smaller one at which `text` is exactly as wide as `width`."""
    wide = width_of(text, font, size)
    return size if wide <= width else size * width / wide


@lru_cache(maxsize=20_000)
def wrapped(text: str, font: str, size: float, width: float) -> tuple[str, ...]:
    """The text on as many lines as it takes, none wider than `width`; printable."""
    text = printable(text)
    if width_of(text, font, size) <= width:
        return (text,)
    lines = [""]
    for piece in BREAKABLE.findall(text):
        if width_of(lines[-1] + piece.rstrip(), font, size) <= width:
            lines[-1] += piece
            continue
        if lines[-1]:
            lines.append("")
        while width_of(piece.rstrip(), font, size) > width:
            fits = next(n for n in range(len(piece), 0, -1) if n == 1 or width_of(piece[:n], font, size) <= width)
            lines[-1:] = [piece[:fits], ""]
            piece = piece[fits:]
        lines[-1] += piece
    return tuple(line.rstrip() for line in lines)


@dataclass(frozen=True)
class Column:
    """Of a table. Text wraps and stands to the left; a number is never broken, but written smaller, to the right."""

    title: str
    width: float
    is_number: bool = True


class Paper:
    """One document. `y` is the baseline of what was written last; whoever draws moves it down."""

    def __init__(self, *, footer: str, page_of: str, title: str, author: str, subject: str) -> None:
        self.content = BytesIO()
        self.canvas = NumberedCanvas(
            self.content, pagesize=A4, invariant=1, pageCompression=1, footer=footer, page_of=page_of
        )
        self.canvas.setTitle(title)
        self.canvas.setAuthor(author)
        self.canvas.setSubject(subject)
        self.canvas.setCreator("clearinghouse")
        self.on_new_page: Callable[[], None] = lambda: None
        self.start_page()

    def start_page(self) -> None:
        self.words = self.canvas.beginText(LEFT, TOP)
        self.font_now: tuple[str, float] | None = None
        self.color_now: HexColor | None = None
        self.rules: dict[tuple[float, HexColor], list[tuple[float, float, float, float]]] = defaultdict(list)
        self.y = TOP

    def end_page(self) -> None:
        """What is drawn lies under what is written."""
        for (width, color), rules in self.rules.items():
            self.canvas.setLineWidth(width)
            self.canvas.setStrokeColor(color)
            self.canvas.lines(rules)
        self.canvas.drawText(self.words)
        self.canvas.showPage()

    def new_page(self) -> None:
        self.end_page()
        self.start_page()
        self.on_new_page()

    def need(self, height: float) -> None:
        """A new page, unless there is as much room on this one."""
        if self.y - height < BOTTOM:
            self.new_page()

    def finish(self) -> bytes:
        self.end_page()
        self.canvas.save()
        return self.content.getvalue()

    def write(
        self, x: float, y: float, text: str, font: str = REGULAR, size: float = TEXT_SIZE, color: HexColor = INK
    ) -> None:
        """One line from `x` on; printable text only."""
        self.words.setTextOrigin(x, y)
        if color is not self.color_now:
            self.words.setFillColor(color)
            self.color_now = color
        for run_font, run in [(font, text)] if is_western(text) else font_runs(text, font):
            if (run_font, size) != self.font_now:
                self.words.setFont(run_font, size)
                self.font_now = (run_font, size)
            self.words.textOut(run)

    def write_right(
        self, right: float, y: float, text: str, font: str = REGULAR, size: float = TEXT_SIZE, color: HexColor = INK
    ) -> None:
        self.write(right - width_of(text, font, size), y, text, font, size, color)

    def paragraph(
        self,
        text: str,
        font: str = REGULAR,
        size: float = TEXT_SIZE,
        color: HexColor = INK,
        width: float = WIDTH,
        x: float = LEFT,
        leading: float | None = None,
    ) -> None:
        """Goes on below itself, and leaves `y` at its last line."""
        leading = leading or size * 1.3
        for line in wrapped(text, font, size, width):
            self.y -= leading
            self.write(x, self.y, line, font, size, color)

    def section(self, title: str, x: float = LEFT) -> None:
        self.y -= 15
        self.write(x, self.y, title, BOLD, 10, ACCENT)
        self.y -= 4

    def line(self, x: float, y: float, right: float, width: float = 0.25, color: HexColor = RULE) -> None:
        self.rules[width, color].append((x, y, right, y))

    def box(self, x: float, y: float, width: float, height: float, color: HexColor) -> None:
        self.canvas.setFillColor(color)
        self.canvas.rect(x, y, width, height, stroke=0, fill=1)

    def watermark(self, text: str) -> None:
        self.canvas.saveState()
        self.canvas.translate(PAGE_WIDTH / 2, PAGE_HEIGHT / 2)
        self.canvas.rotate(52)
        size = fitting_size(text, BOLD, 150, 640)
        mark = self.canvas.beginText(-width_of(text, BOLD, size) / 2, -size / 3)
        mark.setFillColor(WATERMARK)
        for font, run in font_runs(text, BOLD):
            mark.setFont(font, size)
            mark.textOut(run)
        self.canvas.drawText(mark)
        self.canvas.restoreState()

    def table(
        self,
        columns: Sequence[Column],
        rows: Iterable[Sequence[str]],
        totals: Sequence[Sequence[str]] = (),
        x: float = LEFT,
        row_height: float = ROW_HEIGHT,
    ) -> None:
        """Goes on over pages, with its head on each. Of the totals the last is bold, and all are on one page."""
        has_head = any(column.title for column in columns)
        if has_head:
            self.table_head(columns, x)
        right = x + sum(column.width for column in columns)
        for row in rows:
            self.table_row(columns, row, x, row_height, has_head)
            self.line(x, self.y, right)
        if totals:
            self.table_break(columns, x, has_head, row_height * len(totals))
            self.line(x, self.y, right, 0.8, GREY)
        for number, row in enumerate(totals, start=1):
            self.table_row(columns, row, x, row_height, has_head, BOLD if number == len(totals) else REGULAR)
            self.line(x, self.y, right)

    def table_break(self, columns: Sequence[Column], x: float, has_head: bool, height: float) -> None:
        if self.y - height < BOTTOM:
            self.new_page()
            if has_head:
                self.table_head(columns, x)

    def table_head(self, columns: Sequence[Column], x: float) -> None:
        titles = [wrapped(column.title, BOLD, SMALL_SIZE, column.width - CELL_PADDING) for column in columns]
        height = max(map(len, titles)) * HEAD_LINE_HEIGHT + 5
        left = x
        for column, lines in zip(columns, titles, strict=True):
            for number, line in enumerate(reversed(lines)):
                y = self.y - height + 4 + number * HEAD_LINE_HEIGHT
                if column.is_number:
                    self.write_right(left + column.width - CELL_PADDING, y, line, BOLD, SMALL_SIZE, GREY)
                else:
                    self.write(left, y, line, BOLD, SMALL_SIZE, GREY)
            left += column.width
        self.y -= height
        self.line(x, self.y, left, 0.8, GREY)

    def table_row(
        self,
        columns: Sequence[Column],
        row: Sequence[str],
        x: float,
        row_height: float,
        has_head: bool,
        font: str = REGULAR,
    ) -> None:
        texts = [
            () if column.is_number else wrapped(text, font, TEXT_SIZE, column.width - CELL_PADDING)
            for column, text in zip(columns, row, strict=True)
        ]
        height = row_height + LINE_HEIGHT * (max([1, *map(len, texts)]) - 1)
        self.table_break(columns, x, has_head, height)
        baseline = self.y - row_height / 2 - 0.35 * TEXT_SIZE
        left = x
        for column, text, lines in zip(columns, row, texts, strict=True):
            if column.is_number and text:
                size = fitting_size(text, font, TEXT_SIZE, column.width - 2 * CELL_PADDING)
                self.write_right(left + column.width - CELL_PADDING, baseline, text, font, size)
            for number, line in enumerate(lines):
                if line:
                    self.write(left, baseline - number * LINE_HEIGHT, line, font)
            left += column.width
        self.y -= height

    def code(self, x: float, y: float, size: float, matrix: Sequence[Sequence[int]], url: str) -> None:
        """A QR code of the matrix, which includes its quiet zone; a click on it leads to `url`."""
        module = size / len(matrix)
        self.canvas.saveState()
        self.canvas.setFillColor(INK)
        self.canvas.translate(x, y)
        self.canvas.scale(module, module)
        # In whole numbers of modules, and so written without reportlab's slow spelling of fractions.
        rectangles = [
            f"{start} {height} {length} 1 re"
            for height, row in enumerate(reversed(matrix))
            for start, length in dark_runs(row)
        ]
        self.canvas.addLiteral(" ".join([*rectangles, "f"]))
        self.canvas.restoreState()
        self.canvas.linkURL(url, (x, y, x + size, y + size))


def dark_runs(row: Sequence[int]) -> Iterable[tuple[int, int]]:
    """(start, length) of each run of dark modules."""
    return ((found.start(), found.end() - found.start()) for found in re.finditer(b"[^\0]+", bytes(row)))
