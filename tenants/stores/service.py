from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import Select, select, update

from tenants.foundation import clock, ids
from tenants.foundation.database import unit_of_work
from tenants.foundation.errors import Conflict, InvalidInput, NotFound
from tenants.networks.service import check_code, check_name
from tenants.stores.rules import ALLOWED, HEAD_OFFICE
from tenants.stores.tables import Participant, Store

ACTIVE, CLOSED = "active", "closed"


def list_participants(tenant_id: UUID, after: str | None = None, limit: int | None = None) -> list[Participant]:
    """By code, those that follow the code `after`."""
    statement = select(Participant).order_by(Participant.code).limit(limit)
    if after is not None:
        statement = statement.where(Participant.code > after)
    with unit_of_work(tenant_id) as session:
        return list(session.scalars(statement))


def list_stores(
    tenant_id: UUID, after: str | None = None, limit: int | None = None
) -> list[tuple[Store, Participant]]:
    """By code, those that follow the code `after`."""
    statement = stores_and_owners().order_by(Store.code).limit(limit)
    if after is not None:
        statement = statement.where(Store.code > after)
    with unit_of_work(tenant_id) as session:
        return [(store, participant) for store, participant in session.execute(statement)]


def stores_and_owners() -> Select[Store, Participant]:
    join = (Participant.tenant_id == Store.tenant_id) & (Participant.participant_id == Store.participant_id)
    return select(Store, Participant).join(Participant, join)


def find_store(tenant_id: UUID, code: str) -> Store:
    return find_store_and_owner(tenant_id, code)[0]


def find_store_and_owner(tenant_id: UUID, code: str) -> tuple[Store, Participant]:
    check_code(code)
    with unit_of_work(tenant_id) as session:
        row = session.execute(stores_and_owners().where(Store.code == code)).one_or_none()
    if row is None:
        raise unknown_store(code)
    return row.Store, row.Participant


def unknown_store(code: str) -> NotFound:
    return NotFound(f"There is no store {code!r} in this network.", code="store_unknown")


def check_own(tenant_id: UUID, participant_id: UUID | None, code: str) -> None:
    """An owner is told nothing of the stores of other participants, not even that there are such."""
    if participant_id is not None and find_store(tenant_id, code).participant_id != participant_id:
        raise unknown_store(code)


def find_open_store(tenant_id: UUID, code: str) -> Store:
    store = find_store(tenant_id, code)
    if store.status == CLOSED:
        raise Conflict(f"Store {code!r} is closed.", code="store_closed")
    return store


def create_participant(tenant_id: UUID, code: str, name: str) -> Participant:
    check_code(code)
    check_name(name)
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
    check_code(code)
    if code.upper() == HEAD_OFFICE:
        raise InvalidInput(f"{code!r} means head office on statements; choose another.", code="invalid_code")
    check_name(name)
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
            status=ACTIVE,
            issuing=ALLOWED,
            created_at=clock.now(),
        )
        session.add(store)
    return store


def create_stores(tenant_id: UUID, codes: Collection[str]) -> int:
    """As `create_store` for each code, named by it. Codes that exist are left alone; the number made."""
    with unit_of_work(tenant_id) as session:
        existing = set(session.scalars(select(Store.code).where(Store.code.in_(codes))))
        owners: dict[str, UUID] = {
            owner.code: owner.participant_id
            for owner in session.scalars(select(Participant).where(Participant.code.in_(codes)))
        }
        made = [code for code in dict.fromkeys(codes) if code not in existing]
        common = {"tenant_id": tenant_id, "created_at": clock.now()}
        for code in set(made) - owners.keys():
            owners[code] = ids.new_id()
            session.add(Participant(participant_id=owners[code], code=code, name=f"Store {code}", **common))
        session.flush()
        for code in made:
            store = Store(store_id=ids.new_id(), participant_id=owners[code], code=code, **common)
            store.name, store.status, store.issuing = f"Store {code}", ACTIVE, ALLOWED
            session.add(store)
    return len(made)


def close_store(tenant_id: UUID, code: str) -> None:
    """Its terminals are refused from now on; what it issued and recovered stays and settles.

    Closing it again changes nothing.
    """
    store = find_store(tenant_id, code)
    with unit_of_work(tenant_id) as session:
        session.execute(
            update(Store)
            .where(Store.store_id == store.store_id, Store.status != CLOSED)
            .values(status=CLOSED, closed_at=clock.now())
        )
