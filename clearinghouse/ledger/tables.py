"""The ledger as SQLAlchemy sees it: for reading only. What writes it is `sql/`, called by `service.py`."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Computed, Enum, ForeignKeyConstraint, Index, Numeric, SmallInteger, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from tenants.foundation.columns import (
    Bytes,
    Count,
    Day,
    Key,
    MinorUnits,
    Moment,
    MonthKey,
    OptionalBytes,
    OptionalWords,
    Points,
    Words,
)
from tenants.foundation.database import Base

TRANSFER_KINDS = (
    *("accrual", "redemption", "accrual_reversal", "redemption_reversal", "expiry"),
    *("hold", "capture", "void", "hold_expiry", "merge_out", "merge_in"),
)
ACCOUNT_KINDS = ("issued", "lot", "recovered", "expired", "deficit", "held", "borne", "moved")

transfer_kind = Enum(*TRANSFER_KINDS, name="transfer_kind", schema="ledger")
account_kind = Enum(*ACCOUNT_KINDS, name="account_kind", schema="ledger")


TRANSFER = ["ledger.transfers.tenant_id", "ledger.transfers.transfer_id"]


class Books(Base):
    """Months from `first_open_month` on are open; they close in turn.

    `events_wanted`: postings write to the outbox.
    """

    __tablename__ = "books"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.networks.tenant_id"]),
        {"schema": "ledger"},
    )

    tenant_id: Mapped[Key]
    first_open_month: Mapped[Day]
    events_wanted: Mapped[bool]


class Wallet(Base):
    """The one row of a member that a posting locks.

    In points: `balance` is what is left in all lots, `held` what holds have taken out of them for a while, `deficit`
    what the member owes. `last_code_step` is that of the newest wallet code that was used. A wallet whose member was
    merged into another is empty for ever.
    """

    __tablename__ = "wallets"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "member_id"], ["tenants.members.tenant_id", "tenants.members.member_id"]),
        {"schema": "ledger"},
    )

    tenant_id: Mapped[Key]
    member_id: Mapped[Key]
    balance: Mapped[Points]
    deficit: Mapped[Points]
    held: Mapped[Points]
    last_code_step: Mapped[Points]
    merged_into_member_id: Mapped[UUID | None]
    chain_length: Mapped[Points]
    chain_head: Mapped[Bytes]


class Transfer(Base):
    """One immutable event.

    `points` and `amount` are never negative: the kind tells which way they go. `deficit_change` is
    positive when the member came to owe points, negative when owed points were repaid. `refers_to_transfer_id` is the
    hold that was resolved, or the other half of a merge.
    """

    __tablename__ = "transfers"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "reverses_transfer_id"], TRANSFER),
        ForeignKeyConstraint(["tenant_id", "refers_to_transfer_id"], TRANSFER),
        Index("transfers_idempotency_key", "tenant_id", "terminal_id", "idempotency_key", unique=True),
        Index("transfers_order_key", "tenant_id", "store_id", "order_ref", "kind", unique=True),
        Index("transfers_chain_key", "tenant_id", "member_id", "sequence", unique=True),
        Index(
            "transfers_reverses_idx",
            "tenant_id",
            "reverses_transfer_id",
            postgresql_where=text("reverses_transfer_id IS NOT NULL"),
        ),
        Index("transfers_store_idx", "tenant_id", "store_id", "transfer_id"),
        {"schema": "ledger"},
    )

    tenant_id: Mapped[Key]
    transfer_id: Mapped[Key]
    kind: Mapped[str] = mapped_column(transfer_kind)
    member_id: Mapped[UUID]
    sequence: Mapped[Points]
    card_id: Mapped[UUID | None]
    store_id: Mapped[UUID | None]
    terminal_id: Mapped[UUID]
    order_ref: Mapped[OptionalWords]
    reverses_transfer_id: Mapped[UUID | None]
    refers_to_transfer_id: Mapped[UUID | None]
    amount: Mapped[MinorUnits]
    points: Mapped[Points]
    deficit_change: Mapped[Points]
    programme_version: Mapped[Count | None]
    occurred_at: Mapped[Moment]
    posted_at: Mapped[Moment]
    business_date: Mapped[Day]
    settlement_month: Mapped[Day]
    idempotency_key: Mapped[OptionalWords]
    request_hash: Mapped[OptionalBytes]
    available_after: Mapped[Points]
    deficit_after: Mapped[Points]
    hash: Mapped[Bytes]


class Lot(Base):
    """Points issued together: one funder, one expiry. `expires_on` is the last day they can be used."""

    __tablename__ = "lots"
    __table_args__ = (
        Index(
            "lots_consumption_idx",
            "tenant_id",
            "member_id",
            "expires_on",
            "issued_on",
            "lot_id",
            postgresql_where=text("is_open"),
        ),
        Index("lots_expiry_idx", "tenant_id", "expires_on", postgresql_where=text("is_open")),
        {"schema": "ledger"},
    )

    tenant_id: Mapped[Key]
    lot_id: Mapped[Key]
    member_id: Mapped[UUID]
    funder_id: Mapped[UUID]
    transfer_id: Mapped[UUID]
    issued_on: Mapped[Day]
    expires_on: Mapped[Day]
    points: Mapped[Points]
    remaining: Mapped[Points]
    expired: Mapped[Points]
    is_open: Mapped[bool] = mapped_column(Computed("remaining > 0", persisted=True))


class Posting(Base):
    """Points that moved from account `(source, source_id)` to account `(target, target_id)`.

    The id of an account is that of a store or the network (issued), a store (recovered, borne), a lot (lot, held,
    expired, moved) or a member (deficit, moved). `funder_id` is who issued the points that moved; `expires_on` is
    what the posting sets a lot's to, by opening it or by giving it a grace period.
    """

    __tablename__ = "postings"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "transfer_id"], TRANSFER),
        {"schema": "ledger", "postgresql_partition_by": "RANGE (settlement_month)"},
    )

    tenant_id: Mapped[Key]
    settlement_month: Mapped[MonthKey]
    transfer_id: Mapped[Key]
    line: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    business_date: Mapped[Day]
    source: Mapped[str] = mapped_column(account_kind)
    source_id: Mapped[UUID]
    target: Mapped[str] = mapped_column(account_kind)
    target_id: Mapped[UUID]
    funder_id: Mapped[UUID]
    points: Mapped[Points]
    expires_on: Mapped[Day | None]


class PurchaseLine(Base):
    """A line of a purchase, or under a reversal's id what came back of it. `rate`: points per minor unit."""

    __tablename__ = "purchase_lines"
    __table_args__ = (ForeignKeyConstraint(["tenant_id", "transfer_id"], TRANSFER), {"schema": "ledger"})

    tenant_id: Mapped[Key]
    transfer_id: Mapped[Key]
    line: Mapped[str] = mapped_column(Text, primary_key=True)
    amount: Mapped[MinorUnits]
    rate: Mapped[Decimal] = mapped_column(Numeric(20, 10))


class Hold(Base):
    """Points set aside: held, then captured, voided or expired, once. The id is that of its first transfer."""

    __tablename__ = "holds"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "hold_id"], TRANSFER),
        ForeignKeyConstraint(["tenant_id", "resolved_by"], TRANSFER),
        Index("holds_expiry_idx", "tenant_id", "expires_at", postgresql_where=text("state = 'held'")),
        Index("holds_member_idx", "tenant_id", "member_id", postgresql_where=text("state = 'held'")),
        {"schema": "ledger"},
    )

    tenant_id: Mapped[Key]
    hold_id: Mapped[Key]
    member_id: Mapped[UUID]
    state: Mapped[Words]
    expires_at: Mapped[Moment]
    resolved_by: Mapped[UUID | None]


class OutboxEvent(Base):
    """Something that others want to be told of: a transfer, or anything else by `type` and `payload`.

    Whoever has carried it on deletes it.
    """

    __tablename__ = "outbox"
    __table_args__ = {"schema": "ledger"}

    tenant_id: Mapped[Key]
    event_id: Mapped[Key]
    transfer_id: Mapped[UUID | None]
    type: Mapped[OptionalWords]
    payload: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    created_at: Mapped[Moment]
