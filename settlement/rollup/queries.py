"""Sums over a month's postings by store: those kept, and those of the newest ids, summed afresh.

To be called inside a unit of work.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select, text

from settlement.netting.queries import as_array
from settlement.rollup.rules import ABOVE_ALL, BELOW_ALL, StorePeriod
from settlement.rollup.tables import RollupMonth
from tenants.foundation.database import Unit

# First as few rows as can be, by pairs of stores; then what each of them means for whom. Head office's points are
# left out.
SUMS = """
    WITH moved AS (
        SELECT source, target, funder_id, business_date AS day, sum(points)::bigint AS points,
               CASE WHEN source IN ('issued', 'borne', 'recovered') THEN source_id END AS giver_id,
               CASE WHEN target IN ('issued', 'borne', 'recovered') THEN target_id END AS taker_id
        FROM ledger.postings
        WHERE settlement_month = :month AND transfer_id {range} :below
        GROUP BY source, target, funder_id, day, giver_id, taker_id)
    SELECT store_id, day, sum(issued)::bigint AS issued, sum(borne)::bigint AS borne,
           sum(made_good)::bigint AS made_good, sum(recovered)::bigint AS recovered, sum(used)::bigint AS used,
           sum(outstanding)::bigint AS outstanding
    FROM moved CROSS JOIN LATERAL (
        VALUES (giver_id, CASE source WHEN 'issued' THEN points ELSE 0 END,
                CASE source WHEN 'borne' THEN points ELSE 0 END,
                CASE WHEN source = 'borne' AND target = 'issued' AND giver_id <> taker_id THEN points ELSE 0 END,
                CASE source WHEN 'recovered' THEN -points ELSE 0 END, 0, 0),
               (taker_id, CASE target WHEN 'issued' THEN -points ELSE 0 END,
                CASE target WHEN 'borne' THEN -points ELSE 0 END,
                CASE WHEN target = 'borne' AND source = 'issued' AND giver_id <> taker_id THEN -points ELSE 0 END,
                CASE target WHEN 'recovered' THEN points ELSE 0 END, 0, 0),
               (funder_id, 0, 0, 0, 0,
                CASE WHEN target = 'recovered' THEN points WHEN source = 'recovered' THEN -points ELSE 0 END,
                CASE WHEN target IN ('lot', 'held', 'moved') THEN points ELSE 0 END
                    - CASE WHEN source IN ('lot', 'held', 'moved') THEN points ELSE 0 END)
    ) AS of (store_id, issued, borne, made_good, recovered, used, outstanding)
    WHERE store_id <> tenants.current_tenant()
    GROUP BY store_id, day
"""

# A row of sums never has to go: postings don't.
KEEP = text(f"""
    INSERT INTO settlement.rollup_days AS kept
        (tenant_id, month, store_id, day, issued, borne, made_good, recovered, used, outstanding)
    SELECT tenants.current_tenant(), :month, sums.* FROM ({SUMS.format(range="<")}) AS sums
    ON CONFLICT (tenant_id, month, store_id, day) DO UPDATE SET
        issued = excluded.issued, borne = excluded.borne, made_good = excluded.made_good,
        recovered = excluded.recovered, used = excluded.used, outstanding = excluded.outstanding
    WHERE (kept.issued, kept.borne, kept.made_good, kept.recovered, kept.used, kept.outstanding)
        <> (excluded.issued, excluded.borne, excluded.made_good, excluded.recovered, excluded.used,
            excluded.outstanding)
""")
NOTE_KEPT = text("""
    INSERT INTO settlement.rollup_months (tenant_id, month, below, made_at)
    VALUES (tenants.current_tenant(), :month, :below, :made_at)
    ON CONFLICT (tenant_id, month) DO UPDATE SET below = excluded.below, made_at = excluded.made_at
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
FRESH = text(BY_PERIOD.format(month="CAST(:month AS date)", sums=f"({SUMS.format(range='>=')})"))

LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(CAST(:tenant AS text), 1))")


def lock_rollup(session: Unit, tenant_id: UUID) -> None:
    """The network's sums, and what is made of them, change in turn. No posting waits for this."""
    session.execute(LOCK, {"tenant": tenant_id})


def kept_months(session: Unit) -> dict[date, RollupMonth]:
    return {row.month: row for row in session.scalars(select(RollupMonth))}


def keep(session: Unit, month: date, below: UUID, made_at: datetime) -> None:
    """Sum all postings of the month with ids below `below`, which is no lower than it was the last time."""
    session.execute(KEEP, {"month": month, "below": below})
    session.execute(NOTE_KEPT, {"month": month, "below": below, "made_at": made_at})


def store_periods(session: Unit, months: Collection[date], first_days: Sequence[date]) -> list[StorePeriod]:
    """All postings of these months that have been committed, whatever of them is kept."""
    days = as_array(first_days)
    rows = [*session.execute(KEPT, {"months": as_array(months), "first_days": days})]
    below = {month: row.below for month, row in kept_months(session).items()}
    for month in months:
        if below.get(month) != ABOVE_ALL:
            since = below.get(month, BELOW_ALL)
            rows += session.execute(FRESH, {"month": month, "below": since, "first_days": days})
    return list(periods_of(rows, first_days))


def periods_of(rows: Iterable[Sequence[object]], first_days: Sequence[date]) -> Iterable[StorePeriod]:
    for month, store_id, period, *points in rows:
        assert isinstance(period, int)
        day = first_days[period - 1] if period else date.min
        yield StorePeriod(month, store_id, day, *points)  # type: ignore[arg-type]
