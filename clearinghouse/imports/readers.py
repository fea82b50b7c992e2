"""Purchases files, CSV or Parquet, read a piece at a time: memory does not grow with the file."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO, Protocol

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import types

from clearinghouse.imports.rules import COLUMNS, Cell, Rejection, Row, check_header
from tenants.foundation.errors import InvalidInput, NotFound

LINE_BYTES_MAX = 4096
PARQUET_BATCH_ROWS = 2_000
PARQUET_MAGIC = b"PAR1"
INTEGER_COLUMNS = frozenset({"amount", "redeem_points"})


class Source(Protocol):
    """An open file. `position` of `total` steps have been read: rows of a Parquet file, bytes of a CSV."""

    position: int
    total: int

    def rows(self) -> Iterator[Row | Rejection]: ...

    def close(self) -> None: ...


def open_source(path: Path) -> Source:
    """Raises `InvalidInput` or `NotFound` when it can't be a purchases file; no row has been read then."""
    if not path.is_file():
        raise NotFound(f"There is no file {path}.", code="file_unknown")
    with path.open("rb") as file:
        magic = file.read(len(PARQUET_MAGIC))
    return ParquetSource(path) if magic == PARQUET_MAGIC else CsvSource(path)


class CsvSource:
    """UTF-8, with or without a byte order mark, commas, one row a line.

    Read by lines and not by `csv.reader` alone, for which a quote that is never closed runs to the end of
    the file. No column may contain a line break, so nothing is lost.
    """

    def __init__(self, path: Path) -> None:
        self.total = path.stat().st_size
        self.position = 0
        self.file: BinaryIO = path.open("rb")
        try:
            self.names = self.read_header(self.file)
        except BaseException:
            self.file.close()
            raise

    def read_header(self, file: BinaryIO) -> list[str]:
        data = file.readline(LINE_BYTES_MAX)
        self.position += len(data)
        try:
            names = split(data.decode("utf-8-sig"))
        except (UnicodeDecodeError, csv.Error) as error:
            raise InvalidInput(
                f"The first line is neither Parquet nor CSV in UTF-8: {error}.", code="wrong_encoding"
            ) from error
        check_header(names)
        return names

    def close(self) -> None:
        self.file.close()

    def rows(self) -> Iterator[Row | Rejection]:
        place = {name: index for index, name in enumerate(self.names)}
        order = [place.get(name, len(self.names)) for name in COLUMNS]
        pick: Callable[[list[str]], tuple[str, ...]] = itemgetter(*order)
        for line, data in enumerate(self.lines(), start=2):
            if data.strip():
                yield self.parse(line, data, pick)

    def lines(self) -> Iterator[bytes]:
        """Each line; of one that is too long, the beginning."""
        while data := self.file.readline(LINE_BYTES_MAX + 1):
            self.position += len(data)
            rest = data
            while len(rest) > LINE_BYTES_MAX and not rest.endswith(b"\n"):
                rest = self.file.readline(LINE_BYTES_MAX + 1)
                self.position += len(rest)
            yield data

    def parse(self, line: int, data: bytes, pick: Callable[[list[str]], tuple[str, ...]]) -> Row | Rejection:
        if len(data) > LINE_BYTES_MAX:
            return Rejection(line, "line_too_long", f"The line has more than {LINE_BYTES_MAX} bytes.", ())
        try:
            fields = split(data.decode())
        except UnicodeDecodeError:
            return Rejection(line, "not_utf8", "The line is not UTF-8.", ())
        except csv.Error as error:
            return Rejection(line, "malformed_line", f"The line is not CSV: {error}.", ())
        if len(fields) != len(self.names):
            reason = f"The line has {len(fields)} fields, the header {len(self.names)}."
            return Rejection(line, "wrong_number_of_fields", reason, ())
        fields.append("")  # what `pick` takes for a column that the file does not have
        return Row(line, *pick(fields))


def split(text: str) -> list[str]:
    return next(csv.reader([text.rstrip("\r\n")], strict=True), [])


class ParquetSource:
    def __init__(self, path: Path) -> None:
        try:
            self.file = pq.ParquetFile(path)
        except (pa.ArrowInvalid, OSError) as error:
            raise InvalidInput(f"{path} is not a whole Parquet file: {error}", code="wrong_encoding") from error
        self.total: int = self.file.metadata.num_rows
        self.position = 0
        schema = self.file.schema_arrow
        try:
            check_header(schema.names)
            self.types = {name: type_read_as(name, schema.field(name).type) for name in schema.names}
        except InvalidInput:
            self.file.close()
            raise

    def close(self) -> None:
        self.file.close()

    def rows(self) -> Iterator[Row | Rejection]:
        names = [name for name in COLUMNS if name in self.types]
        try:
            for batch in self.file.iter_batches(PARQUET_BATCH_ROWS, columns=names):
                yield from self.rows_of(batch)
        except (pa.ArrowException, ValueError, OSError) as error:
            raise InvalidInput(
                f"The file can't be read after row {self.position}: {error}. What came before is posted.",
                code="damaged_file",
            ) from error

    def rows_of(self, batch: pa.RecordBatch) -> Iterator[Row]:
        start, empty = self.position, [None] * batch.num_rows
        columns = [self.cells(batch, name) if name in self.types else empty for name in COLUMNS]
        self.position += batch.num_rows
        for line, cells in enumerate(zip(*columns, strict=True), start + 1):
            yield Row(line, *cells)

    def cells(self, batch: pa.RecordBatch, name: str) -> list[Cell]:
        # Not safe: of a time in nanoseconds, the part below microseconds is dropped.
        cells: list[Cell] = batch.column(name).cast(self.types[name], safe=False).to_pylist()
        return cells


def type_read_as(name: str, stored: pa.DataType) -> pa.DataType:
    """Text is always good; numbers are for every column but the time, which may be a timestamp.

    Times are read in microseconds: from nanoseconds Arrow would make objects of pandas.
    """
    is_text = types.is_string(stored) or types.is_large_string(stored) or types.is_dictionary(stored)
    if types.is_timestamp(stored) and name == "occurred_at":
        return pa.timestamp("us", "UTC" if stored.tz else None)
    if types.is_integer(stored) and name in INTEGER_COLUMNS:
        return stored
    if is_text or (types.is_integer(stored) and name != "occurred_at"):
        return pa.string()
    if types.is_null(stored) or name not in COLUMNS:
        return stored
    raise InvalidInput(f"Column {name} has type {stored}, which can't be read.", code="wrong_columns")
