"""Sums over a month's postings by store: those kept, and those of the newest ids, summed afresh.

To be called inside a unit of work.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import select, text

from clearinghouse.ledger.queries import check_attached
from clearinghouse.ledger.tables import Posting
from settlement.netting.queries import as_array
from settlement.rollup.rules import ABOVE_ALL, BELOW_ALL, StorePeriod
from settlement.rollup.tables import RollupMonth
from tenants.foundation.database import Unit

# One reading for two groupings: by the stores whose accounts points go through, and by who had issued the points.
# Head office's own are left out.
SUMS = """
    WITH moved AS (
        SELECT CASE WHEN source IN ('issued', 'recovered') THEN source_id
                    WHEN target IN ('issued', 'recovered') THEN target_id END AS owner_id,
               CASE WHEN source = 'borne' THEN source_id WHEN target = 'borne' THEN target_id END AS bearer_id,
               funder_id, business_date AS day, grouping(funder_id) = 0 AS is_by_funder,
               sum(CASE WHEN source = 'issued' THEN points
                        WHEN target = 'issued' THEN -points ELSE 0 END)::bigint AS issued,
               sum(CASE WHEN source = 'borne' THEN points
                        WHEN target = 'borne' THEN -points ELSE 0 END)::bigint AS borne,
               sum(CASE WHEN source_id = target_id THEN 0
                        WHEN source = 'borne' AND target = 'issued' THEN points
                        WHEN source = 'issued' AND target = 'borne' THEN -points ELSE 0 END)::bigint AS made_good,
               sum(CASE WHEN target = 'recovered' THEN points
                        WHEN source = 'recovered' THEN -points ELSE 0 END)::bigint AS recovered,
               sum(CASE WHEN target IN ('lot', 'held', 'moved') THEN points ELSE 0 END
                 - CASE WHEN source IN ('lot', 'held', 'moved') THEN points ELSE 0 END)::bigint AS outstanding
        FROM ledger.postings
        WHERE settlement_month = :month AND transfer_id >= :since AND transfer_id < :below
        GROUP BY GROUPING SETS ((owner_id, bearer_id, day), (funder_id, day))
    ), of_stores AS (
        SELECT owner_id AS store_id, day, issued, 0 AS borne, 0 AS made_good, recovered, 0 AS used, 0 AS outstanding
        FROM moved WHERE NOT is_by_funder
        UNION ALL
        SELECT bearer_id, day, 0, borne, made_good, 0, 0, 0 FROM moved WHERE NOT is_by_funder
        UNION ALL
        SELECT funder_id, day, 0, 0, 0, 0, recovered, outstanding FROM moved WHERE is_by_funder)
    SELECT store_id, day, sum(issued)::bigint AS issued, sum(borne)::bigint AS borne,
           sum(made_good)::bigint AS made_good, sum(recovered)::bigint AS recovered, sum(used)::bigint AS used,
           sum(outstanding)::bigint AS outstanding
    FROM of_stores WHERE store_id <> tenants.current_tenant()
    GROUP BY store_id, day
"""

# A row of sums never has to go: postings don't.
KEEP = text(f"""
    INSERT INTO settlement.rollup_days AS kept
        (tenant_id, month, stretch, store_id, day, issued, borne, made_good, recovered, used, outstanding)
    SELECT tenants.current_tenant(), :month, :stretch, sums.* FROM ({SUMS}) AS sums
    ON CONFLICT (tenant_id, month, stretch, store_id, day) DO UPDATE SET
        issued = excluded.issued, borne = excluded.borne, made_good = excluded.made_good,
        recovered = excluded.recovered, used = excluded.used, outstanding = excluded.outstanding
    WHERE (kept.issued, kept.borne, kept.made_good, kept.recovered, kept.used, kept.outstanding)
        <> (excluded.issued, excluded.borne, excluded.made_good, excluded.recovered, excluded.used,
            excluded.outstanding)
""")

# `period` counts the days of :first_days, on which rates change, up to the day: within one nothing changes.
BY_PERIOD = """
    SELECT {month} AS month, store_id, width_bucket(day, CAST(:first_days AS date[])) AS period,
           sum(issued)::bigint, sum(borne)::bigint, sum(made_good)::bigint, sum(recovered)::bigint,
           sum(used)::bigint, sum(outstanding)::bigint
    FROM {sums} AS sums GROUP BY 1, 2, 3
"""
KEPT = text(
    BY_PERIOD.format(
        month="month",
        sums="(SELECT * FROM settlement.rollup_days WHERE month = ANY (CAST(:months AS date[])))",
    )
)
FRESH = text(BY_PERIOD.format(month="CAST(:month AS date)", sums=f"({SUMS})"))

# The planner takes nearly every posting for a group of its own, and would sort them all on disk.
HASHED = text("SET LOCAL work_mem = '64MB'")

LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(CAST(:tenant AS text), 1))")


def lock_rollup(session: Unit, tenant_id: UUID) -> None:
    """The network's sums, and what is made of them, change in turn. No posting waits for this."""
    session.execute(LOCK, {"tenant": tenant_id})
    session.execute(HASHED)


def first_id(session: Unit, month: date, since: UUID, below: UUID) -> UUID | None:
    """The lowest id of the month's postings in this range."""
    ids = select(Posting.transfer_id).where(
        Posting.settlement_month == month, Posting.transfer_id >= since, Posting.transfer_id < below
    )
    return session.scalar(ids.order_by(Posting.transfer_id).limit(1))


def keep(session: Unit, month: date, stretch: date, since: UUID, below: UUID) -> None:
    """Replaces what is kept of the stretch."""
    session.execute(KEEP, {"month": month, "stretch": stretch, "since": since, "below": below})


def store_periods(session: Unit, months: Collection[date], first_days: Sequence[date]) -> list[StorePeriod]:
    """All postings of these months that have been committed, whatever of them is kept."""
    days = as_array(first_days)
    rows = [*session.execute(KEPT, {"months": as_array(months), "first_days": days})]
    below = {row.month: row.below for row in session.scalars(select(RollupMonth))}
    for month in months:
        since = below.get(month, BELOW_ALL)
        if since != ABOVE_ALL:
            check_attached(session, month, month)
            rows += session.execute(FRESH, {"month": month, "since": since, "below": ABOVE_ALL, "first_days": days})
    return list(periods_of(rows, first_days))


def periods_of(rows: Iterable[Sequence[object]], first_days: Sequence[date]) -> Iterable[StorePeriod]:
    for month, store_id, period, *points in rows:
        assert isinstance(period, int)
        day = first_days[period - 1] if period else date.min
        yield StorePeriod(month, store_id, day, *points)  # type: ignore[arg-type]
