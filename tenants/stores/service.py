from __future__ import annotations

from uuid import UUID

from sqlalchemy import select

from tenants.foundation import clock, ids
from tenants.foundation.database import db, unit_of_work
from tenants.foundation.errors import Conflict, NotFound
from tenants.stores.tables import Participant, Store


def list_participants(tenant_id: UUID) -> list[Participant]:
    with unit_of_work(tenant_id) as session:
        return list(session.scalars(select(Participant).order_by(Participant.code)))


def list_stores(tenant_id: UUID) -> list[tuple[Store, Participant]]:
    join = (Participant.tenant_id == Store.tenant_id) & (Participant.participant_id == Store.participant_id)
    with unit_of_work(tenant_id) as session:
        rows = session.execute(select(Store, Participant).join(Participant, join).order_by(Store.code))
        return [(store, participant) for store, participant in rows]


def find_store(tenant_id: UUID, code: str) -> Store:
    with unit_of_work(tenant_id) as session:
        store = session.scalar(select(Store).where(Store.code == code))
    if store is None:
        raise NotFound(f"There is no store {code!r} in this network.", code="store_unknown")
    return store


def create_participant(tenant_id: UUID, code: str, name: str) -> Participant:
    with unit_of_work(tenant_id) as session:
        if session.scalar(select(Participant.participant_id).where(Participant.code == code)):
            raise Conflict(f"There is a participant {code!r} already.", code="participant_exists")
        participant = Participant(
            tenant_id=tenant_id, participant_id=ids.new_id(), code=code, name=name, created_at=clock.now()
        )
        session.add(participant)
    return participant


def create_store(tenant_id: UUID, code: str, name: str, participant_code: str | None = None) -> Store:
    """Without `participant_code` the store is its own legal entity: a participant of its code and name."""
    with unit_of_work(tenant_id) as session:
        if session.scalar(select(Store.store_id).where(Store.code == code)):
            raise Conflict(f"There is a store {code!r} already.", code="store_exists")
        owner_code = participant_code or code
        participant = session.scalar(select(Participant).where(Participant.code == owner_code))
        if participant is None and participant_code:
            raise NotFound(f"There is no participant {participant_code!r}.", code="participant_unknown")
        if participant is None:
            participant = Participant(
                tenant_id=tenant_id, participant_id=ids.new_id(), code=code, name=name, created_at=clock.now()
            )
            session.add(participant)
        store = Store(
            tenant_id=tenant_id,
            store_id=ids.new_id(),
            participant_id=participant.participant_id,
            code=code,
            name=name,
            status="active",
            created_at=clock.now(),
        )
        session.add(store)
    return store


def close_store(tenant_id: UUID, code: str) -> None:
    """Its terminals are refused from now on; what it issued and recovered stays and settles."""
    store = find_store(tenant_id, code)
    with unit_of_work(tenant_id):
        db.session.merge(store).status = "closed"
