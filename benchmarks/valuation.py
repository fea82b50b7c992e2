"""(g) Valuing 36 months of issue whose points live for 24, beyond the query that sums the postings."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime
from decimal import Decimal
from statistics import median
from uuid import UUID

from settlement.valuation.assumptions import Assumptions
from settlement.valuation.queries import Movements
from settlement.valuation.rules import Cell
from settlement.valuation.service import value
from settlement.windows.tables import Window
from tenants.foundation.months import add_months
from tenants.networks.tables import Network
from tenants.rates.rules import Rate, RateBook

FIRST, MONTHS, LIFE = date(2023, 1, 1), 36, 24
ISSUED = 3_000_000
ROUNDS = 50


def measure_valuation() -> float:
    """Milliseconds, the median of many."""
    movements, windows = make_movements(), make_windows()
    network = Network(code="bench", name="Bench", currency="USD")
    rates = RateBook([Rate(UUID(int=0), None, FIRST, None, Decimal(1), Decimal(1))])
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        value(network, windows, movements, rates, Assumptions())
        seconds.append(time.perf_counter() - start)
    return 1000 * median(seconds)


def make_movements() -> Movements:
    """What the query gives: half of each month's points is redeemed, the sooner the more; the rest expires."""
    cells = []
    for number in range(MONTHS):
        cohort, left = add_months(FIRST, number), ISSUED
        for age in range(min(LIFE + 1, MONTHS - number)):
            redeemed = left * (3 + (7 * number + age) % 5) // 200
            left -= redeemed
            expired = left if age == LIFE else 0
            last_day = add_months(cohort, LIFE) if age == 0 else None
            cells.append(
                Cell(cohort, add_months(cohort, age), ISSUED if age == 0 else 0, redeemed, expired, last_day)
            )
    return Movements(tuple(cells), {})


def make_windows() -> list[Window]:
    outstanding = sum(cell.issued - cell.redeemed - cell.expired for cell in make_movements().cells)
    return [
        Window(
            month=add_months(FIRST, number),
            published_at=datetime(2026, 1, 1, tzinfo=UTC),
            recovered=0,
            closing_outstanding=outstanding,
        )
        for number in range(MONTHS)
    ]
