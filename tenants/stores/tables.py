from __future__ import annotations

from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped

from tenants.foundation.columns import Key, Moment, OptionalMoment, Words
from tenants.foundation.database import Base


class Participant(Base):
    """The legal entity that settles; it owns one or more stores."""

    __tablename__ = "participants"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.networks.tenant_id"]),
        UniqueConstraint("tenant_id", "code"),
        {"schema": "tenants"},
    )

    tenant_id: Mapped[Key]
    participant_id: Mapped[Key]
    code: Mapped[Words]
    name: Mapped[Words]
    created_at: Mapped[Moment]


class Store(Base):
    """An outlet. A closed store's terminals are refused; its past stays.

    `issuing`: whether it may issue points, and who funds them (`tenants.stores.rules.ISSUING`).
    """

    __tablename__ = "stores"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "participant_id"],
            ["tenants.participants.tenant_id", "tenants.participants.participant_id"],
        ),
        UniqueConstraint("tenant_id", "code"),
        {"schema": "tenants"},
    )

    tenant_id: Mapped[Key]
    store_id: Mapped[Key]
    participant_id: Mapped[UUID]
    code: Mapped[Words]
    name: Mapped[Words]
    status: Mapped[Words]
    issuing: Mapped[Words]
    created_at: Mapped[Moment]
    closed_at: Mapped[OptionalMoment]
