"""The rows that were not posted, and why, as a file that can be corrected and imported."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from clearinghouse.imports.rules import COLUMNS, REJECTION_COLUMNS, Cell, Rejection

SUFFIX = ".rejected.csv"


class RejectedRows:
    """`FILE.rejected.csv` beside FILE. It appears, or an older one vanishes, when the import is complete."""

    def __init__(self, path: Path) -> None:
        self.path = path.with_name(path.name + SUFFIX)
        self.partial = path.with_name(path.name + SUFFIX + ".partial")
        self.count = 0
        self.file = self.partial.open("w", encoding="utf-8", newline="")
        self.writer = csv.writer(self.file, lineterminator="\n")
        self.writer.writerow(REJECTION_COLUMNS + COLUMNS)

    def write(self, rejection: Rejection) -> None:
        self.count += 1
        cells = [show_cell(cell) for cell in rejection.cells] or [""] * len(COLUMNS)
        self.writer.writerow([rejection.line, rejection.code, rejection.reason, *cells])

    def publish(self) -> Path | None:
        """Where the rejected rows are; None when there are none."""
        self.file.close()
        if self.count:
            os.replace(self.partial, self.path)
            return self.path
        self.path.unlink(missing_ok=True)
        return None

    def close(self) -> None:
        self.file.close()
        self.partial.unlink(missing_ok=True)


@contextmanager
def rejected_rows(path: Path) -> Iterator[RejectedRows]:
    rejected = RejectedRows(path)
    try:
        yield rejected
    finally:
        rejected.close()


def show_cell(cell: Cell) -> str:
    if cell is None:
        return ""
    return cell.isoformat() if isinstance(cell, datetime) else str(cell)
