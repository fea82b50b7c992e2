from __future__ import annotations

from uuid import UUID

from sqlalchemy import Select, select

from tenants.foundation import clock, ids
from tenants.foundation.database import unit_of_work
from tenants.foundation.errors import Conflict, NotFound
from tenants.networks.service import check_code
from tenants.stores.service import CLOSED, find_open_store, find_store
from tenants.stores.tables import Store
from tenants.terminals.tables import Terminal


def list_terminals(
    tenant_id: UUID, store_code: str | None = None, after: str | None = None, limit: int | None = None
) -> list[tuple[Terminal, Store]]:
    """By codes of store and terminal; of one store, those that follow the terminal's code `after`."""
    statement = terminals_and_stores().order_by(Store.code, Terminal.code).limit(limit)
    if store_code is not None:
        statement = statement.where(Store.store_id == find_store(tenant_id, store_code).store_id)
    if after is not None:
        statement = statement.where(Terminal.code > after)
    with unit_of_work(tenant_id) as session:
        return [(terminal, store) for terminal, store in session.execute(statement)]


def terminals_and_stores() -> Select[Terminal, Store]:
    join = (Store.tenant_id == Terminal.tenant_id) & (Store.store_id == Terminal.store_id)
    return select(Terminal, Store).join(Store, join)


def create_terminal(tenant_id: UUID, store_code: str, code: str) -> Terminal:
    check_code(code)
    store = find_open_store(tenant_id, store_code)
    with unit_of_work(tenant_id) as session:
        if session.scalar(
            select(Terminal.terminal_id).where(Terminal.store_id == store.store_id, Terminal.code == code)
        ):
            raise Conflict(f"Store {store_code!r} has a terminal {code!r} already.", code="terminal_exists")
        terminal = Terminal(
            tenant_id=tenant_id,
            terminal_id=ids.new_id(),
            store_id=store.store_id,
            code=code,
            created_at=clock.now(),
        )
        session.add(terminal)
    return terminal


def find_terminal(tenant_id: UUID, terminal_id: UUID) -> tuple[Terminal, Store]:
    """Raises `NotFound`."""
    with unit_of_work(tenant_id) as session:
        row = session.execute(terminals_and_stores().where(Terminal.terminal_id == terminal_id)).one_or_none()
    if row is None:
        raise NotFound("There is no such terminal in this network.", code="terminal_unknown")
    return row.Terminal, row.Store


def check_terminal_in_use(tenant_id: UUID, terminal_id: UUID) -> None:
    """Raises `NotFound`, or `Conflict` for a terminal of a closed store."""
    _, store = find_terminal(tenant_id, terminal_id)
    if store.status == CLOSED:
        raise Conflict(f"Store {store.code!r} of this terminal is closed.", code="store_closed")
