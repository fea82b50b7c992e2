"""(e) Closing a month of millions of postings and proposing its settlement, beside the one sum that no netting can do
without."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from datetime import time as time_of_day
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import text

from benchmarks.world import MEMBER, MEMBERS, STORE, World, add_stores, id_sql, make_network, run
from settlement.proposals.service import propose
from settlement.windows.service import close_month
from tenants.foundation import clock
from tenants.foundation.database import unit_of_work
from tenants.foundation.ids import lowest_id_at
from tenants.foundation.months import add_months, last_day, month_of
from tenants.staff.rules import PREPARER
from tenants.staff.service import act_as, create_staff

MILLION = 1_000_000
ROUNDS = 2
STORES = range(100, 1100)
WRITTEN_BY_CLOSE = ("lines", "settlements", "positions", "flows", "days", "seals", "windows", "state_changes")

STATUS = Path("/proc/self/status")
# Writing 5 makes the kernel forget the peak that it remembers (proc(5)).
CLEAR_REFS = Path("/proc/self/clear_refs")

BARE = text("""
    SELECT funder_id, sum(points) FROM ledger.postings WHERE settlement_month = :month GROUP BY funder_id
""")


@dataclass(frozen=True)
class ClosingRun:
    """Seconds are of the last of several rounds; memory is this process's, in megabytes."""

    millions: int
    close_seconds: float
    propose_seconds: float
    bare_seconds: float
    memory_before: float
    memory_peak: float

    @property
    def proposal_times_bare(self) -> float:
        return self.propose_seconds / self.bare_seconds

    @property
    def times_bare(self) -> float:
        """Close and proposal together."""
        return (self.close_seconds + self.propose_seconds) / self.bare_seconds


def measure_closings(world: World, sizes: list[int]) -> list[ClosingRun]:
    """Millions of postings each, the fewest first. Each size has a month and so a partition of its own; the sizes
    to come lie in later months, which are empty as long as they do not count."""
    this_month = month_of(clock.now().date())
    return [
        measure_closing(world, millions, add_months(this_month, index - len(sizes)))
        for index, millions in enumerate(sorted(sizes))
    ]


def measure_closing(world: World, millions: int, month: date) -> ClosingRun:
    tenant_id = make_network(world, f"closing-{millions}", month)
    add_stores(world, tenant_id, STORES)
    generate(world, tenant_id, month, millions * MILLION)
    bare = [timed(lambda: sum_by_funder(tenant_id, month)) for _ in range(ROUNDS)]
    CLEAR_REFS.write_text("5")
    before = megabytes("VmRSS")
    create_staff(tenant_id, PREPARER, "Preparer", [PREPARER])
    for _ in range(ROUNDS):
        reopen(world, tenant_id, month)
        closed = timed(lambda: close_month(tenant_id, month, "benchmark"))
        proposed = timed(lambda: propose(tenant_id, month, act_as(tenant_id, PREPARER)))
    return ClosingRun(millions, closed, proposed, bare[-1], before, megabytes("VmHWM"))


def generate(world: World, tenant_id: UUID, month: date, postings: int) -> None:
    """Of five postings four are accruals; the fifth redeems half of the lot of the one before it. Each is a transfer
    of its own; lots and wallets agree with the postings, and the hashes are of the right size.
    """
    parameters = {
        "tenant": tenant_id,
        "month": month,
        "days": last_day(month).day,
        "count": postings,
        "expires_on": last_day(add_months(month, 12)),
        "begins": lowest_id_at(datetime.combine(month, time_of_day(), UTC)).hex[:12],
    }
    with world.owner.connect() as connection:
        connection.execute(text("SET session_replication_role = replica"))  # No foreign keys.
        for statement in (ADD_LOTS, ADD_TRANSFERS, ADD_POSTINGS, ADD_WALLETS):
            connection.execute(text(statement), parameters)
        connection.execute(text("RESET session_replication_role"))
        connection.execute(text("VACUUM ANALYZE ledger.lots, ledger.transfers, ledger.postings, ledger.wallets"))
        connection.execute(text("CHECKPOINT"))


