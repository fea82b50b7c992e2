"""What belongs to an owner's stores, and nothing else. To be called inside a unit of work."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from uuid import UUID

from sqlalchemy import select, text

from settlement.proposals.tables import Settlement
from settlement.states.rules import REJECTED
from settlement.windows.tables import Window
from tenants.foundation.database import Unit

# What each store of :stores owes or is owed in each of :settlements.
NETS = text("""
    SELECT settlement_id, party, sum(owed)::bigint FROM (
        SELECT settlement_id, payer_id AS party, amount AS owed FROM settlement.lines
        WHERE settlement_id = ANY (:settlements) AND payer_id = ANY (:stores)
        UNION ALL
        SELECT settlement_id, payee_id, -amount FROM settlement.lines
        WHERE settlement_id = ANY (:settlements) AND payee_id = ANY (:stores)) AS each
    GROUP BY settlement_id, party
""")


def settled_months(session: Unit, before: date | None, limit: int) -> list[tuple[Window, Settlement]]:
    """Newest first, those before the month `before`: with the settlement that is not rejected."""
    join = (Settlement.tenant_id == Window.tenant_id) & (Settlement.month == Window.month)
    statement = (
        select(Window, Settlement)
        .join(Settlement, join)
        .where(Settlement.state != REJECTED)
        .order_by(Window.month.desc())
        .limit(limit)
    )
    if before is not None:
        statement = statement.where(Window.month < before)
    return [(window, settlement) for window, settlement in session.execute(statement)]


def nets_of_stores(
    session: Unit, settlement_ids: Collection[UUID], store_ids: Collection[UUID]
) -> dict[tuple[UUID, UUID], int]:
    """By settlement and store; positive remits, negative receives."""
    values = {"settlements": list(settlement_ids), "stores": list(store_ids)}
    return {(settlement, party): net for settlement, party, net in session.execute(NETS, values)}
