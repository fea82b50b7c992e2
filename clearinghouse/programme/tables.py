from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import ForeignKeyConstraint, Numeric, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from tenants.foundation.columns import Count, Key, Moment, OptionalBigInteger, Points, Words
from tenants.foundation.database import Base


class ProgrammeVersion(Base):
    """A network's rules from `effective_from` on, until the next version's. Never changed once made.

    `clearinghouse.programme.rules.Programme` says what each column means.
    """

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
    minimum_points: Mapped[Points]
    step_points: Mapped[Points]
    maximum_share: Mapped[Decimal] = mapped_column(Numeric(7, 6))
    return_policy: Mapped[Words]
    return_grace_days: Mapped[Count]
    offline_limit: Mapped[Points]
    offline_charged_to: Mapped[Words]
    pin_from: Mapped[OptionalBigInteger]
    code_from: Mapped[OptionalBigInteger]
    velocity_limits: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_at: Mapped[Moment]
