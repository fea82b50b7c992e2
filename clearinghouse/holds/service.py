"""Holds as they stand, and the release of those that have run out."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from clearinghouse.ledger.service import POSTED, hold_expiry, ledger
from clearinghouse.ledger.tables import Hold, Transfer
from clearinghouse.pos.refusals import refusal
from clearinghouse.programme.service import programme_at
from tenants.foundation import clock
from tenants.foundation.database import unit_of_work
from tenants.members.tables import Card
from tenants.networks.service import get_network, list_networks
from tenants.stores.tables import Store

log = logging.getLogger(__name__)

# Wallets that one call of the posting function may hold at once.
CHUNK_HOLDS = 250


@dataclass(frozen=True)
class PlacedHold:
    """A hold with the transfer that placed it, and the names that a till knows it by."""

    hold: Hold
    placed: Transfer
    store_code: str
    card_number: str | None


def find_hold(tenant_id: UUID, hold_id: UUID) -> PlacedHold:
    found = list_holds(tenant_id, limit=1, hold_id=hold_id)
    if not found:
        raise refusal("hold_unknown", None)
    return found[0]


def list_holds(
    tenant_id: UUID,
    limit: int,
    before: UUID | None = None,
    state: str | None = None,
    card_number: str | None = None,
    hold_id: UUID | None = None,
) -> list[PlacedHold]:
    """Newest first; `before` is the last one of the page before."""
    statement = (
        select(Hold, Transfer, Store.code, Card.number)
        .join(Transfer, (Transfer.tenant_id == Hold.tenant_id) & (Transfer.transfer_id == Hold.hold_id))
        .join(Store, (Store.tenant_id == Transfer.tenant_id) & (Store.store_id == Transfer.store_id))
        .outerjoin(Card, (Card.tenant_id == Transfer.tenant_id) & (Card.card_id == Transfer.card_id))
        .order_by(Hold.hold_id.desc())
        .limit(limit)
    )
    for column, value in ((Hold.state, state), (Card.number, card_number), (Hold.hold_id, hold_id)):
        if value is not None:
            statement = statement.where(column == value)
    if before is not None:
        statement = statement.where(Hold.hold_id < before)
    with unit_of_work(tenant_id) as session:
        return [PlacedHold(*row) for row in session.execute(statement)]


def release_overdue_everywhere() -> int:
    """Of every network; the holds released. What goes wrong in one network is logged and stops no other."""
    released = 0
    for tenant_id, code in list_networks():
        try:
            released += release_overdue(tenant_id)
        except Exception:
            log.exception("holds of %s that have run out were not released", code)
    return released


def release_overdue(tenant_id: UUID) -> int:
    """Give the points of holds that have run out back to their lots; the holds released.

    Tills do not wait for this: whoever posts for a member next releases that member's holds first. It tells those
    who look at a balance, and those who want to be told.
    """
    released = 0
    while due := list_due(tenant_id):
        now = clock.now()
        with unit_of_work(tenant_id):
            today = clock.business_date(now, get_network(tenant_id).time_zone)
        grace_days = programme_at(tenant_id, now).terms.return_grace_days
        results = ledger().post(tenant_id, [hold_expiry(hold_id, grace_days, now, today) for hold_id in due])
        posted = sum(result.outcome == POSTED for result in results)
        released += posted
        if not posted:
            # The month in which they were placed is away.
            log.warning("%s holds that have run out could not be released", len(due))
            break
    return released


def list_due(tenant_id: UUID) -> list[UUID]:
    statement = select(Hold.hold_id).where(Hold.state == "held", Hold.expires_at <= clock.now())
    with unit_of_work(tenant_id) as session:
        return list(session.scalars(statement.order_by(Hold.expires_at).limit(CHUNK_HOLDS)))
