from __future__ import annotations

from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped

from tenants.foundation.columns import Key, Moment, OptionalWords, Words
from tenants.foundation.database import Base


class Member(Base):
    """Who owns the points. `reference` is the network's own number for the member, unique where given.

    A member who was merged into another has neither cards nor points any more.
    """

    __tablename__ = "members"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.networks.tenant_id"]),
        ForeignKeyConstraint(
            ["tenant_id", "merged_into_member_id"], ["tenants.members.tenant_id", "tenants.members.member_id"]
        ),
        UniqueConstraint("tenant_id", "reference"),
        {"schema": "tenants"},
    )

    tenant_id: Mapped[Key]
    member_id: Mapped[Key]
    reference: Mapped[OptionalWords]
    name: Mapped[OptionalWords]
    merged_into_member_id: Mapped[UUID | None]
    created_at: Mapped[Moment]


class Card(Base):
    """A way to name a member at the till: active, blocked, or replaced by another card."""

    __tablename__ = "cards"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "member_id"], ["tenants.members.tenant_id", "tenants.members.member_id"]),
        ForeignKeyConstraint(
            ["tenant_id", "replaced_by_card_id"], ["tenants.cards.tenant_id", "tenants.cards.card_id"]
        ),
        UniqueConstraint("tenant_id", "number"),
        Index("cards_member_idx", "tenant_id", "member_id"),
        {"schema": "tenants"},
    )

    tenant_id: Mapped[Key]
    card_id: Mapped[Key]
    member_id: Mapped[UUID]
    number: Mapped[Words]
    status: Mapped[Words]
    replaced_by_card_id: Mapped[UUID | None]
    created_at: Mapped[Moment]
