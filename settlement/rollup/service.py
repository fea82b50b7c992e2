"""Keeping sums of months, so that asking what stores have issued so far does not read all postings each time.

A posting knows nothing of this, and writes nothing for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from uuid import UUID

from clearinghouse.ledger.queries import first_open_month
from settlement.rollup.queries import keep, lock_rollup
from settlement.rollup.rules import ABOVE_ALL, OVERLAP, is_stale
from settlement.rollup.tables import RollupMonth
from tenants.foundation import ids
from tenants.foundation.database import unit_of_work


def keep_months(tenant_id: UUID, months: Iterable[date], now: datetime, anew: bool = False) -> int:
    """Make the sums of those months that have none, or old ones; all of them when `anew`. The number made."""
    return sum(keep_month(tenant_id, month, now, anew) for month in months)


def keep_month(tenant_id: UUID, month: date, now: datetime, anew: bool) -> bool:
    """Each month in a transaction of its own: a first run over years can be interrupted, and goes on."""
    with unit_of_work(tenant_id) as session:
        lock_rollup(session, tenant_id)
        kept = session.get(RollupMonth, (tenant_id, month))
        is_open = month >= first_open_month(session)
        below, made_at = (kept.below, kept.made_at) if kept else (None, None)
        if not (anew or is_stale(is_open, below, made_at, now)):
            return False
        reached = ids.lowest_id_at(now - OVERLAP) if is_open else ABOVE_ALL
        keep(session, month, max(reached, below or reached), now)
    return True
