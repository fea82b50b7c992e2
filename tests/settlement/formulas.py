"""Calculates the formulas of a workbook, as a spreadsheet does: the few functions that ours use."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import numpy
from openpyxl import Workbook
from openpyxl.utils import range_boundaries

REFERENCE = re.compile(
    r"""("[^"]*")|(?:(?P<sheet>'(?:[^']|'')+'|[^\W\d][\w.]*)!)?(?P<cells>\$?[A-Z]{1,3}\$?\d+(?::\$?[A-Z]{1,3}\$?\d+)?)"""
)


class Calculator:
    """`formulas` and `values` are the same workbook, read with and without formulas."""

    def __init__(self, formulas: Workbook, values: Workbook) -> None:
        self.formulas = formulas
        self.values = values

    def differences(self) -> list[str]:
        """The cells whose kept value is not what their formula makes of the other kept values."""
        found = []
        for sheet in self.formulas:
            for row in sheet.iter_rows():
                for cell in row:
                    if cell.data_type == "f":
                        kept = self.values[sheet.title][cell.coordinate].value
                        made = self.calculate(sheet.title, cell.value)
                        if abs(made - kept) > 1e-9 * max(1.0, abs(kept)):
                            found.append(f"{sheet.title}!{cell.coordinate} {cell.value}: {made} is not {kept}")
        return found

    def calculate(self, sheet: str, formula: str) -> float:
        names = {
            name: getattr(self, name.lower()) for name in ("SUM", "ROUND", "ABS", "SUMIF", "SUMPRODUCT", "EXACT")
        }
        expression = REFERENCE.sub(lambda found: self.place(sheet, found), formula.removeprefix("="))
        return float(eval(expression, {"__builtins__": {}}, names | {"cells": self.cells}))

    def place(self, sheet: str, found: re.Match[str]) -> str:
        if found[1] is not None:
            return found[1]
        named = found["sheet"].strip("'").replace("''", "'") if found["sheet"] else sheet
        return f"cells({named!r}, {found['cells'].replace('$', '')!r})"

    def cells(self, sheet: str, cells: str) -> Any:
        left, top, right, bottom = range_boundaries(cells)
        rows = self.values[sheet].iter_rows(top, bottom, left, right, values_only=True)
        found = [value for row in rows for value in row]
        return numpy.array(found, dtype=object) if ":" in cells else found[0]

    def sum(self, cells: Any) -> float:
        return sum(numbers_in(cells))

    def round(self, number: float, digits: int) -> float:
        return float(Decimal(repr(float(number))).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP))

    def abs(self, number: float) -> float:
        return abs(number)

    def sumif(self, cells: Any, criterion: str) -> float:
        holds = {">0": lambda cell: cell > 0, "<0": lambda cell: cell < 0}[criterion]
        return sum(cell for cell in numbers_in(cells) if holds(cell))

    def exact(self, cells: Any, text: str) -> Any:
        return numpy.array([int(cell == text) for cell in listed(cells)], dtype=object)

    def sumproduct(self, cells: Any) -> float:
        return float(sum(listed(cells)))


def listed(cells: Any) -> list[Any]:
    """A range of one cell is no array."""
    return list(cells) if isinstance(cells, numpy.ndarray) else [cells]


def numbers_in(cells: Any) -> list[float]:
    return [cell for cell in listed(cells) if isinstance(cell, int | float)]
