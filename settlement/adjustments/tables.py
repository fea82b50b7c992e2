from __future__ import annotations

from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped

from tenants.foundation.columns import Day, Key, MinorUnits, Moment, OptionalKey, OptionalWords, Words
from tenants.foundation.database import Base


class AdjustmentRow(Base):
    """Money (minor units, more than zero) that a payer owes a payee because somebody decided so.

    It is settled with `settlement_month`, the first open month when it was made, and belongs to `origin_month`. Of
    what a dispute or a failed leg leaves, `reference` is the dispute's or the leg's id.
    """

    __tablename__ = "adjustments"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.networks.tenant_id"]),
        UniqueConstraint("tenant_id", "reference"),
        UniqueConstraint("tenant_id", "made_by", "idempotency_key"),
        Index("adjustments_month_idx", "tenant_id", "settlement_month"),
        {"schema": "settlement"},
    )

    tenant_id: Mapped[Key]
    adjustment_id: Mapped[Key]
    settlement_month: Mapped[Day]
    origin_month: Mapped[Day]
    payer_id: Mapped[UUID]
    payee_id: Mapped[UUID]
    amount: Mapped[MinorUnits]
    reason: Mapped[Words]
    note: Mapped[Words]
    reference: Mapped[OptionalKey]
    made_by: Mapped[Words]
    made_at: Mapped[Moment]
    idempotency_key: Mapped[OptionalWords]
