"""What all workbooks have in common: formats, the day they were made on, sums, paper."""

from __future__ import annotations

from datetime import UTC, datetime
from io import BytesIO
from typing import Any

from xlsxwriter import Workbook
from xlsxwriter.utility import xl_range, xl_rowcol_to_cell

from tenants.foundation.money import minor_digits

POINTS = "#,##0;-#,##0;0"
HEAD = {"bold": True, "bg_color": "#E8EDF2", "bottom": 1, "text_wrap": True, "valign": "top"}
TOTAL = {"bold": True, "top": 1}


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


def cell(row: int, column: int) -> str:
    name: str = xl_rowcol_to_cell(row, column)
    return name


def write_sum(sheet: Any, row: int, column: int, cells: tuple[int, int, int, int], value: float, style: Any) -> None:
    """A SUM over `cells`, or the plain value if there are none: a reversed range would include the sum."""
    first_row, first_column, last_row, last_column = cells
    if last_row < first_row or last_column < first_column:
        sheet.write_number(row, column, value, style)
    else:
        sheet.write_formula(row, column, f"=SUM({xl_range(*cells)})", style, value)


def print_on_wide_paper(sheet: Any) -> None:
    sheet.set_landscape()
    sheet.set_paper(9)
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0)
