from __future__ import annotations

from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped

from tenants.foundation.columns import Key, Moment, Words
from tenants.foundation.database import Base


class Terminal(Base):
    """A till of a store; what it may do is in its credentials."""

    __tablename__ = "terminals"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "store_id"], ["tenants.stores.tenant_id", "tenants.stores.store_id"]),
        UniqueConstraint("tenant_id", "store_id", "code"),
        {"schema": "tenants"},
    )

    tenant_id: Mapped[Key]
    terminal_id: Mapped[Key]
    store_id: Mapped[UUID]
    code: Mapped[Words]
    created_at: Mapped[Moment]
