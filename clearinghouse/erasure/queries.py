"""To be called inside a unit of work."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select

from clearinghouse.ledger.tables import Transfer, Wallet
from tenants.foundation.database import Unit
from tenants.members.tables import Card, CardChange, Member

# What happens to points by itself is no activity of the member's.
BY_ITSELF = ("expiry", "hold_expiry")
NOBODY = UUID(int=0)


def members_as_one(session: Unit, member_id: UUID) -> Sequence[Member]:
    """The member and whoever was merged into it, locked, and as they are now."""
    one = or_(Member.member_id == member_id, Member.merged_into_member_id == member_id)
    statement = select(Member).where(one).order_by(Member.member_id).with_for_update()
    return session.scalars(statement.execution_options(populate_existing=True)).all()


def cards_of(session: Unit, member_id: UUID) -> Sequence[Card]:
    return session.scalars(select(Card).where(Card.member_id == member_id).order_by(Card.card_id)).all()


def members_without_activity(
    session: Unit, since: datetime, after: UUID = NOBODY, limit: int | None = None
) -> list[UUID]:
    """Members of whom something is known or who have collected points, who have none now, and with whom nothing was
    done `since`. Cards that nobody has used yet are not among them."""
    wallet = and_(Wallet.tenant_id == Member.tenant_id, Wallet.member_id == Member.member_id)
    statement = (
        select(Member.member_id)
        .outerjoin(Wallet, wallet)
        .where(
            Member.member_id > after,
            Member.erased_at.is_(None),
            Member.merged_into_member_id.is_(None),
            Member.created_at < since,
            or_(Member.registered_at < since, and_(Member.registered_at.is_(None), Wallet.chain_length > 0)),
            func.coalesce(Wallet.balance + Wallet.held + Wallet.deficit, 0) == 0,
            ~has_moved_points(since),
            ~was_changed(since),
        )
        .order_by(Member.member_id)
        .limit(limit)
    )
    return list(session.scalars(statement))


def has_moved_points(since: datetime) -> ColumnElement[bool]:
    return (
        select(Transfer.transfer_id)
        .where(
            Transfer.tenant_id == Member.tenant_id,
            Transfer.member_id == Member.member_id,
            Transfer.posted_at >= since,
            Transfer.kind.not_in(BY_ITSELF),
        )
        .exists()
    )


def was_changed(since: datetime) -> ColumnElement[bool]:
    """By a card that was given out or blocked, by another name, by a merge."""
    return (
        select(CardChange.change_id)
        .outerjoin(Card, and_(Card.tenant_id == CardChange.tenant_id, Card.card_id == CardChange.card_id))
        .where(
            CardChange.tenant_id == Member.tenant_id,
            func.coalesce(Card.member_id, CardChange.member_id) == Member.member_id,
            CardChange.changed_at >= since,
        )
        .exists()
    )
