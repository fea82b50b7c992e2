from __future__ import annotations

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped

from tenants.foundation.columns import Count, Day, Key, Moment, OptionalCount, OptionalWords, Words
from tenants.foundation.database import Base


class Network(Base):
    """A franchise network, the tenant.

    Purchases up to `days_accepted_late` days old are accepted online; a month closes by itself
    `close_grace_days` days after its end. Phone numbers without a country code are of `phone_region` (ISO 3166).
    Members without points are erased `retention_months` months after their last activity; never without it.
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
    opened_on: Mapped[Day]
    days_accepted_late: Mapped[Count]
    close_grace_days: Mapped[Count]
    phone_region: Mapped[OptionalWords]
    retention_months: Mapped[OptionalCount]
    created_at: Mapped[Moment]
