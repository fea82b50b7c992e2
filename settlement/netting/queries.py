"""What the ledger says of a month. To be called inside a unit of work that holds one snapshot.

The month's postings are read twice, once for the stores' days and once, those of redemptions only, for the matrix;
both are sums over one partition, grouped by stores and never by members or lots.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import select, text

from clearinghouse.ledger.queries import check_attached
from settlement.netting.rules import StoreDay, StorePoints
from settlement.netting.tables import DayRow, PositionRow
from tenants.foundation.database import Unit
from tenants.foundation.months import add_months

# The planner takes the cost of handing a row from one process to another for high, and would sum a month with one.
# The matrix of a thousand stores is summed in 110 MB; with less it goes through files.
IN_PARALLEL = text("SET LOCAL parallel_tuple_cost = 0.001; SET LOCAL work_mem = '128MB'")

# Which store a posting belongs to: the store whose account it touches, else the funder of the points. An issuing
# account gives points; the other two take them. What a store bears can stand beside another store's account, so that
# is a group of its own.
DAYS = text("""
    SELECT CASE WHEN source IN ('issued', 'recovered') THEN source_id
                WHEN target IN ('issued', 'recovered') THEN target_id
                ELSE funder_id END AS store_id,
           business_date AS day,
           sum(CASE WHEN source = 'issued' THEN points
                    WHEN target = 'issued' THEN -points ELSE 0 END)::bigint AS issued,
           sum(CASE WHEN target = 'recovered' THEN points
                    WHEN source = 'recovered' THEN -points ELSE 0 END)::bigint AS recovered,
           sum(CASE WHEN target = 'expired' THEN points
                    WHEN source = 'expired' THEN -points ELSE 0 END)::bigint AS expired,
           CASE WHEN source = 'borne' THEN source_id WHEN target = 'borne' THEN target_id END AS borne_by,
           sum(CASE WHEN source = 'borne' THEN points
                    WHEN target = 'borne' THEN -points ELSE 0 END)::bigint AS borne
    FROM ledger.postings WHERE settlement_month = :month
    GROUP BY 1, 2, borne_by
""")

FLOWS = text("""
    SELECT funder_id, CASE WHEN target = 'recovered' THEN target_id ELSE source_id END AS redeeming_store_id,
           sum(CASE WHEN target = 'recovered' THEN points ELSE -points END)::bigint AS points
    FROM ledger.postings
    WHERE settlement_month = :month AND (target = 'recovered' OR source = 'recovered')
    GROUP BY 1, 2
""")

# Tens of thousands of rows: as arrays, in one statement.
WRITE_DAYS = text("""
    INSERT INTO settlement.days (tenant_id, month, store_id, day, issued, recovered, expired, borne)
    SELECT tenants.current_tenant(), :month, * FROM unnest(
        CAST(:stores AS uuid[]), CAST(:days AS date[]), CAST(:issued AS bigint[]),
        CAST(:recovered AS bigint[]), CAST(:expired AS bigint[]), CAST(:borne AS bigint[]))
""")

# A thousand stores have a million cells, which never leave the database. By way of another table, because PostgreSQL
# sums with several processes for CREATE TABLE AS, but not for INSERT.
MAKE_FLOWS = text(f"CREATE TEMPORARY TABLE new_flows ON COMMIT DROP AS {FLOWS.text}")
KEEP_FLOWS = text("""
    INSERT INTO settlement.flows (tenant_id, month, funder_id, redeeming_store_id, points)
    SELECT tenants.current_tenant(), :month, funder_id, redeeming_store_id, points FROM new_flows WHERE points <> 0
    ORDER BY funder_id, redeeming_store_id  -- As the primary key is ordered: half the time.
""")
RECOVERED_BY_FLOWS = text("""
    SELECT redeeming_store_id, sum(points)::bigint FROM settlement.flows WHERE month = :month GROUP BY 1
