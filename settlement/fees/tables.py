from __future__ import annotations

from decimal import Decimal

from sqlalchemy import ForeignKeyConstraint, Numeric
from sqlalchemy.orm import Mapped, mapped_column

from tenants.foundation.columns import Key, Rate, Words
from tenants.foundation.database import Base
from tenants.validity.tables import Effective


class FeeRow(Effective, Base):
    """A `settlement.proposals.rules.Fee`. Two of the same code and participant never overlap, which an exclusion
    constraint holds."""

    __tablename__ = "fees"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.networks.tenant_id"]),
        ForeignKeyConstraint(
            ["tenant_id", "participant_id"],
            ["tenants.participants.tenant_id", "tenants.participants.participant_id"],
        ),
        {"schema": "settlement"},
    )

    fee_id: Mapped[Key]
    code: Mapped[Words]
    basis: Mapped[Words]
    rate: Mapped[Rate]
    tax_rate: Mapped[Decimal] = mapped_column(Numeric(9, 6))
