from __future__ import annotations

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped

from tenants.foundation.columns import Count, Day, Key, Moment, Words
from tenants.foundation.database import Base


class Network(Base):
    """A franchise network, the tenant.

    Purchases up to `days_accepted_late` days old are accepted online; a month closes by itself
    `close_grace_days` days after its end.
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
    created_at: Mapped[Moment]
