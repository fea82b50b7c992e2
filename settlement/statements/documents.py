"""What a published month looks like to whoever renders it: plain values, no database.

Points and minor units are integers; signs as in `settlement.netting.rules`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from settlement.netting.rules import Identity, Position, Rates, Totals


@dataclass(frozen=True)
class StoreLine:
    """A store's position with the names that people know it by."""

    store_code: str
    store_name: str
    participant_name: str
    position: Position


@dataclass(frozen=True)
class Flow:
    """Points that `redeeming_code` recovered of those that `issuing_code` had issued (`HQ`: head office)."""

    issuing_code: str
    redeeming_code: str
    points: int


@dataclass(frozen=True)
class DayLine:
    """One day of one store, in points."""

    day: date
    issued: int
    recovered: int
    expired: int


@dataclass(frozen=True)
class SettlementDocument:
    """A published month of a network: every position and the issuing x redeeming matrix."""

    network_code: str
    network_name: str
    currency: str
    time_zone: str
    month: date
    closed_at: datetime
    published_at: datetime
    rates: Rates
    totals: Totals
    stores: tuple[StoreLine, ...]
    flows: tuple[Flow, ...]
    identities: tuple[Identity, ...]


@dataclass(frozen=True)
class StatementDocument:
    """One store's page of that month.

    `opening_outstanding` and `closing_outstanding` are the store's own points, issued and not yet recovered
    anywhere nor expired; closing = opening + issued + borne - own points recovered anywhere - expired. `days` has a
    line for every day of the month, after those of earlier days that events came late from. `counter_flows`
    holds the flows with this store on either side, except with itself.
    """

    settlement: SettlementDocument
    line: StoreLine
    opening_outstanding: int
    own_points_recovered: int
    closing_outstanding: int
    days: tuple[DayLine, ...]
    counter_flows: tuple[Flow, ...]
    store_id: UUID
