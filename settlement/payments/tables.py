from __future__ import annotations

from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tenants.foundation.columns import (
    Bytes,
    Count,
    Day,
    Key,
    MinorUnits,
    Moment,
    OptionalBytes,
    OptionalWords,
    Words,
)
from tenants.foundation.database import Base


class PaymentFile(Base):
    """What a bank is told to pay or to collect for a settlement, byte for byte.

    `format` is `csv` or the pain's version; `scheme` is that of direct debits. `total` is in minor units. The content
    is read and written by `tenants.foundation.encryption`; a plain one is what the release before has written.
    """

    __tablename__ = "payment_files"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "settlement_id"],
            ["settlement.settlements.tenant_id", "settlement.settlements.settlement_id"],
        ),
        Index("payment_files_settlement_idx", "tenant_id", "settlement_id"),
        {"schema": "settlement"},
    )

    tenant_id: Mapped[Key]
    file_id: Mapped[Key]
    settlement_id: Mapped[UUID]
    direction: Mapped[Words]
    format: Mapped[Words]
    scheme: Mapped[OptionalWords]
    due_on: Mapped[Day]
    payments: Mapped[Count]
    total: Mapped[MinorUnits]
    made_by: Mapped[Words]
    made_at: Mapped[Moment]
    sha256: Mapped[Bytes]
    # Only whoever asks for the file itself reads it.
    content: Mapped[OptionalBytes] = mapped_column(deferred=True)
    content_encrypted: Mapped[OptionalBytes] = mapped_column(deferred=True)


class PaymentOrder(Base):
    """A leg in a payment file: the one for the leg's state change number `state_sequence`, which instructed it.

    `amount` is positive; the account is the one that the store's participant had then.
    """

    __tablename__ = "payment_orders"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "file_id"], ["settlement.payment_files.tenant_id", "settlement.payment_files.file_id"]
        ),
        ForeignKeyConstraint(["tenant_id", "leg_id"], ["settlement.legs.tenant_id", "settlement.legs.leg_id"]),
        ForeignKeyConstraint(
            ["tenant_id", "leg_id", "state_sequence", "state"],
            [
                "settlement.state_changes.tenant_id",
                "settlement.state_changes.subject_id",
                "settlement.state_changes.sequence",
                "settlement.state_changes.to_state",
            ],
        ),
        ForeignKeyConstraint(
            ["tenant_id", "bank_account_id"],
            ["tenants.bank_accounts.tenant_id", "tenants.bank_accounts.bank_account_id"],
        ),
        UniqueConstraint("tenant_id", "leg_id", "state_sequence"),
        {"schema": "settlement"},
    )

    tenant_id: Mapped[Key]
    file_id: Mapped[Key]
    leg_id: Mapped[Key]
    state_sequence: Mapped[Count]
    state: Mapped[Words]
    bank_account_id: Mapped[UUID]
    amount: Mapped[MinorUnits]
