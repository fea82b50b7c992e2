from __future__ import annotations

from datetime import date
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tenants.foundation.columns import Day, Key, MonthKey, OptionalMoment, Points
from tenants.foundation.database import Base


class RollupMonth(Base):
    """Of this month's postings the sums hold those with ids below `below`.

    Stretches before the day `finished` are not summed again. `made_at` is when all others were, None until they have
    been once.
    """

    __tablename__ = "rollup_months"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.networks.tenant_id"]),
        {"schema": "settlement"},
    )

    tenant_id: Mapped[Key]
    month: Mapped[MonthKey]
    below: Mapped[UUID]
    finished: Mapped[Day]
    made_at: Mapped[OptionalMoment]


class RollupDay(Base):
    """A store's points of a settlement month and business date, of the postings whose ids were made on one UTC day
    (`stretch`) and that the month's sums hold.

    `issued`, `borne`, `recovered` as in `settlement.netting.rules.StoreDay`. `used` are points that this store had
    issued and any store recovered, `outstanding` is by how much points grew that it had issued and members hold, and
    `made_good` are those of `borne` that another store had issued.
    """

    __tablename__ = "rollup_days"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.networks.tenant_id"]),
        {"schema": "settlement"},
    )

    tenant_id: Mapped[Key]
    month: Mapped[MonthKey]
    stretch: Mapped[date] = mapped_column(primary_key=True)
    store_id: Mapped[Key]
    day: Mapped[date] = mapped_column(primary_key=True)
    issued: Mapped[Points]
    borne: Mapped[Points]
    made_good: Mapped[Points]
    recovered: Mapped[Points]
    used: Mapped[Points]
    outstanding: Mapped[Points]
