from __future__ import annotations

from uuid import UUID

from sqlalchemy import select

from tenants.foundation import clock, ids
from tenants.foundation.database import unit_of_work
from tenants.foundation.errors import Conflict, NotFound
from tenants.stores.service import find_store
from tenants.stores.tables import Store
from tenants.terminals.tables import Terminal


def list_terminals(tenant_id: UUID) -> list[tuple[Terminal, Store]]:
    join = (Store.tenant_id == Terminal.tenant_id) & (Store.store_id == Terminal.store_id)
    with unit_of_work(tenant_id) as session:
        rows = session.execute(select(Terminal, Store).join(Store, join).order_by(Store.code, Terminal.code))
        return [(terminal, store) for terminal, store in rows]


def create_terminal(tenant_id: UUID, store_code: str, code: str) -> Terminal:
    store = find_store(tenant_id, store_code)
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


def find_terminal(tenant_id: UUID, terminal_id: UUID) -> Terminal:
    with unit_of_work(tenant_id) as session:
        terminal = session.get(Terminal, (tenant_id, terminal_id))
    if terminal is None:
        raise NotFound("There is no such terminal in this network.", code="terminal_unknown")
    return terminal
