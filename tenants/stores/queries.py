"""To be called inside a unit of work."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select

from tenants.foundation.database import Unit
from tenants.foundation.errors import NotFound
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
