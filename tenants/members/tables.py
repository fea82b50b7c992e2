from __future__ import annotations

from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped

from tenants.foundation.columns import Key, Moment, OptionalBytes, OptionalMoment, OptionalWords, Words
from tenants.foundation.database import Base


class Member(Base):
    """Who owns the points. `reference` is the network's own number for the member, unique where given.

    A member who was merged into another has neither cards nor points any more.

    Without `registered_at` nobody has said yet who holds the card: it was handed out as it came from the printer.
    `name`, `phone` and `email` are read and written by `tenants.foundation.encryption`; the plain `name` is what the
    release before has written. Members of the same phone have the same `phone_hash`. Of who was erased nothing is
    left but the points that moved.
    """

    __tablename__ = "members"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.networks.tenant_id"]),
        ForeignKeyConstraint(
            ["tenant_id", "merged_into_member_id"], ["tenants.members.tenant_id", "tenants.members.member_id"]
        ),
        UniqueConstraint("tenant_id", "reference"),
        Index("members_phone_idx", "tenant_id", "phone_hash", postgresql_where=text("phone_hash IS NOT NULL")),
        {"schema": "tenants"},
    )

    tenant_id: Mapped[Key]
    member_id: Mapped[Key]
    reference: Mapped[OptionalWords]
    name: Mapped[OptionalWords]
    merged_into_member_id: Mapped[UUID | None]
    created_at: Mapped[Moment]
    registered_at: Mapped[OptionalMoment]
    name_encrypted: Mapped[OptionalBytes]
    phone_encrypted: Mapped[OptionalBytes]
    email_encrypted: Mapped[OptionalBytes]
    phone_hash: Mapped[OptionalBytes]
    erased_at: Mapped[OptionalMoment]


class Card(Base):
    """A way to name a member at the till: active, blocked, or replaced by another card."""

    __tablename__ = "cards"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "member_id"], ["tenants.members.tenant_id", "tenants.members.member_id"]),
        ForeignKeyConstraint(
            ["tenant_id", "replaced_by_card_id"], ["tenants.cards.tenant_id", "tenants.cards.card_id"]
        ),
        ForeignKeyConstraint(
            ["tenant_id", "batch_id"], ["tenants.card_batches.tenant_id", "tenants.card_batches.batch_id"]
        ),
        UniqueConstraint("tenant_id", "number"),
        Index("cards_member_idx", "tenant_id", "member_id"),
        Index("cards_batch_idx", "tenant_id", "batch_id", postgresql_where=text("batch_id IS NOT NULL")),
        {"schema": "tenants"},
    )

    tenant_id: Mapped[Key]
    card_id: Mapped[Key]
    member_id: Mapped[UUID]
    number: Mapped[Words]
    status: Mapped[Words]
    replaced_by_card_id: Mapped[UUID | None]
    created_at: Mapped[Moment]
    batch_id: Mapped[UUID | None]


class CardChange(Base):
    """What was done to a card or its member, by whom and why: rows are added and never changed.

    `card_id` is empty where it concerns the member and no card. `other_card_id` is the card that took this one's
    place (replaced) or whose place it took (issued); `other_member_id` the member this one was merged with.
    """

    __tablename__ = "card_changes"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "member_id"], ["tenants.members.tenant_id", "tenants.members.member_id"]),
        ForeignKeyConstraint(["tenant_id", "card_id"], ["tenants.cards.tenant_id", "tenants.cards.card_id"]),
        ForeignKeyConstraint(["tenant_id", "other_card_id"], ["tenants.cards.tenant_id", "tenants.cards.card_id"]),
        ForeignKeyConstraint(
            ["tenant_id", "other_member_id"], ["tenants.members.tenant_id", "tenants.members.member_id"]
        ),
        Index("card_changes_card_idx", "tenant_id", "card_id", "change_id"),
        Index(
            "card_changes_member_idx", "tenant_id", "member_id", "change_id", postgresql_where=text("card_id IS NULL")
        ),
        {"schema": "tenants"},
    )

    tenant_id: Mapped[Key]
    change_id: Mapped[Key]
    member_id: Mapped[UUID]
    card_id: Mapped[UUID | None]
    action: Mapped[Words]
    from_status: Mapped[OptionalWords]
    to_status: Mapped[OptionalWords]
    other_card_id: Mapped[UUID | None]
    other_member_id: Mapped[UUID | None]
    reason: Mapped[OptionalWords]
    changed_by: Mapped[Words]
    changed_at: Mapped[Moment]
