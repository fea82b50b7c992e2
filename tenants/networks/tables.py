from __future__ import annotations

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped

from tenants.foundation.columns import Count, Day, Key, Moment, Rate, Words
from tenants.foundation.database import Base


class Network(Base):
    """A franchise network, the tenant.

    `funding_rate` and `redemption_rate` are minor units of `currency` per point. Purchases up to
    `days_accepted_late` days old are accepted online; a month closes by itself `close_grace_days`
    days after its end.
    """

    __tablename__ = "networks"
    __table_args__ = (
        UniqueConstraint("code"),
        {"schema": "tenants"},
    )

    tenant_id: Mapped[Key]
    code: Mapped[Words]
    name: Mapped[Words]
    time_zone: Mapped[Words]
    currency: Mapped[Words]
    funding_rate: Mapped[Rate]
    redemption_rate: Mapped[Rate]
    opened_on: Mapped[Day]
    days_accepted_late: Mapped[Count]
    close_grace_days: Mapped[Count]
    created_at: Mapped[Moment]
