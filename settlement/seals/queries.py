"""The hashes of a month's transfers, by store. To be called inside a unit of work."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from sqlalchemy import select, text

from clearinghouse.ledger.checks import ROOM_TO_SORT
from settlement.netting.queries import IN_PARALLEL
from settlement.netting.tables import PositionRow
from settlement.seals.rules import NOTHING, StoreSeal
from settlement.seals.tables import SealRow
from settlement.windows.tables import Window
from tenants.foundation import ids
from tenants.foundation.database import Unit

# A transfer's id begins with the moment it was made. None joins a month long before that begins, and none after the
# cut-off, but for clocks that differ: so a month's ids have two ends, and no other month's transfers are read.
CLOCKS_DIFFER_AT_MOST = timedelta(days=2)

# Whatever reads a month's transfers gets its parameters from `range_of`.
OF_MONTH = "settlement_month = :month AND transfer_id >= :first_id AND transfer_id < :end_id"

SEALS = text(f"""
    SELECT coalesce(store_id, tenant_id), count(*), sha256(string_agg(hash, '' ORDER BY transfer_id))
    FROM ledger.transfers WHERE {OF_MONTH} GROUP BY 1
""")
SEAL = """
    SELECT CAST(:store AS uuid), count(*), sha256(coalesce(string_agg(hash, '' ORDER BY transfer_id), ''))
    FROM ledger.transfers WHERE {of_store} AND {of_month}
"""
SEAL_OF_STORE = text(SEAL.format(of_store="store_id = :store", of_month=OF_MONTH))
SEAL_OF_HEAD_OFFICE = text(SEAL.format(of_store="store_id IS NULL", of_month=OF_MONTH))


def range_of(window: Window) -> dict[str, object]:
    begins = datetime.combine(window.month, time(), UTC) - CLOCKS_DIFFER_AT_MOST
    ends = window.closed_at + CLOCKS_DIFFER_AT_MOST
    return {"month": window.month, "first_id": ids.lowest_id_at(begins), "end_id": ids.lowest_id_at(ends)}


def seals_now(session: Unit, window: Window) -> list[StoreSeal]:
    """As the transfers are now, by store id: of every store with a position in the published month, of any other that
    the transfers name, and of head office."""
    session.execute(ROOM_TO_SORT)
    session.execute(IN_PARALLEL)
    found = {row[0]: StoreSeal(*row) for row in session.execute(SEALS, range_of(window))}
    positions = session.scalars(select(PositionRow.store_id).where(PositionRow.month == window.month))
    every = found.keys() | {*positions, window.tenant_id}
    return [found.get(store_id) or StoreSeal(store_id, 0, NOTHING) for store_id in sorted(every)]


def seal_now(session: Unit, window: Window, store_id: UUID) -> StoreSeal:
    """One store's, or with the network's id head office's."""
    statement = SEAL_OF_HEAD_OFFICE if store_id == window.tenant_id else SEAL_OF_STORE
    return StoreSeal(*session.execute(statement, {**range_of(window), "store": store_id}).one())


def kept_seals(session: Unit, month: date) -> Sequence[SealRow]:
    """In the order of the tree's leaves."""
    return session.scalars(select(SealRow).where(SealRow.month == month).order_by(SealRow.store_id)).all()
