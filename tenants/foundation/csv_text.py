"""CSV as everything here writes it: UTF-8, RFC 4180 with CRLF, one header row."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from io import StringIO

# A spreadsheet takes a cell that starts with = + - or @ for a formula, and runs it, also when they are as wide as
# Chinese characters. Where semicolons separate, as in German, whatever follows one is the start of a cell.
FORMULA_START = re.compile(r"(^|;)( *)(?=[=+\-@\t\r\uff1d\uff0b\uff0d\uff20])")


def text_cell(text: str) -> str:
    """The text, with an apostrophe wherever a spreadsheet would run what follows as a formula."""
    return FORMULA_START.sub(r"\1\2'", text)


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
