from __future__ import annotations

from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped

from settlement.states.tables import Stateful, reached
from tenants.foundation.columns import Day, Key, MinorUnits, Moment, OptionalWords, Words
from tenants.foundation.database import Base


class DisputeRow(Stateful, Base):
    """What a store does not accept of a line of its draft statement; `amount` is in the line's own direction.

    `line_key` names the line in every version of the month's settlement.
    """

    __tablename__ = "disputes"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "month"], ["settlement.windows.tenant_id", "settlement.windows.month"]),
        ForeignKeyConstraint(["tenant_id", "store_id"], ["tenants.stores.tenant_id", "tenants.stores.store_id"]),
        ForeignKeyConstraint(["tenant_id", "opened_by"], ["tenants.staff.tenant_id", "tenants.staff.staff_id"]),
        reached("dispute_id"),
        UniqueConstraint("tenant_id", "opened_by", "idempotency_key"),
        Index("disputes_month_idx", "tenant_id", "month"),
        {"schema": "settlement"},
    )

    dispute_id: Mapped[Key]
    month: Mapped[Day]
    store_id: Mapped[UUID]
    line_key: Mapped[Words]
    amount: Mapped[MinorUnits]
    reason: Mapped[Words]
    opened_by: Mapped[UUID]
    opened_at: Mapped[Moment]
    idempotency_key: Mapped[OptionalWords]
