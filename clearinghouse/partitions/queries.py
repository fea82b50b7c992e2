"""What is asked and done as owner, who sees the rows of every network."""

from __future__ import annotations

from datetime import date

from sqlalchemy import TextClause, text

from tenants.foundation.months import add_months

# Of every month that has a table, part of ledger.postings or not.
TABLES = text("""
    SELECT relname AS name, nullif(reltuples, -1)::bigint AS rows, pg_total_relation_size(oid) AS bytes,
           coalesce(pg_partition_root(oid) = 'ledger.postings'::regclass, false) AS attached
    FROM pg_class
    WHERE relnamespace = 'ledger'::regnamespace AND relkind = 'r' AND relname ~ '^postings_[0-9]{4}_[0-9]{2}$'
    ORDER BY relname
""")
IS_THERE = text("SELECT to_regclass(:name) IS NOT NULL")
IS_ATTACHED = text("SELECT ledger.is_attached(:month)")
OPEN_IN = text("""
    SELECT code FROM ledger.books JOIN tenants.networks USING (tenant_id)
    WHERE first_open_month <= :month ORDER BY code
""")
HELD = text("""
    SELECT count(*) FROM ledger.holds JOIN ledger.transfers placed
        ON placed.tenant_id = holds.tenant_id AND placed.transfer_id = holds.hold_id
    WHERE holds.state = 'held' AND placed.settlement_month = :month
""")
NETWORKS = text("SELECT tenant_id FROM tenants.networks ORDER BY tenant_id")

# Whoever posts waits behind these locks for as long as they are waited for.
LOCK_TIMEOUT = text("SET LOCAL lock_timeout = '2s'")
LOCK = "LOCK TABLE ledger.{table} IN ACCESS EXCLUSIVE MODE"
DETACH = "ALTER TABLE ledger.postings DETACH PARTITION ledger.{table}"
# With it the attachment need not read the table, for which every posting would wait.
ADD_CHECK = """
    ALTER TABLE ledger.{table} ADD CONSTRAINT of_month CHECK (
        settlement_month IS NOT NULL AND settlement_month >= '{month}' AND settlement_month < '{next_month}')
"""
ATTACH = "ALTER TABLE ledger.postings ATTACH PARTITION ledger.{table} FOR VALUES FROM ('{month}') TO ('{next_month}')"
DROP_CHECK = "ALTER TABLE ledger.{table} DROP CONSTRAINT of_month"


def partition_of_month(month: date) -> str:
    return f"postings_{month:%Y_%m}"


def month_of_partition(name: str) -> date:
    year, month = name.removeprefix("postings_").split("_")
    return date(int(year), int(month), 1)


def of_month(statement: str, month: date) -> TextClause:
    """A statement about the table of one month, whose name and bounds can't be parameters."""
    return text(statement.format(table=partition_of_month(month), month=month, next_month=add_months(month, 1)))
