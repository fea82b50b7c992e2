"""CSV as everything here writes it: UTF-8, RFC 4180 with CRLF, one header row."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from io import StringIO

# A spreadsheet takes a cell that starts with one of these for a formula, and runs it.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def text_cell(text: str) -> str:
    """The text, with an apostrophe before it where a spreadsheet would run it as a formula."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def csv_bytes(header: list[str], rows: Iterable[list[str]]) -> bytes:
    text = StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()


def csv_chunks(header: list[str], rows: Iterable[list[str]], rows_a_chunk: int = 1000) -> Iterator[bytes]:
    """The same a thousand rows at a time, for more of them than should be in memory."""
    text = StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(header)
    for number, row in enumerate(rows, start=1):
        writer.writerow(row)
        if number % rows_a_chunk == 0:
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()
    yield text.getvalue().encode()
