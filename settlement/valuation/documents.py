"""A valuation as whoever renders it sees it: plain values, no database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from settlement.valuation.assumptions import HEAD_OFFICE, Assumptions
from settlement.valuation.rules import CohortValue, Liability, Projection, Revenue, Triangle


@dataclass(frozen=True)
class Reconciliation:
    """The valuation's points against those of the published months.

    `outstanding` are those of the months of issue, `issued_later` what lots posted late, and issued after the month,
    have less by it, `owed` what members owe; together they are what the window has published. `recovered` is
    published; `beyond_lots` of it is no lot's: redeemed on credit, or borne by a store.
    """

    outstanding: int
    issued_later: int
    owed: int
    closing_outstanding: int
    recovered: int
    redeemed: int

    @property
    def holds(self) -> bool:
        return self.outstanding + self.issued_later - self.owed == self.closing_outstanding

    @property
    def beyond_lots(self) -> int:
        return self.recovered - self.redeemed


@dataclass(frozen=True)
class Valuation:
    """A network's points at the end of a published month.

    `prices` are the minor units deferred for a point of each cohort. `revenue` is None when the month before could
    not be valued without a stated final rate. `standard_error` is that of all expected redemptions, in points.
    """

    network_code: str
    network_name: str
    currency: str
    month: date
    published_at: datetime
    assumptions: Assumptions
    cost_per_point: Decimal
    prices: tuple[Decimal, ...]
    triangle: Triangle
    projection: Projection
    cohorts: tuple[CohortValue, ...]
    liability: Liability
    revenue: Revenue | None
    reconciliation: Reconciliation

    @property
    def is_breakage_kept(self) -> bool:
        return self.assumptions.breakage_to == HEAD_OFFICE

    @property
    def standard_error(self) -> int:
        return round(self.projection.total_error)

    def total(self, name: str) -> int:
        """The sum of a figure of the cohorts, like `issued`."""
        return sum(getattr(cohort, name) for cohort in self.cohorts)
