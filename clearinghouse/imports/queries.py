from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import select, tuple_

from clearinghouse.ledger.tables import Transfer
from tenants.foundation.database import Unit
from tenants.members.tables import Card

Order = tuple[UUID, str]


def members_by_card(session: Unit, numbers: Collection[str]) -> dict[str, UUID]:
    rows = session.execute(select(Card.number, Card.member_id).where(Card.number.in_(numbers)))
    return {number: member_id for number, member_id in rows}


def purchases_in_ledger(session: Unit, orders: Collection[Order]) -> set[tuple[UUID, str, str]]:
    """(store, order_ref, kind) of the accruals and redemptions that are there under these orders."""
    rows = session.execute(
        select(Transfer.store_id, Transfer.order_ref, Transfer.kind).where(
            tuple_(Transfer.store_id, Transfer.order_ref).in_(orders),
            Transfer.kind.in_(("accrual", "redemption")),
        )
    )
    return {(store_id, order_ref, kind) for store_id, order_ref, kind in rows if store_id and order_ref}
