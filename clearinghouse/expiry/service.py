"""Points whose last usable day has passed leave the wallets and become breakage of their funder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from uuid import UUID

from sqlalchemy import select

from clearinghouse.ledger.service import POSTED, expiry, ledger
from clearinghouse.ledger.tables import Lot
from tenants.foundation import clock
from tenants.foundation.database import unit_of_work
from tenants.foundation.errors import InvalidInput
from tenants.networks.service import today_in

# Members whose wallets one call of the posting function may hold at once.
CHUNK_MEMBERS = 250


def expire_points(
    tenant_id: UUID, as_of: date | None = None, on_progress: Callable[[int], None] = lambda members: None
) -> int:
    """Expire every lot whose last usable day is before `as_of` (today if None); the points expired.

    Safe to run again and beside the tills: a wallet that has been dealt with has nothing left to expire.
    Raises `InvalidInput` when `as_of` lies in the future, as points are usable until their day has ended.
    """
    as_of = check_as_of(tenant_id, as_of)
    expired = 0
    for chunk in due_in_chunks(tenant_id, as_of):
        now = clock.now()
        results = ledger().post(tenant_id, [expiry(member_id, day, now) for day, member_id in chunk])
        expired += sum(r.transfer.points for r in results if r.outcome == POSTED and r.transfer)
        on_progress(len(chunk))
    return expired


def check_as_of(tenant_id: UUID, as_of: date | None) -> date:
    with unit_of_work(tenant_id):
        today = today_in(tenant_id)
    if as_of is not None and as_of > today:
        raise InvalidInput(f"{as_of} has not come yet in this network; today is {today}.", code="day_in_future")
    return as_of or today


def due_in_chunks(tenant_id: UUID, as_of: date) -> Iterator[list[tuple[date, UUID]]]:
    """(last usable day, member) of what is due, in the order in which it expired, each pair once."""
    last: tuple[date, UUID] | None = None
    while chunk := list_due(tenant_id, as_of, last):
        yield chunk
        last = chunk[-1]


def list_due(tenant_id: UUID, as_of: date, after: tuple[date, UUID] | None) -> list[tuple[date, UUID]]:
    statement = (
        select(Lot.expires_on, Lot.member_id)
        .where(Lot.is_open, Lot.expires_on < as_of)
        .distinct()
        .order_by(Lot.expires_on, Lot.member_id)
        .limit(CHUNK_MEMBERS)
    )
    if after is not None:
        statement = statement.where(
            (Lot.expires_on > after[0]) | ((Lot.expires_on == after[0]) & (Lot.member_id > after[1]))
        )
    with unit_of_work(tenant_id) as session:
        return [(row.expires_on, row.member_id) for row in session.execute(statement)]


def count_due(tenant_id: UUID, as_of: date) -> int:
    """Pairs of member and day that `expire_points` has to deal with."""
    due = select(Lot.expires_on, Lot.member_id).where(Lot.is_open, Lot.expires_on < as_of).distinct()
    with unit_of_work(tenant_id) as session:
        return len(session.execute(due).all())
