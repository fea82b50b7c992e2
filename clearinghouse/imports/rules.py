"""What a row of a purchases file must be like. Points are whole, money is in minor units."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from tenants.foundation.errors import InvalidInput
from tenants.foundation.luhn import is_card_number
from tenants.foundation.payment_cards import refuse_payment_cards

COLUMNS = ("order_ref", "store", "card", "occurred_at", "amount", "redeem_points")
OPTIONAL_COLUMNS = frozenset({"redeem_points"})
# What a file of rejected rows has in addition, so that one can be corrected and imported as it is.
REJECTION_COLUMNS = ("line", "code", "reason")

INTEGER_MAX = 2**53
INTEGER_DIGITS_MAX = len(str(INTEGER_MAX))
ORDER_REF_LENGTH_MAX = 64
CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f]")
DATE_AND_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d", re.ASCII)

Cell = str | int | datetime | None


class Row(NamedTuple):
    """As the file has it; `line` counts lines of a CSV, header included, or rows of a Parquet file."""

    line: int
    order_ref: Cell
    store: Cell
    card: Cell
    occurred_at: Cell
    amount: Cell
    redeem_points: Cell


class Rejection(NamedTuple):
    """A row that was not (wholly) posted; `cells` are its columns as far as they could be read."""

    line: int
    code: str
    reason: str
    cells: tuple[Cell, ...]


class Purchase(NamedTuple):
    """A row that passed the checks; `occurred_at` is in UTC, `business_date` in the network's time zone."""

    row: Row
    order_ref: str
    store_id: UUID
    card: str
    occurred_at: datetime
    business_date: date
    amount: int
    redeem_points: int


@dataclass(frozen=True)
class Conditions:
    """What rows are checked against: business dates from `since` on, moments up to `latest`."""

    stores: dict[str, UUID]
    zone: ZoneInfo
    since: date
    latest: datetime


def check_header(names: list[str]) -> None:
    """Columns may have any order; raises `InvalidInput` for one that is missing, unknown or there twice."""
    refuse_payment_cards("\n".join(names))
    missing = [name for name in COLUMNS if name not in names and name not in OPTIONAL_COLUMNS]
    unknown = [name for name in names if name not in COLUMNS + REJECTION_COLUMNS]
    twice = sorted({name for name in names if names.count(name) > 1})
    faults = [
        f"{what}: {', '.join(repr(name[:40]) for name in found[:10])}"
        for what, found in (("missing", missing), ("unknown", unknown), ("twice", twice))
        if found
    ]
    if faults:
        raise InvalidInput(
            f"The columns must be {', '.join(COLUMNS)} (the last may be left out). {'; '.join(faults)}.",
            code="wrong_columns",
        )


def check_row(row: Row, conditions: Conditions) -> Purchase:
    """Raises `InvalidInput`, whose code and message are why the row is rejected."""
    refuse_payment_cards("\n".join(str(cell) for cell in row[1:]))
    order_ref = check_order_ref(row.order_ref)
    store_id = conditions.stores.get(row.store) if isinstance(row.store, str) else None
    if store_id is None:
        raise InvalidInput(f"There is no store {show(row.store)} in this network.", code="store_unknown")
    card = check_card(row.card)
    occurred_at = parse_moment(row.occurred_at, conditions.zone)
    business_date = occurred_at.astimezone(conditions.zone).date()
    check_period(occurred_at, business_date, conditions)
    amount = parse_count("amount", row.amount)
    redeem_points = 0 if row.redeem_points in (None, "") else parse_count("redeem_points", row.redeem_points)
    return Purchase(row, order_ref, store_id, card, occurred_at, business_date, amount, redeem_points)


def check_order_ref(cell: Cell) -> str:
    if not isinstance(cell, str) or not 1 <= len(cell) <= ORDER_REF_LENGTH_MAX or CONTROL_CHARACTERS.search(cell):
        raise InvalidInput(
            f"order_ref must have 1 to {ORDER_REF_LENGTH_MAX} characters and no control characters.",
            code="order_ref_invalid",
        )
    return cell


def check_card(cell: Cell) -> str:
    if not isinstance(cell, str) or not is_card_number(cell):
        raise InvalidInput(
            f"{show(cell)} is not a card number: 8 to 19 digits, the last is the Luhn check digit.",
            code="card_number_invalid",
        )
    return cell


def parse_count(column: str, cell: Cell) -> int:
    """A whole number from 0 to 2^53."""
    count = cell if isinstance(cell, int) else -1
    if isinstance(cell, str) and cell.isascii() and cell.isdigit() and len(cell) <= INTEGER_DIGITS_MAX:
        count = int(cell)
    if not 0 <= count <= INTEGER_MAX:
        unit = "whole points" if column == "redeem_points" else "minor units"
        raise InvalidInput(
            f"{column} must be {unit}, an integer from 0 to 2^53, not {show(cell)}.", code=f"{column}_invalid"
        )
    return count


def parse_moment(cell: Cell, zone: ZoneInfo) -> datetime:
    """In UTC. A moment without UTC offset is a local time of `zone`."""
    try:
        moment = cell if isinstance(cell, datetime) else read_iso(cell)
        return from_local(moment, zone) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInput(
            f"occurred_at must be a date and a time like 2026-11-21T17:05:00-05:00, not {show(cell)}.",
            code="occurred_at_invalid",
        ) from None


def read_iso(cell: Cell) -> datetime:
    if not isinstance(cell, str) or not DATE_AND_TIME.match(cell):
        raise ValueError("not a date and a time")
    return datetime.fromisoformat(cell)


def from_local(local: datetime, zone: ZoneInfo) -> datetime:
    """A time that the clocks showed twice is the first of the two; one that they skipped is refused."""
    moment = local.replace(tzinfo=zone).astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) != local:
        raise InvalidInput(
            f"The clocks in {zone.key} skipped {local:%Y-%m-%d %H:%M}: give occurred_at with its UTC offset.",
            code="occurred_at_skipped",
        )
    return moment


def check_period(occurred_at: datetime, business_date: date, conditions: Conditions) -> None:
    if occurred_at > conditions.latest:
        raise InvalidInput("occurred_at lies in the future.", code="occurred_at_in_future")
    if business_date < conditions.since:
        raise InvalidInput(
            f"{business_date} is before {conditions.since}, the first day of this import (--since).",
            code="occurred_at_too_early",
        )


def show(cell: Cell) -> str:
    return repr(cell[:40]) if isinstance(cell, str) else "nothing" if cell is None else str(cell)
