from __future__ import annotations

from sqlalchemy import ForeignKeyConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped

from tenants.foundation.columns import Count, Key, Moment, OptionalWords, Words
from tenants.foundation.database import Base


class CardBatch(Base):
    """Cards that were issued together, to be printed; `prefix` is what their numbers begin with."""

    __tablename__ = "card_batches"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.networks.tenant_id"]),
        UniqueConstraint("tenant_id", "idempotency_key"),
        {"schema": "tenants"},
    )

    tenant_id: Mapped[Key]
    batch_id: Mapped[Key]
    label: Mapped[Words]
    prefix: Mapped[Words]
    cards: Mapped[Count]
    idempotency_key: Mapped[OptionalWords]
    created_by: Mapped[Words]
    created_at: Mapped[Moment]
