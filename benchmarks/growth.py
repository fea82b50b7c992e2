"""(k) Posting into a ledger that has millions of postings already, all of them in the open month."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from datetime import time as time_of_day

from sqlalchemy import text

from benchmarks.closing import LOT_POINTS, MILLION, number_as_id
from benchmarks.http import WARM_UP_SECONDS, HttpServer, checked, single_requests
from benchmarks.load import saturate
from benchmarks.posting import measure_posting
from benchmarks.world import CARD, MEMBER, MEMBERS, STORE, STORE_NUMBERS, TERMINAL, VAR, Network, World, ask, id_sql
from clearinghouse.programme.rules import expires_on
from tenants.foundation import clock
from tenants.foundation.ids import lowest_id_at
from tenants.foundation.months import month_of

CONNECTIONS = 8
# A member's four purchases, then one redemption that takes half of what each of them earned: eight postings.
PURCHASES = 4
TRANSFERS_A_CYCLE = PURCHASES + 1
CYCLES_A_MILLION = MILLION // (2 * PURCHASES)
# With the transfers, lots and indexes that go with them; measured. The write-ahead log comes on top.
BYTES_A_POSTING, WAL_BYTES_MAX = 1_100, 5 * 10**9
LEDGER_BYTES = """
    SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class AS c
    WHERE c.relnamespace = 'ledger'::regnamespace AND c.relkind = 'r'
"""


@dataclass(frozen=True)
class GrowthRun:
    """`posting_per_second`: of the bare posting function, eight clients. Rate and latency are over HTTP."""

    millions: int
    ledger_bytes: int
    posting_per_second: float
    http_per_second: float
    milliseconds_median: float
    milliseconds_p99: float


def fitting(sizes: list[int]) -> list[int]:
    """Those that the disk has room for."""
    free = shutil.disk_usage(VAR).free
    return [size for size in sizes if bytes_for(size) < free]


def bytes_for(millions: int) -> int:
    return millions * MILLION * BYTES_A_POSTING + WAL_BYTES_MAX


def measure_growth(
    world: World, server: HttpServer, network: Network, sizes: list[int], seconds: int
) -> list[GrowthRun]:
    """Millions of postings, the fewest first: the ledger grows from one size to the next."""
    runs, millions = [], 0
    for size in sorted(sizes):
        for million in range(millions, size):
            grow(world, network, million * CYCLES_A_MILLION)
        millions = size
        runs.append(measure_size(world, server, network, size, seconds))
    return runs


def measure_size(world: World, server: HttpServer, network: Network, millions: int, seconds: int) -> GrowthRun:
    posting = measure_posting(world, network, seconds)
    requests = single_requests(network)
    saturate(server.port, CONNECTIONS, requests, WARM_UP_SECONDS)
    load = checked(saturate(server.port, CONNECTIONS, requests, seconds))
    return GrowthRun(
        millions,
        int(ask(world, LEDGER_BYTES)),
        posting.per_second,
        load.per_second,
        load.percentile(50),
        load.percentile(99),
    )


def grow(world: World, network: Network, first_cycle: int) -> None:
    """A million postings more, and the transfers, lots and wallets that go with them.

    What tells transfers apart is as long and as random as what tills send, so that indexes are as large.
    """
    month = month_of(clock.now().date())
    parameters = {
        "tenant": network.tenant_id,
        "month": month,
        "expires_on": expires_on("P12M", month),
        "begins": lowest_id_at(datetime.combine(month, time_of_day(), UTC)).hex[:12],
        "first": first_cycle,
        "last": first_cycle + CYCLES_A_MILLION - 1,
    }
    with world.owner.connect() as connection:
        connection.execute(text("SET session_replication_role = replica"))  # No foreign keys.
        for statement in (ADD_LOTS, ADD_TRANSFERS, ADD_POSTINGS, ADD_TO_WALLETS):
            connection.execute(text(statement), parameters)
        connection.execute(text("RESET session_replication_role"))


def store_sql(number: str) -> str:
    """Follows from a number, but looks chosen at random."""
    return f"{STORE_NUMBERS.start} + (hashint8({number}) & 1048575) % {len(STORE_NUMBERS)}"


# `n` numbers the purchase and its lot, `r` the redemption that takes `taken` of its points.
LOTS = f"""
    generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS c
    CROSS JOIN generate_series(0, {PURCHASES - 1}) AS l
    CROSS JOIN LATERAL (
        SELECT c % {MEMBERS} + 1 AS member, c * {TRANSFERS_A_CYCLE} + l AS n,
               c * {TRANSFERS_A_CYCLE} + {PURCHASES} AS r
    ) AS numbers
    CROSS JOIN LATERAL (
        SELECT {LOT_POINTS.format("n")} AS points, {LOT_POINTS.format("n")} / 2 AS taken, {store_sql("n")} AS funder
        OFFSET 0  -- Computed once a row, not at each use.
    ) AS lots
