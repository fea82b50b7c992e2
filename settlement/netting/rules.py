"""From points to money: what each store pays for what it issued and is paid for what it recovered.

Points are integers, money is in integer minor units of the network's currency, rates are `Decimal` minor units
per point. A store that issues points makes a promise and funds it; a store that recovers points has kept a
promise and is paid for it; head office is the counterparty of every store.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from tenants.foundation.money import round_half_even

REMIT, RECEIVE, NONE = "remit", "receive", "none"


@dataclass(frozen=True)
class StorePoints:
    """What the ledger says of one store and month, in points.

    `issued` is net of what reversed accruals took back, `recovered` net of reversed redemptions, `expired` is of
    points that this store issued. Each can be negative in a month that reverses more than it posts.
    """

    store_id: UUID
    issued: int
    recovered: int
    expired: int


@dataclass(frozen=True)
class Position:
    """One store's month. `net` = `to_pay` - `to_receive`: positive remits to head office, negative receives."""

    store_id: UUID
    issued: int
    recovered: int
    expired: int
    to_pay: int
    to_receive: int

    @property
    def net(self) -> int:
        return self.to_pay - self.to_receive

    @property
    def net_points(self) -> int:
        return self.issued - self.recovered

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


def position_of(points: StorePoints, rates: Rates) -> Position:
    return Position(
        points.store_id,
        points.issued,
        points.recovered,
        points.expired,
        to_pay=round_half_even(points.issued * rates.funding),
        to_receive=round_half_even(points.recovered * rates.redemption),
    )


def total_of(positions: Iterable[Position], opening_outstanding: int, rates: Rates) -> Totals:
    positions = list(positions)
    issued = sum(p.issued for p in positions)
    recovered = sum(p.recovered for p in positions)
    expired = sum(p.expired for p in positions)
    net = sum(p.net for p in positions)
    return Totals(
        issued,
        recovered,
        expired,
        opening_outstanding,
        closing_outstanding=opening_outstanding + issued - recovered - expired,
        hq_net=-net,
        rounding=net - (issued * rates.funding - recovered * rates.redemption),
    )
