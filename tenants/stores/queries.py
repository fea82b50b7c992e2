"""To be called inside a unit of work."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import select

from tenants.foundation.database import Unit
from tenants.foundation.errors import NotFound
from tenants.stores.rules import HEAD_OFFICE
from tenants.stores.tables import Store


def own_stores(session: Unit, participant_id: UUID | None) -> list[Store]:
    """By code."""
    return list(session.scalars(select(Store).where(Store.participant_id == participant_id).order_by(Store.code)))


def own_store(session: Unit, participant_id: UUID | None, code: str) -> Store:
    """Raises `NotFound`, which does not tell whether another participant has a store of this code."""
    store = session.scalar(select(Store).where(Store.participant_id == participant_id, Store.code == code))
    if store is None:
        raise NotFound(f"You have no store {code!r}.", code="store_unknown")
    return store


def codes_of_stores(session: Unit, store_ids: Collection[UUID]) -> dict[UUID, str]:
    rows = session.execute(select(Store.store_id, Store.code).where(Store.store_id.in_(store_ids)))
    return {store_id: code for store_id, code in rows}


def codes_of_parties(session: Unit, tenant_id: UUID, parties: Collection[UUID]) -> dict[UUID, str]:
    """By store, and head office's by the network's own id."""
    return codes_of_stores(session, parties) | {tenant_id: HEAD_OFFICE}
