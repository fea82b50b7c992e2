from __future__ import annotations

from uuid import UUID

from sqlalchemy import Computed, ForeignKeyConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tenants.foundation.columns import (
    Count,
    Key,
    MinorUnits,
    Moment,
    OptionalCount,
    OptionalKey,
    OptionalWords,
    Words,
)
from tenants.foundation.database import Base

DEPOSITS = "settlement.deposits"


class DepositRow(Base):
    """A movement of what a store has lodged with head office; `settlement.deposits.rules` has the kinds.

    `amount` (minor units) is positive when lodged, else negative; `balance` is what the store has lodged after it,
    and goes on from that of the movement before. `reference` is the bank's, `leg_id` the payment it was used for.
    """

    __tablename__ = "deposits"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "store_id"], ["tenants.stores.tenant_id", "tenants.stores.store_id"]),
        ForeignKeyConstraint(["tenant_id", "leg_id"], ["settlement.legs.tenant_id", "settlement.legs.leg_id"]),
        ForeignKeyConstraint(
            ["tenant_id", "store_id", "after_sequence", "balance_before"],
            [f"{DEPOSITS}.tenant_id", f"{DEPOSITS}.store_id", f"{DEPOSITS}.sequence", f"{DEPOSITS}.balance"],
        ),
        UniqueConstraint("tenant_id", "store_id", "sequence"),
        UniqueConstraint("tenant_id", "store_id", "sequence", "balance"),
        UniqueConstraint("tenant_id", "store_id", "kind", "reference"),
        {"schema": "settlement"},
    )

    tenant_id: Mapped[Key]
    deposit_id: Mapped[Key]
    store_id: Mapped[UUID]
    sequence: Mapped[Count]
    after_sequence: Mapped[OptionalCount] = mapped_column(Computed("NULLIF(sequence, 1) - 1", persisted=True))
    kind: Mapped[Words]
    amount: Mapped[MinorUnits]
    balance_before: Mapped[MinorUnits]
    balance: Mapped[MinorUnits]
    reference: Mapped[OptionalWords]
    leg_id: Mapped[OptionalKey]
    made_by: Mapped[Words]
    made_at: Mapped[Moment]
