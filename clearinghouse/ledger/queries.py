from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Select, exists, select, text

from clearinghouse.ledger.tables import Books, Transfer
from tenants.foundation import clock
from tenants.foundation.database import Unit
from tenants.foundation.errors import Conflict
from tenants.foundation.months import add_months, month_of, show_month
from tenants.members.tables import Card
from tenants.stores.tables import Store

BALANCE = text("SELECT * FROM ledger.balance(tenants.current_tenant(), :member, :day)")

# What is attached once this is held stays so until the transaction ends.
KEEP_ATTACHED = text("LOCK TABLE ONLY ledger.postings IN ACCESS SHARE MODE")
# All at once would be a function call for every transfer.
MONTHS_NOT_ATTACHED = text("""
    SELECT month::date
    FROM generate_series(CAST(:first AS timestamp), CAST(:last AS timestamp), interval '1 month') AS month
    WHERE NOT ledger.is_attached(month::date) ORDER BY month
""")


@dataclass(frozen=True)
class Balance:
    """A member's points on a day. `expiring_next` is what the soonest-expiring live lots hold together."""

    available: int
    held: int
    deficit: int
    expiring_next: int
    expires_on: date | None


def balance_of(session: Unit, member_id: UUID, on_date: date) -> Balance:
    """To be called inside a unit of work. Lots that expired before `on_date` do not count."""
    return Balance(*session.execute(BALANCE, {"member": member_id, "day": on_date}).one())


def first_open_month(session: Unit) -> date:
    return session.scalars(select(Books.first_open_month)).one()


def check_attached(session: Unit, first_month: date, last_month: date | None = None) -> None:
    """To be called before postings of these months are read, in the same unit of work.

    Raises `Conflict` when some that the network has were detached or dropped; the others stay where they are until
    the unit of work ends. Without `last_month` through the newest month that there can be.
    """
    away = months_away(session, first_month, last_month)
    if away:
        raise month_detached(away)


def months_away(session: Unit, first_month: date, last_month: date | None = None) -> list[date]:
    """As `check_attached`, those that were detached or dropped; a month of no transfers lacks nothing."""
    return [
        month
        for month in months_not_attached(session, first_month, last_month)
        if session.scalar(select(exists().where(Transfer.settlement_month == month)))
    ]


def months_not_attached(session: Unit, first_month: date, last_month: date | None = None) -> list[date]:
    """Whatever the network has posted into them."""
    session.execute(KEEP_ATTACHED)
    # A till's day may be a month ahead of UTC.
    last_month = last_month or add_months(month_of(clock.now().date()), 1)
    return list(session.scalars(MONTHS_NOT_ATTACHED, {"first": first_month, "last": last_month}))


def month_detached(months: Sequence[date]) -> Conflict:
    shown = [show_month(month) for month in months]
    commands = " and ".join(f"`clearinghouse partition attach {month}`" for month in shown)
    return Conflict(
        f"The postings of {', '.join(shown)} have been put away: {commands}, then try again.",
        code="month_detached",
        months=shown,
    )


def transfers_with_names() -> Select[Transfer, str, str]:
    """With the code of the store and the number of the card, where a transfer has them."""
    return (
        select(Transfer, Store.code, Card.number)
        .outerjoin(Store, (Store.tenant_id == Transfer.tenant_id) & (Store.store_id == Transfer.store_id))
        .outerjoin(Card, (Card.tenant_id == Transfer.tenant_id) & (Card.card_id == Transfer.card_id))
    )


def list_transfers(
    session: Unit,
    limit: int,
    before: UUID | None = None,
    store_id: UUID | None = None,
    card_number: str | None = None,
    order_ref: str | None = None,
) -> list[tuple[Transfer, str | None, str | None]]:
    """Newest first, each with the code of its store and the number of its card.

    `before` is the last transfer of the page before.
    """
    statement = transfers_with_names().order_by(Transfer.transfer_id.desc()).limit(limit)
    filters: list[tuple[Any, Any]] = [
        (Transfer.store_id, store_id),
        (Card.number, card_number),
        (Transfer.order_ref, order_ref),
    ]
    for column, value in filters:
        if value is not None:
            statement = statement.where(column == value)
    if before is not None:
        statement = statement.where(Transfer.transfer_id < before)
    return [(transfer, store_code, number) for transfer, store_code, number in session.execute(statement)]


def transfers_of_member(session: Unit, member_id: UUID) -> list[tuple[Transfer, str | None, str | None]]:
    """All of the member's chain, oldest first, as `list_transfers` gives them."""
    statement = transfers_with_names().where(Transfer.member_id == member_id).order_by(Transfer.sequence)
    return [(transfer, store_code, number) for transfer, store_code, number in session.execute(statement)]
