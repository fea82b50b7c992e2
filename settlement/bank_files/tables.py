from __future__ import annotations

from datetime import date
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from tenants.foundation.columns import Bytes, Count, Key, MinorUnits, Moment, Words
from tenants.foundation.database import Base


class BankFileRow(Base):
    """A camt.053 or camt.054 that has been read, so that it is known when it comes again.

    `account` is head office's, as the file has it. `others` are payments that are no leg's, `not_booked` are entries
    of legs that the bank has only announced.
    """

    __tablename__ = "bank_files"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.networks.tenant_id"]),
        UniqueConstraint("tenant_id", "sha256"),
        UniqueConstraint("tenant_id", "account", "kind", "message_id"),
        {"schema": "settlement"},
    )

    tenant_id: Mapped[Key]
    bank_file_id: Mapped[Key]
    name: Mapped[Words]
    kind: Mapped[Words]
    account: Mapped[Words]
    message_id: Mapped[Words]
    sha256: Mapped[Bytes]
    others: Mapped[Count]
    not_booked: Mapped[Count]
    read_by: Mapped[Words]
    read_at: Mapped[Moment]


class BankEntry(Base):
    """One booking of a leg in a bank's file, and what it did to the leg (`outcome`).

    `reference` is the bank's, `reason` why it was returned; both may be empty. `amount` is in minor units.
    """

    __tablename__ = "bank_entries"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "bank_file_id"], ["settlement.bank_files.tenant_id", "settlement.bank_files.bank_file_id"]
        ),
        ForeignKeyConstraint(["tenant_id", "leg_id"], ["settlement.legs.tenant_id", "settlement.legs.leg_id"]),
        Index("bank_entries_leg_idx", "tenant_id", "leg_id"),
        Index(
            "bank_entries_booking_key",
            *("tenant_id", "leg_id", "reference", "is_return"),
            unique=True,
            postgresql_where=text("outcome <> 'repeated' AND reference <> ''"),
        ),
        {"schema": "settlement"},
    )

    tenant_id: Mapped[Key]
    bank_file_id: Mapped[Key]
    entry: Mapped[int] = mapped_column(primary_key=True)
    leg_id: Mapped[UUID]
    is_return: Mapped[bool]
    amount: Mapped[MinorUnits]
    booked_on: Mapped[date | None]
    reference: Mapped[Words]
    reason: Mapped[Words]
    outcome: Mapped[Words]
