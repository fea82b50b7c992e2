from __future__ import annotations

from decimal import Decimal

from sqlalchemy import ForeignKeyConstraint, Numeric
from sqlalchemy.orm import Mapped, mapped_column

from tenants.foundation.columns import (
    Day,
    Key,
    Moment,
    OptionalDay,
    OptionalKey,
    OptionalMoment,
    OptionalWords,
    Rate,
    Words,
)
from tenants.foundation.database import Base


class FeeRow(Base):
    """A `settlement.proposals.rules.Fee`. What is withdrawn has never counted."""

    __tablename__ = "fees"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.networks.tenant_id"]),
        ForeignKeyConstraint(
            ["tenant_id", "participant_id"],
            ["tenants.participants.tenant_id", "tenants.participants.participant_id"],
        ),
        {"schema": "settlement"},
    )

    tenant_id: Mapped[Key]
    fee_id: Mapped[Key]
    code: Mapped[Words]
    participant_id: Mapped[OptionalKey]
    basis: Mapped[Words]
    rate: Mapped[Rate]
    tax_rate: Mapped[Decimal] = mapped_column(Numeric(9, 6))
    valid_from: Mapped[Day]
    valid_until: Mapped[OptionalDay]
    made_by: Mapped[Words]
    made_at: Mapped[Moment]
    withdrawn_by: Mapped[OptionalWords]
    withdrawn_at: Mapped[OptionalMoment]
