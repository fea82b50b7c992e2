"""The monthly partitions of the ledger's postings: which there are, how large, and whether a month is closed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date

from sqlalchemy import text

from clearinghouse.ledger.queries import first_open_month
from tenants.foundation.database import db, unit_of_work
from tenants.networks.service import list_networks

PARTITIONS = text("""
    SELECT relname AS name, reltuples::bigint AS rows, pg_total_relation_size(pg_class.oid) AS bytes
    FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
    WHERE inhparent = 'ledger.postings'::regclass ORDER BY relname
""")


@dataclass(frozen=True)
class Partition:
    """`rows` as the planner estimates them, None before it has looked; `open_in`: networks that may still post."""

    month: date
    rows: int | None
    bytes: int
    open_in: int


def list_partitions() -> list[Partition]:
    """Oldest first."""
    open_from = first_open_months()
    return [
        Partition(month, row.rows if row.rows >= 0 else None, row.bytes, open_networks(open_from, month))
        for row in db.session.execute(PARTITIONS).all()
        for month in [month_of_partition(row.name)]
    ]


def first_open_months() -> Counter[date]:
    """How many networks have which."""
    months: Counter[date] = Counter()
    for tenant_id, _ in list_networks():
        with unit_of_work(tenant_id) as session:
            months[first_open_month(session)] += 1
    return months


def open_networks(open_from: Counter[date], month: date) -> int:
    return sum(networks for first, networks in open_from.items() if first <= month)


def month_of_partition(name: str) -> date:
    year, month = name.removeprefix("postings_").split("_")
    return date(int(year), int(month), 1)
