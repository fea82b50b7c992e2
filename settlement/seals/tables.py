from __future__ import annotations

from sqlalchemy import ForeignKeyConstraint
from sqlalchemy.orm import Mapped

from tenants.foundation.columns import Bytes, Key, MonthKey, Points
from tenants.foundation.database import Base


class SealRow(Base):
    """What a store's transfers of a month hash to: a leaf of the tree of which the window keeps the root.

    Head office's, of the transfers that no store made, has the network's id as `store_id`.
    """

    __tablename__ = "seals"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "month"], ["settlement.windows.tenant_id", "settlement.windows.month"]),
        {"schema": "settlement"},
    )

    tenant_id: Mapped[Key]
    month: Mapped[MonthKey]
    store_id: Mapped[Key]
    transfers: Mapped[Points]
    leaf: Mapped[Bytes]