""")

# By how much a posting changes what members hold, less what they owe.
MEMBERS_HOLD = """CASE WHEN target IN ('lot', 'held', 'moved', 'deficit') THEN points ELSE 0 END
    - CASE WHEN source IN ('lot', 'held', 'moved', 'deficit') THEN points ELSE 0 END"""

# What members hold: the lots and holds as they are now less what is owed, less what later months did to them.
OUTSTANDING_BY_LOTS = text(f"""
    SELECT (SELECT coalesce(sum(remaining), 0) FROM ledger.lots WHERE is_open)
         + (SELECT coalesce(sum(held - deficit), 0) FROM ledger.wallets)
         - (SELECT coalesce(sum({MEMBERS_HOLD}), 0) FROM ledger.postings WHERE settlement_month > :month)
""")


def points_by_day(session: Unit, month: date) -> list[StoreDay]:
    check_attached(session, month, month)
    days: dict[tuple[UUID, date], list[int]] = {}
    for store_id, day, *points, borne_by, borne in session.execute(DAYS, {"month": month}):
        add_to(days, (store_id, day), [*points, 0])
        if borne_by is not None:
            add_to(days, (borne_by, day), [0, 0, 0, borne])
    return [StoreDay(*key, *points) for key, points in days.items() if any(points)]


def add_to(days: dict[tuple[UUID, date], list[int]], key: tuple[UUID, date], points: list[int]) -> None:
    sums = days.get(key)
    days[key] = points if sums is None else [a + b for a, b in zip(sums, points, strict=True)]


def flows(session: Unit, month: date) -> dict[tuple[UUID, UUID], int]:
    """Points by (funder, redeeming store), less reversed redemptions."""
    check_attached(session, month, month)
    rows = session.execute(FLOWS, {"month": month})
    return {(row.funder_id, row.redeeming_store_id): row.points for row in rows if row.points}


def outstanding_by_lots(session: Unit, month: date) -> int:
    """Points that members held at the end of the month, less what they owed, according to the lots."""
    check_attached(session, add_months(month, 1))
    return int(session.scalar(OUTSTANDING_BY_LOTS, {"month": month}) or 0)


def write_days(session: Unit, month: date, days: Sequence[StoreDay]) -> None:
    columns = {
        "stores": as_array(day.store_id for day in days),
        "days": as_array(day.day for day in days),
        "issued": as_array(day.issued for day in days),
        "recovered": as_array(day.recovered for day in days),
        "expired": as_array(day.expired for day in days),
        "borne": as_array(day.borne for day in days),
    }
    session.execute(WRITE_DAYS, {"month": month, **columns})


def write_flows(session: Unit, month: date) -> dict[UUID, int]:
    """Sum the matrix of a month and keep its cells; the points by redeeming store."""
    check_attached(session, month, month)
    session.execute(MAKE_FLOWS, {"month": month})
    session.execute(KEEP_FLOWS, {"month": month})
    return {store_id: points for store_id, points in session.execute(RECOVERED_BY_FLOWS, {"month": month})}


def as_array(values: Iterable[UUID | date | int]) -> str:
    """PostgreSQL's text form of an array: as a list of parameters, tens of thousands would each be parsed as one."""
    return "{" + ",".join(map(str, values)) + "}"


def published_points(
    session: Unit, month: date, store_ids: Collection[UUID] | None = None
) -> dict[UUID, StorePoints]:
    """By store, head office by the network's own id; of some stores only, if they are named."""
    columns = (PositionRow.issued, PositionRow.recovered, PositionRow.expired, PositionRow.borne)
    statement = select(PositionRow.store_id, *columns).where(PositionRow.month == month)
    if store_ids is not None:
        statement = statement.where(PositionRow.store_id.in_(store_ids))
    return {row.store_id: StorePoints(*row) for row in session.execute(statement)}


def published_days(session: Unit, month: date) -> list[StoreDay]:
    columns = (DayRow.store_id, DayRow.day, DayRow.issued, DayRow.recovered, DayRow.expired, DayRow.borne)
    return [StoreDay(*row) for row in session.execute(select(*columns).where(DayRow.month == month))]
