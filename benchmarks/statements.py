"""(h) Statements of a closed month of 1,000 stores, on one core: as PDF files, with all that is read for them."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import text

from benchmarks.closing import CLEAR_REFS, megabytes
from benchmarks.world import PARTICIPANT, STORE, World, id_sql, make_network
from settlement.languages.rules import LANGUAGES
from settlement.proposals.service import propose
from settlement.statements.documents import MonthHeading
from settlement.statements.service import load_heading, load_settlement, output_folder, render_statements
from settlement.windows.service import close_month
from tenants.foundation import clock
from tenants.foundation.months import add_months, last_day, month_of
from tenants.staff.rules import PREPARER
from tenants.staff.service import act_as, create_staff

STORES = 1_000
# Other stores that each one's points went to and as many that points came from: the demo's stores have two.
COUNTER_STORES = {"as in the demo": 2, "with a full page of others": 20}


@dataclass(frozen=True)
class StatementRun:
    """`per_second` is per second of one core's time; memory is this process's, in megabytes."""

    name: str
    language: str
    per_second: float
    seconds: float
    memory_before: float
    memory_peak: float
    bytes_a_file: float


def measure_statements(world: World) -> list[StatementRun]:
    month = add_months(month_of(clock.now().date()), -1)
    runs = []
    for number, (name, counter_stores) in enumerate(COUNTER_STORES.items()):
        heading = propose_month(world, f"statements-{number}", month, counter_stores)
        runs += [measure_rendering(heading, name, language) for language in LANGUAGES]
    return runs


def propose_month(world: World, code: str, month: date, counter_stores: int) -> MonthHeading:
    tenant_id = make_network(world, code, month)
    generate(world, tenant_id, month, counter_stores)
    close_month(tenant_id, month, "benchmark")
    create_staff(tenant_id, "ana", "Ana", [PREPARER])
    propose(tenant_id, month, act_as(tenant_id, "ana"))
    return load_heading(tenant_id, month)


def generate(world: World, tenant_id: UUID, month: date, counter_stores: int) -> None:
    """Every store issues on every day, and of each day's points some are used in other stores."""
    parameters = {
        "tenant": tenant_id,
        "month": month,
        "days": last_day(month).day,
        "stores": STORES,
        "counter_stores": counter_stores,
        "expires_on": last_day(add_months(month, 12)),
    }
    with world.owner.connect() as connection:
        connection.execute(text("SET session_replication_role = replica"))  # No foreign keys.
        for statement in (ADD_PARTICIPANTS, ADD_STORES, ADD_LOTS, ADD_ISSUED, ADD_RECOVERED, ADD_WALLETS):
            connection.execute(text(statement), parameters)
        connection.execute(text("RESET session_replication_role"))
        connection.execute(text("VACUUM ANALYZE ledger.lots, ledger.postings, ledger.wallets"))


def measure_rendering(heading: MonthHeading, name: str, language: str) -> StatementRun:
    codes = [line.store_code for line in load_settlement(heading.tenant_id, heading.month).stores]
    render_statements(heading, codes[:100], language=language)
    shutil.rmtree(output_folder(heading.network_code, heading.month))
    CLEAR_REFS.write_text("5")
    before, start, cpu = megabytes("VmRSS"), time.perf_counter(), os.times()
    paths = render_statements(heading, codes, language=language)
    used = os.times().user + os.times().system - cpu.user - cpu.system
    return StatementRun(
        name,
        language,
        len(paths) / used,
        time.perf_counter() - start,
        before,
        megabytes("VmHWM"),
        sum(path.stat().st_size for path in paths) / len(paths),
    )


STORE_ID = id_sql(STORE, "store")
LOT_ID = "lpad(to_hex(store * 100 + day), 32, '0')::uuid"
DAY = "CAST(:month AS date) + day - 1"

ADD_PARTICIPANTS = f"""
    INSERT INTO tenants.participants (tenant_id, participant_id, code, name, created_at)
    SELECT :tenant, {id_sql(PARTICIPANT, "store")}, store, 'Corner Groceries ' || store || ' Ltd', now()
    FROM generate_series(1, :stores) AS store
"""
ADD_STORES = f"""
    INSERT INTO tenants.stores (tenant_id, store_id, participant_id, code, name, created_at)
    SELECT :tenant, {STORE_ID}, {id_sql(PARTICIPANT, "store")}, store, 'Corner of Street ' || store, now()
    FROM generate_series(1, :stores) AS store
"""
EVERY_DAY = "FROM generate_series(1, :stores) AS store, generate_series(1, :days) AS day"
ADD_LOTS = f"""
    INSERT INTO ledger.lots
        (tenant_id, lot_id, member_id, funder_id, transfer_id, issued_on, expires_on, points, remaining)
    SELECT :tenant, {LOT_ID}, {STORE_ID}, {STORE_ID}, {LOT_ID}, {DAY}, :expires_on, 10000,
           10000 - CASE WHEN day <= :counter_stores THEN 100 + store ELSE 0 END
    {EVERY_DAY}
"""
ADD_ISSUED = f"""
    INSERT INTO ledger.postings (tenant_id, settlement_month, transfer_id, line, business_date, source, source_id,
                                 target, target_id, funder_id, points)
    SELECT :tenant, :month, {LOT_ID}, 1, {DAY}, 'issued', {STORE_ID}, 'lot', {LOT_ID}, {STORE_ID}, 10000
    {EVERY_DAY}
"""
# The points of a store's first days are used in the stores that follow it.
ADD_RECOVERED = f"""
    INSERT INTO ledger.postings (tenant_id, settlement_month, transfer_id, line, business_date, source, source_id,
                                 target, target_id, funder_id, points)
    SELECT :tenant, :month, {LOT_ID}, 2, {DAY}, 'lot', {LOT_ID}, 'recovered',
           {id_sql(STORE, "1 + (store + day) % :stores")}, {STORE_ID}, 100 + store
    {EVERY_DAY} WHERE day <= :counter_stores
"""
ADD_WALLETS = """
    INSERT INTO ledger.wallets (tenant_id, member_id, balance)
    SELECT :tenant, member_id, sum(remaining) FROM ledger.lots WHERE tenant_id = :tenant GROUP BY member_id
"""
