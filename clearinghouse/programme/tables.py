from __future__ import annotations

from decimal import Decimal

from sqlalchemy import ForeignKeyConstraint, Numeric, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tenants.foundation.columns import Key, Moment, Words
from tenants.foundation.database import Base


class ProgrammeVersion(Base):
    """A network's rules from `effective_from` on, until the next version's. Never changed once made."""

    __tablename__ = "versions"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.networks.tenant_id"]),
        UniqueConstraint("tenant_id", "effective_from"),
        {"schema": "programme"},
    )

    tenant_id: Mapped[Key]
    version: Mapped[int] = mapped_column(primary_key=True)
    effective_from: Mapped[Moment]
    base_rate: Mapped[Decimal] = mapped_column(Numeric(12, 6))
    redemption_value: Mapped[Decimal] = mapped_column(Numeric(12, 6))
    expiry_policy: Mapped[Words]
    created_at: Mapped[Moment]
