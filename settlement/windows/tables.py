from __future__ import annotations

from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from settlement.states.tables import Stateful, reached
from tenants.foundation.columns import (
    Day,
    Moment,
    MonthKey,
    OptionalBigInteger,
    OptionalBytes,
    OptionalMoment,
    Words,
)
from tenants.foundation.database import Base


class Window(Stateful, Base):
    """A closed month of a network; open months have no row.

    The figures (points) and the identities that were proven are there once it has been published, and never change
    after. The days are its calendar: until when stores dispute its settlement, when that is to be approved, when head
    office collects and when it pays out. `merkle_root` (32 bytes) is over the hashes of all its transfers.
    """

    __tablename__ = "windows"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.networks.tenant_id"]),
        UniqueConstraint("tenant_id", "window_id"),
        reached("window_id"),
        {"schema": "settlement"},
    )

    month: Mapped[MonthKey]
    window_id: Mapped[UUID]
    closed_at: Mapped[Moment]
    closed_by: Mapped[Words]
    published_at: Mapped[OptionalMoment]
    dispute_until: Mapped[Day]
    approve_by: Mapped[Day]
    collect_on: Mapped[Day]
    pay_on: Mapped[Day]
    merkle_root: Mapped[OptionalBytes]
    issued: Mapped[OptionalBigInteger]
    borne: Mapped[OptionalBigInteger]
    recovered: Mapped[OptionalBigInteger]
    expired: Mapped[OptionalBigInteger]
    opening_outstanding: Mapped[OptionalBigInteger]
    closing_outstanding: Mapped[OptionalBigInteger]
    identities: Mapped[list[dict[str, str]] | None] = mapped_column(JSONB)
