"""Keeping sums of months, so that asking what stores have issued so far does not read all postings each time.

A posting knows nothing of this, and writes nothing for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from uuid import UUID

from clearinghouse.ledger.queries import check_attached, first_open_month
from settlement.rollup.queries import first_id, keep, lock_rollup
from settlement.rollup.rules import (
    ABOVE_ALL,
    BELOW_ALL,
    FIRST_DAY,
    OVERLAP,
    day_made,
    end_of_stretch,
    finished_after,
    first_id_of,
    is_stale,
)
from settlement.rollup.tables import RollupMonth
from tenants.foundation import ids
from tenants.foundation.database import Unit, unit_of_work


def keep_months(tenant_id: UUID, months: Iterable[date], now: datetime, anew: bool = False) -> int:
    """Make the sums of those months that have none, or old ones; all sums of all of them when `anew`.

    The number of stretches that were summed.
    """
    return sum(keep_month(tenant_id, month, now, anew) for month in months)


def keep_month(tenant_id: UUID, month: date, now: datetime, anew: bool) -> int:
    """Each stretch in a transaction of its own: a first run over years can be interrupted, and goes on."""
    with unit_of_work(tenant_id) as session:
        lock_rollup(session, tenant_id)
        is_open = month >= first_open_month(session)
        kept = month_kept(session, tenant_id, month)
        if not (anew or is_stale(is_open, kept.below, kept.made_at, now)):
            return 0
        since: UUID | None = BELOW_ALL if anew else first_id_of(kept.finished)
    reach = ids.lowest_id_at(now - OVERLAP) if is_open else ABOVE_ALL
    stretches = -1
    while since is not None:
        since = keep_stretch(tenant_id, month, since, reach, now)
        stretches += 1
    return stretches


def keep_stretch(tenant_id: UUID, month: date, since: UUID, reach: UUID, now: datetime) -> UUID | None:
    """Sum the first stretch that has a posting from `since` on; where it ends, None when there was none left."""
    with unit_of_work(tenant_id) as session:
        lock_rollup(session, tenant_id)
        check_attached(session, month, month)
        kept = month_kept(session, tenant_id, month)
        first = first_id(session, month, since, max(reach, kept.below))
        if first is None:
            kept.below, kept.made_at = max(reach, kept.below), now
            return None
        stretch = day_made(first)
        end = end_of_stretch(stretch, reach, kept.below)
        keep(session, month, stretch, first_id_of(stretch), end)
        kept.below = max(end, kept.below)
        kept.finished = max(finished_after(stretch, now), kept.finished)
    return end


def month_kept(session: Unit, tenant_id: UUID, month: date) -> RollupMonth:
    kept = session.get(RollupMonth, (tenant_id, month))
    if kept is None:
        kept = RollupMonth(tenant_id=tenant_id, month=month, below=BELOW_ALL, finished=FIRST_DAY)
        session.add(kept)
    return kept
