from __future__ import annotations

from datetime import date

from sqlalchemy import ForeignKeyConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tenants.foundation.columns import Key, MonthKey, Points
from tenants.foundation.database import Base


class PositionRow(Base):
    """A published `settlement.netting.rules.StorePoints`; head office's own has the network's id as `store_id`."""

    __tablename__ = "positions"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "month"], ["settlement.windows.tenant_id", "settlement.windows.month"]),
        {"schema": "settlement"},
    )

    tenant_id: Mapped[Key]
    month: Mapped[MonthKey]
    store_id: Mapped[Key]
    issued: Mapped[Points]
    borne: Mapped[Points]
    recovered: Mapped[Points]
    expired: Mapped[Points]


class FlowRow(Base):
    """Points that a store recovered, in a month, of those that a funder issued in any month."""

    __tablename__ = "flows"
    __table_args__ = {"schema": "settlement"}

    tenant_id: Mapped[Key]
    month: Mapped[MonthKey]
    funder_id: Mapped[Key]
    redeeming_store_id: Mapped[Key]
    points: Mapped[Points]


class DayRow(Base):
    """A store's points of one business date in a published month."""

    __tablename__ = "days"
    __table_args__ = {"schema": "settlement"}

    tenant_id: Mapped[Key]
    month: Mapped[MonthKey]
    store_id: Mapped[Key]
    day: Mapped[date] = mapped_column(primary_key=True)
    issued: Mapped[Points]
    borne: Mapped[Points]
    recovered: Mapped[Points]
    expired: Mapped[Points]
