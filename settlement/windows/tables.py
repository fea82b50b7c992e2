from __future__ import annotations

from decimal import Decimal

from sqlalchemy import ForeignKeyConstraint, Numeric
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from tenants.foundation.columns import (
    Key,
    Moment,
    MonthKey,
    OptionalBigInteger,
    OptionalMoment,
    Rate,
    Words,
)
from tenants.foundation.database import Base


class Window(Base):
    """A closed month of a network; open months have no row.

    The rates are frozen when it closes. The figures (points; `hq_net` and `rounding` in minor units) and the
    identities that were proven are there once it has been published, and never change after.
    """

    __tablename__ = "windows"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.networks.tenant_id"]),
        {"schema": "settlement"},
    )

    tenant_id: Mapped[Key]
    month: Mapped[MonthKey]
    closed_at: Mapped[Moment]
    closed_by: Mapped[Words]
    published_at: Mapped[OptionalMoment]
    funding_rate: Mapped[Rate]
    redemption_rate: Mapped[Rate]
    issued: Mapped[OptionalBigInteger]
    borne: Mapped[OptionalBigInteger]
    recovered: Mapped[OptionalBigInteger]
    expired: Mapped[OptionalBigInteger]
    opening_outstanding: Mapped[OptionalBigInteger]
    closing_outstanding: Mapped[OptionalBigInteger]
    hq_net: Mapped[OptionalBigInteger]
    rounding: Mapped[Decimal | None] = mapped_column(Numeric(24, 6))
    identities: Mapped[list[dict[str, str]] | None] = mapped_column(JSONB)
