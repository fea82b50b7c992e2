"""A closed month in points: what each store issued, recovered and bears, and the sums that have to agree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID


@dataclass(frozen=True)
class StoreDay:
    """What the ledger says of one store and business date, in points.

    `issued` is net of what reversed accruals took back, `recovered` net of reversed redemptions, `expired` is of
    points that this store issued. `borne` are points that the store answers for as if it had issued them: spent ones
    that a return here could take back from nobody, and those of its offline redemptions that nothing covered. Each
    can be negative where more was reversed than posted.
    """

    store_id: UUID
    day: date
    issued: int
    recovered: int
    expired: int
    borne: int = 0


@dataclass(frozen=True)
class StorePoints:
    """One store's month, in points."""

    store_id: UUID
    issued: int
    recovered: int
    expired: int
    borne: int


@dataclass(frozen=True)
class Totals:
    """A month of the whole network, in points."""

    issued: int
    recovered: int
    expired: int
    borne: int
    opening_outstanding: int
    closing_outstanding: int


@dataclass(frozen=True)
class Identity:
    """A sum that has to be the same when it is reached by two ways."""

    name: str
    left: Decimal
    right: Decimal

    @property
    def holds(self) -> bool:
        return self.left == self.right


def sum_stores(store_ids: Iterable[UUID], days: Iterable[StoreDay]) -> list[StorePoints]:
    """One for every store, in the order given, also for one without points.

    After them comes whoever else the ledger names: head office, under the network's id, if it has
    funded points itself.
    """
    by_store: dict[UUID, list[StoreDay]] = {store_id: [] for store_id in store_ids}
    for day in days:
        by_store.setdefault(day.store_id, []).append(day)
    return [points_of(store_id, of_store) for store_id, of_store in by_store.items()]


def points_of(store_id: UUID, days: Iterable[StoreDay]) -> StorePoints:
    days = list(days)
    return StorePoints(
        store_id,
        issued=sum(day.issued for day in days),
        recovered=sum(day.recovered for day in days),
        expired=sum(day.expired for day in days),
        borne=sum(day.borne for day in days),
    )


def total_of(points: Iterable[StorePoints], opening_outstanding: int) -> Totals:
    points = list(points)
    issued = sum(p.issued for p in points)
    recovered = sum(p.recovered for p in points)
    expired = sum(p.expired for p in points)
    borne = sum(p.borne for p in points)
    return Totals(
        issued,
        recovered,
        expired,
        borne,
        opening_outstanding,
        closing_outstanding=opening_outstanding + issued + borne - recovered - expired,
    )


def prove_points(
    points: Iterable[StorePoints], totals: Totals, recovered_by_flows: Mapping[UUID, int], outstanding_by_lots: int
) -> list[Identity]:
    """The sums that must agree before a month's points are published. `recovered_by_flows` is by redeeming store."""
    recovered = {p.store_id: p.recovered for p in points}
    disagreeing = {
        store_id
        for store_id in recovered.keys() | recovered_by_flows.keys()
        if recovered.get(store_id, 0) != recovered_by_flows.get(store_id, 0)
    }
    return [
        Identity(
            "points outstanding by postings and by lots",
            Decimal(totals.closing_outstanding),
            Decimal(outstanding_by_lots),
        ),
        Identity("stores whose recovered points differ from the matrix", Decimal(len(disagreeing)), Decimal(0)),
    ]
