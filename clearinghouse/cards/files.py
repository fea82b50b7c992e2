"""What stands on the cards of a batch, and its CSV for whoever prints them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tenants.foundation.csv_text import csv_bytes, text_cell

CSV_COLUMNS = ["number", "barcode", "printed", "label"]
GROUP_DIGITS = 4


@dataclass(frozen=True)
class LabelSheet:
    """What stands on the labels of a batch."""

    network_name: str
    label: str
    numbers: Sequence[str]


def printed(number: str) -> str:
    """`6290000000000014` -> `6290 0000 0000 0014`."""
    return " ".join(number[start : start + GROUP_DIGITS] for start in range(0, len(number), GROUP_DIGITS))


def cards_csv(sheet: LabelSheet) -> bytes:
    label = text_cell(sheet.label)
    return csv_bytes(CSV_COLUMNS, ([number, number, printed(number), label] for number in sheet.numbers))
