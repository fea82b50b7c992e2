"""From points to money: what each store pays for what it issued and is paid for what it recovered.

Points are integers, money is in integer minor units of the network's currency, rates are `Decimal` minor units
per point. A store that issues points makes a promise and funds it; a store that recovers points has kept a
promise and is paid for it; head office is the counterparty of every store.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from tenants.foundation.money import round_half_even

REMIT, RECEIVE, NONE = "remit", "receive", "none"


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
class Position:
    """One store's month. `net` = `to_pay` - `to_receive`: positive remits to head office, negative receives."""

    store_id: UUID
    issued: int
    recovered: int
    expired: int
    borne: int
    to_pay: int
    to_receive: int

    @property
    def net(self) -> int:
        return self.to_pay - self.to_receive

    @property
    def net_points(self) -> int:
        return self.issued + self.borne - self.recovered

    @property
    def direction(self) -> str:
        return direction_of(self.net)


@dataclass(frozen=True)
class Rates:
    """Minor units per point: `funding` is charged to the issuer, `redemption` is paid to the redeemer."""

    funding: Decimal
    redemption: Decimal


@dataclass(frozen=True)
class Totals:
    """A month of the whole network: points, except `hq_net` and `rounding`, which are minor units.

    `hq_net` is head office's own line: negative when it takes in more than it pays out. `rounding` is what
    rounding each leg to whole minor units added to the sum of the stores' nets.
    """

    issued: int
    recovered: int
    expired: int
    borne: int
    opening_outstanding: int
    closing_outstanding: int
    hq_net: int
    rounding: Decimal


@dataclass(frozen=True)
class Identity:
    """A sum that has to be the same when it is reached by two ways."""

    name: str
    left: Decimal
    right: Decimal

    @property
    def holds(self) -> bool:
        return self.left == self.right


def direction_of(net: int) -> str:
    if net > 0:
        return REMIT
    return RECEIVE if net < 0 else NONE


def position_of(store_id: UUID, days: Iterable[StoreDay], rates: Rates) -> Position:
    days = list(days)
    issued = sum(day.issued for day in days)
    recovered = sum(day.recovered for day in days)
    borne = sum(day.borne for day in days)
    return Position(
        store_id,
        issued,
        recovered,
        expired=sum(day.expired for day in days),
        borne=borne,
        to_pay=round_half_even((issued + borne) * rates.funding),
        to_receive=round_half_even(recovered * rates.redemption),
    )


def net_stores(store_ids: Iterable[UUID], days: Iterable[StoreDay], rates: Rates) -> list[Position]:
    """A position for every store, in the order given, also for one without points.

    After them comes whoever else the ledger names: head office, under the network's id, if it has
    funded points itself.
    """
    by_store: dict[UUID, list[StoreDay]] = {store_id: [] for store_id in store_ids}
    for day in days:
        by_store.setdefault(day.store_id, []).append(day)
    return [position_of(store_id, of_store, rates) for store_id, of_store in by_store.items()]


def total_of(positions: Iterable[Position], opening_outstanding: int, rates: Rates) -> Totals:
    positions = list(positions)
    issued = sum(p.issued for p in positions)
    recovered = sum(p.recovered for p in positions)
    expired = sum(p.expired for p in positions)
    borne = sum(p.borne for p in positions)
    net = sum(p.net for p in positions)
    return Totals(
        issued,
        recovered,
        expired,
        borne,
        opening_outstanding,
        closing_outstanding=opening_outstanding + issued + borne - recovered - expired,
        hq_net=-net,
        rounding=net - ((issued + borne) * rates.funding - recovered * rates.redemption),
    )


def prove(
    positions: Iterable[Position],
    totals: Totals,
    flows: dict[tuple[UUID, UUID], int],
    outstanding_by_lots: int,
    rates: Rates,
) -> list[Identity]:
    """The sums that must agree before a month is published.

    With one rate for both ways the money identity reads: the sum of the nets is rate x (change in points
    outstanding + points expired), the float that head office holds against points not yet redeemed.
    """
    positions = list(positions)
    nets = sum(p.net for p in positions)
    recovered_by_store = {p.store_id: p.recovered for p in positions if p.recovered}
    recovered_by_flow: dict[UUID, int] = {}
    for (_, store_id), points in flows.items():
        recovered_by_flow[store_id] = recovered_by_flow.get(store_id, 0) + points
    disagreeing = {
        store_id
        for store_id in recovered_by_store.keys() | recovered_by_flow.keys()
        if recovered_by_store.get(store_id, 0) != recovered_by_flow.get(store_id, 0)
    }
    change = outstanding_by_lots - totals.opening_outstanding
    float_held = rates.funding * (change + totals.expired) + (rates.funding - rates.redemption) * totals.recovered
    return [
        Identity("stores' nets and head office sum to zero", Decimal(nets + totals.hq_net), Decimal(0)),
        Identity(
            "points outstanding by postings and by lots",
            Decimal(totals.closing_outstanding),
            Decimal(outstanding_by_lots),
        ),
        Identity(
            "sum of nets before rounding and rate x (change in outstanding by lots + expired)",
            nets - totals.rounding,
            float_held,
        ),
        Identity("stores whose recovered points differ from the matrix", Decimal(len(disagreeing)), Decimal(0)),
    ]
