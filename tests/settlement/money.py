"""Months in numbers that fit on a line, for the tests of the rules of money."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from settlement.fees.rules import Fee
from settlement.netting.rules import StoreDay
from settlement.proposals.rules import Line, Month
from settlement.terms.rules import POOLED
from tenants.rates.rules import Rate, RateBook

HQ = UUID(int=1000)
A, B, C = UUID(int=1), UUID(int=2), UUID(int=3)
NAMES = {HQ: "HQ", A: "A", B: "B", C: "C"}
OWNERS = {A: UUID(int=101), B: UUID(int=102), C: UUID(int=103)}
JANUARY = date(2026, 1, 1)
LONG_AGO = date(2025, 1, 1)


def day(number: int) -> date:
    """Of January; from zero on backwards, of December."""
    return date.fromordinal(JANUARY.toordinal() + number - 1)


def rate(
    funding: str | Decimal,
    redemption: str | Decimal,
    begins: date = LONG_AGO,
    ends: date | None = None,
    whose: UUID | None = None,
    number: int = 1,
) -> Rate:
    participant_id = None if whose is None else OWNERS[whose]
    return Rate(UUID(int=10_000 + number), participant_id, begins, ends, Decimal(funding), Decimal(redemption))


def fee(basis: str, price: str, tax: str = "0", code: str = "f", whose: UUID | None = None, **more: Any) -> Fee:
    number = more.pop("number", 1)
    days = {"valid_from": LONG_AGO, "valid_until": None, **more}
    participant_id = None if whose is None else OWNERS[whose]
    return Fee(UUID(int=20_000 + number), code, participant_id, basis, Decimal(price), Decimal(tax), **days)


def a_month(days: Iterable[StoreDay] = (), rates: Iterable[Rate] = (), **more: Any) -> Month:
    common = {"model": POOLED, "minimum_payout": 0, "participants": OWNERS, **more}
    book = RateBook([*rates] or [rate("1", "1")])
    return Month(HQ, JANUARY, days=list(days), rates=book, **common)


def told(line: Line) -> tuple[str, str, str, int]:
    return line.kind, NAMES[line.payer_id], NAMES[line.payee_id], line.amount


def lines_told(lines: Iterable[Line]) -> list[tuple[str, str, str, int]]:
    return [told(line) for line in lines]