"""
ADD_LOTS = f"""
    INSERT INTO ledger.lots
        (tenant_id, lot_id, member_id, funder_id, transfer_id, issued_on, expires_on, points, remaining)
    SELECT :tenant, {number_as_id("n")}, {id_sql(MEMBER, "member")}, {id_sql(STORE, "funder")}, {number_as_id("n")},
           :month, :expires_on, points, points - taken
    FROM {LOTS}
"""
# Wallets tell how many transfers a member has already.
ADD_TRANSFERS = f"""
    INSERT INTO ledger.transfers
        (tenant_id, transfer_id, kind, member_id, sequence, card_id, store_id, terminal_id, order_ref, amount, points,
         deficit_change, programme_version, occurred_at, posted_at, business_date, settlement_month, idempotency_key,
         request_hash, available_after, deficit_after, hash)
    SELECT :tenant, {number_as_id("n")}, kind::ledger.transfer_kind, member_id,
           chain_length + (c - :first) / {MEMBERS} * {TRANSFERS_A_CYCLE} + n % {TRANSFERS_A_CYCLE} + 1,
           {id_sql(CARD, "member")}, {id_sql(STORE, "store")}, {id_sql(TERMINAL, "store")},
           'order-' || n, points * 100, points, 0, 1, :month, :month, :month, :month, md5(n::text),
           sha256(int8send(n)), 0, 0, sha256(int8send(n))
    FROM (
        SELECT c, member, n, 'accrual' AS kind, points, funder AS store FROM {LOTS}
        UNION ALL
        SELECT c, member, r, 'redemption', sum(taken), {store_sql("r")} FROM {LOTS} GROUP BY c, member, r
    ) AS events
    JOIN ledger.wallets AS w ON w.tenant_id = :tenant AND w.member_id = {id_sql(MEMBER, "member")}
"""
ADD_POSTINGS = f"""
    INSERT INTO ledger.postings
        (tenant_id, settlement_month, transfer_id, line, business_date, source, source_id, target, target_id,
         funder_id, points)
    SELECT :tenant, :month, transfer_id, line, :month, source::ledger.account_kind, source_id,
           target::ledger.account_kind, target_id, {id_sql(STORE, "funder")}, moved
    FROM {LOTS}
    CROSS JOIN LATERAL (
        VALUES ({number_as_id("n")}, 1, 'issued', {id_sql(STORE, "funder")}, 'lot', {number_as_id("n")}, points),
               ({number_as_id("r")}, l + 1, 'lot', {number_as_id("n")}, 'recovered', {id_sql(STORE, store_sql("r"))},
                taken)
    ) AS moves (transfer_id, line, source, source_id, target, target_id, moved)
"""
ADD_TO_WALLETS = f"""
    UPDATE ledger.wallets AS w SET balance = balance + gained, chain_length = chain_length + transfers
    FROM (
        SELECT member, sum(points - taken) AS gained, count(DISTINCT c) * {TRANSFERS_A_CYCLE} AS transfers
        FROM {LOTS} GROUP BY member
    ) AS grown
    WHERE w.tenant_id = :tenant AND w.member_id = {id_sql(MEMBER, "member")}
"""
