from __future__ import annotations

from sqlalchemy import ForeignKeyConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tenants.foundation.columns import Count, Key, MinorUnits, Moment, MonthKey, Words
from tenants.foundation.database import Base


class TermsRow(Base):
    """How a network settles from a month on: `settlement.terms.rules.Terms`. Never changed; of a month the newest
    version counts."""

    __tablename__ = "terms"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.networks.tenant_id"]),
        {"schema": "settlement"},
    )

    tenant_id: Mapped[Key]
    from_month: Mapped[MonthKey]
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    model: Mapped[Words]
    minimum_payout: Mapped[MinorUnits]
    dispute_days: Mapped[Count]
    approval_days: Mapped[Count]
    collection_days: Mapped[Count]
    payout_days: Mapped[Count]
    made_by: Mapped[Words]
    made_at: Mapped[Moment]
