"""What a settlement looks like to whoever renders it: plain values, no database.

Points and minor units are integers; signs as in `settlement.proposals.rules`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from settlement.netting.rules import Identity, StorePoints, Totals
from settlement.proposals.rules import Line, Position
from settlement.states.rules import PROPOSED
from tenants.stores.service import HEAD_OFFICE

# Of a position, in the order of files.
POINT_COLUMNS = ("issued", "recovered", "expired", "borne", "net_points")
MONEY_COLUMNS = (
    "opening",
    "to_pay",
    "to_receive",
    "fees",
    "tax",
    "adjustments",
    "disputed",
    "carried_forward",
    "net",
)


@dataclass(frozen=True)
class StoreLine:
    """A store's position with the names that people know it by."""

    store_code: str
    store_name: str
    participant_name: str
    position: Position

    @property
    def points(self) -> list[int]:
        return [getattr(self.position, name) for name in POINT_COLUMNS]

    @property
    def money(self) -> list[int]:
        """Minor units."""
        return [getattr(self.position, name) for name in MONEY_COLUMNS]


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
    """One version of a month's settlement: every position and line, and the issuing x redeeming matrix.

    `as_of` is when it became what it is: proposed, or approved. `hq_funded` are the points that head office has
    issued itself. `rounding` (minor units) is what rounding has added to what head office takes in.
    """

    tenant_id: UUID
    network_code: str
    network_name: str
    currency: str
    time_zone: str
    month: date
    closed_at: datetime
    settlement_id: UUID
    version: int
    state: str
    model: str
    proposed_by: str
    approved_by: str | None
    as_of: datetime
    totals: Totals
    hq_net: int
    rounding: Decimal
    stores: tuple[StoreLine, ...]
    hq_funded: StorePoints | None
    lines: tuple[Line, ...]
    flows: tuple[Flow, ...]
    identities: tuple[Identity, ...]
    merkle_root: bytes | None

    def codes(self) -> dict[UUID, str]:
        """By payer or payee, head office's too."""
        return {line.position.store_id: line.store_code for line in self.stores} | {self.tenant_id: HEAD_OFFICE}

    def names(self, head_office: str) -> dict[str, str]:
        """By code; head office's in the reader's language."""
        return {line.store_code: line.store_name for line in self.stores} | {HEAD_OFFICE: head_office}

    @property
    def is_draft(self) -> bool:
        return self.state == PROPOSED

    def lines_of(self, store_id: UUID) -> list[Line]:
        return [line for line in self.lines if store_id in (line.payer_id, line.payee_id)]


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
