"""What a settlement looks like to whoever renders it: plain values, no database.

Points and minor units are integers; signs as in `settlement.proposals.rules`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from settlement.netting.rules import Identity, StorePoints, Totals
from settlement.proposals.rules import Line, Position
from settlement.states.rules import FINAL, PROPOSED
from settlement.terms.rules import Calendar
from tenants.stores.rules import HEAD_OFFICE

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


@dataclass(frozen=True, kw_only=True)
class MonthHeading:
    """Which version of which month's settlement, and of whom.

    `as_of` is when it became what it is: proposed, or approved. `merkle_root` (32 bytes) is the month's.
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
    merkle_root: bytes | None

    @property
    def is_draft(self) -> bool:
        return self.state == PROPOSED

    @property
    def is_final(self) -> bool:
        return self.state in FINAL


@dataclass(frozen=True, kw_only=True)
class SettlementDocument(MonthHeading):
    """One version of a month's settlement: every position and line, and the issuing x redeeming matrix.

    `hq_funded` are the points that head office has issued itself. `rounding` (minor units) is what rounding has added
    to what head office takes in.
    """

    totals: Totals
    hq_net: int
    rounding: Decimal
    stores: tuple[StoreLine, ...]
    hq_funded: StorePoints | None
    lines: tuple[Line, ...]
    flows: tuple[Flow, ...]
    identities: tuple[Identity, ...]

    def codes(self) -> dict[UUID, str]:
        """By payer or payee, head office's too."""
        return {line.position.store_id: line.store_code for line in self.stores} | {self.tenant_id: HEAD_OFFICE}

    def names(self, head_office: str) -> dict[str, str]:
        """By code; head office's in the reader's language."""
        return {line.store_code: line.store_name for line in self.stores} | {HEAD_OFFICE: head_office}

    def lines_of(self, store_id: UUID) -> list[Line]:
        return [line for line in self.lines if store_id in (line.payer_id, line.payee_id)]


@dataclass(frozen=True)
class Names:
    """What the ids of a settlement stand for: codes by id, names of stores by code; of fees the basis, of rates the
    first day."""

    codes: Mapping[UUID, str]
    names: Mapping[str, str]
    fee_bases: Mapping[UUID, str]
    rate_begins: Mapping[UUID, date]


@dataclass(frozen=True, kw_only=True)
class StatementDocument:
    """One store's page of that month.

    `lines` are those that the store pays or is paid. `issued_reversed` and `recovered_reversed` are points that
    reversals took back of what was issued, or gave back of what was recovered, in this store: the position's own
    figures are without them.

    `opening_outstanding` and `closing_outstanding` are the store's own points, issued and not yet recovered
    anywhere nor expired; closing = opening + issued + borne - own points recovered anywhere - expired. `days` has a
    line for every day of the month, after those of earlier days that events came late from. `counter_flows`
    holds the flows with this store on either side, except with itself.
    """

    heading: MonthHeading
    calendar: Calendar
    content_hash: bytes
    names: Names
    line: StoreLine
    lines: tuple[Line, ...]
    issued_reversed: int
    recovered_reversed: int
    opening_outstanding: int
    own_points_recovered: int
    closing_outstanding: int
    days: tuple[DayLine, ...]
    counter_flows: tuple[Flow, ...]
    verification_url: str

    @property
    def store_id(self) -> UUID:
        return self.line.position.store_id


@dataclass(frozen=True, kw_only=True)
class AdviceDocument:
    """What a store's owner, or head office, is to pay the other: a leg of an approved settlement.

    `amount` (minor units): positive the store remits, negative it receives. `bank_account` is where to: head office's
    whole, a store's as far as it may be shown. With a `mandate` head office collects the amount itself, from that
    account.
    """

    heading: MonthHeading
    line: StoreLine
    leg_id: UUID
    amount: int
    due_on: date
    bank_account: str | None
    verification_url: str
    mandate: str | None = None