def timed(action: Callable[[], Any]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def sum_by_funder(tenant_id: UUID, month: date) -> None:
    with unit_of_work(tenant_id) as session:
        session.execute(BARE, {"month": month}).all()


def reopen(world: World, tenant_id: UUID, month: date) -> None:
    for table in WRITTEN_BY_CLOSE:
        run(world, f"DELETE FROM settlement.{table} WHERE tenant_id = :tenant", tenant=tenant_id)
    run(
        world,
        "UPDATE ledger.books SET first_open_month = :month WHERE tenant_id = :tenant",
        month=month,
        tenant=tenant_id,
    )


def megabytes(field: str) -> float:
    found = re.search(rf"^{field}:\s+(\d+) kB", STATUS.read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024


def store_sql(number: str, salt: int) -> str:
    """A store that follows from a number, but looks chosen at random."""
    return id_sql(STORE, f"{STORES.start} + (hashint8extended({number}, {salt}) & 1048575) % {len(STORES)}")


def number_as_id(number: str) -> str:
    """As ids of the month are: those of transfers begin with the moment they were made."""
    return f"(CAST(:begins AS text) || lpad(to_hex({number}), 20, '0'))::uuid"


LOT_POINTS = "(10 + {} % 90)"
FUNDER_SALT, REDEEMER_SALT = 1, 2

# Accruals have the numbers that five does not divide, and their lots the same.
ADD_LOTS = f"""
    INSERT INTO ledger.lots
        (tenant_id, lot_id, member_id, funder_id, transfer_id, issued_on, expires_on, points, remaining)
    SELECT :tenant, {number_as_id("n")}, {id_sql(MEMBER, f"n % {MEMBERS}")}, {store_sql("n", FUNDER_SALT)},
           {number_as_id("n")}, CAST(:month AS date) + ((n - 1) * :days / :count)::integer, :expires_on,
           {LOT_POINTS.format("n")},
           {LOT_POINTS.format("n")} - CASE n % 5 WHEN 4 THEN {LOT_POINTS.format("n")} / 2 ELSE 0 END
    FROM generate_series(1, CAST(:count AS bigint)) AS n WHERE n % 5 <> 0
"""
ADD_TRANSFERS = f"""
    INSERT INTO ledger.transfers
        (tenant_id, transfer_id, kind, member_id, sequence, store_id, terminal_id, amount, points, deficit_change,
         occurred_at, posted_at, business_date, settlement_month, available_after, deficit_after, hash)
    SELECT :tenant, {number_as_id("n")},
           CASE WHEN is_accrual THEN 'accrual' ELSE 'redemption' END::ledger.transfer_kind,
           {id_sql(MEMBER, f"n % {MEMBERS}")}, n,
           CASE WHEN is_accrual THEN {store_sql("n", FUNDER_SALT)} ELSE {store_sql("n", REDEEMER_SALT)} END,
           {number_as_id("0")}, 0, 1, 0, day, day, day, :month, 0, 0, sha256(int8send(n))
    FROM generate_series(1, CAST(:count AS bigint)) AS n
    CROSS JOIN LATERAL (
        SELECT n % 5 <> 0 AS is_accrual, CAST(:month AS date) + ((n - 1) * :days / :count)::integer AS day) AS event
"""
ADD_POSTINGS = f"""
    INSERT INTO ledger.postings
        (tenant_id, settlement_month, transfer_id, line, business_date, source, source_id, target, target_id,
         funder_id, points)
    SELECT :tenant, :month, {number_as_id("n")}, 1, CAST(:month AS date) + ((n - 1) * :days / :count)::integer,
           CASE WHEN is_accrual THEN 'issued' ELSE 'lot' END::ledger.account_kind,
           CASE WHEN is_accrual THEN funder_id ELSE lot_id END,
           CASE WHEN is_accrual THEN 'lot' ELSE 'recovered' END::ledger.account_kind,
           CASE WHEN is_accrual THEN lot_id ELSE {store_sql("n", REDEEMER_SALT)} END,
           funder_id, CASE WHEN is_accrual THEN points ELSE points / 2 END
    FROM generate_series(1, CAST(:count AS bigint)) AS n
    CROSS JOIN LATERAL (SELECT n % 5 <> 0 AS is_accrual, n - (n % 5 = 0)::integer AS lot) AS event
    CROSS JOIN LATERAL (
        SELECT {store_sql("lot", FUNDER_SALT)} AS funder_id, {number_as_id("lot")} AS lot_id,
               {LOT_POINTS.format("lot")} AS points
        OFFSET 0  -- Computed once a row, not at each use.
    ) AS lots
"""
ADD_WALLETS = """
    INSERT INTO ledger.wallets (tenant_id, member_id, balance)
    SELECT :tenant, member_id, sum(remaining) FROM ledger.lots WHERE tenant_id = :tenant GROUP BY member_id
"""
