"""The monthly partitions of the ledger's postings: which there are, how large, and whether a month is closed; and
taking an old one out of the way, and putting it back.

A month that is away stays the table that it was, outside ledger.postings. Whatever would have to read it refuses
(`clearinghouse.ledger.queries.check_attached`, and the posting function).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

from psycopg2.errors import DatatypeMismatch, DeadlockDetected, LockNotAvailable, UndefinedColumn
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError, ProgrammingError

from clearinghouse.ledger.queries import first_open_month, months_away
from clearinghouse.ledger.service import keep_partitions, stop_postings
from clearinghouse.partitions import queries
from clearinghouse.partitions.checks import Differences, differences_of
from clearinghouse.partitions.queries import month_of_partition, of_month, partition_of_month
from tenants.foundation import clock
from tenants.foundation.database import db, owner_connection, unit_of_work
from tenants.foundation.errors import Conflict, NotFound, Unavailable
from tenants.foundation.months import add_months, month_of, show_month
from tenants.networks.service import get_network, list_networks

# Returns of goods are over by then, and what a network may call late has come.
MONTHS_KEPT = 13
DIFFERENCES_SHOWN = 3


@dataclass(frozen=True)
class Partition:
    """`rows` as the planner estimates them, None before it has looked; `open_in`: networks that may still post.
    `bytes` is None of a month whose table is gone."""

    month: date
    rows: int | None
    bytes: int | None
    open_in: int
    attached: bool


def list_partitions() -> list[Partition]:
    """Oldest first, with those that are away."""
    open_from, away = Counter[date](), set[date]()
    for tenant_id, _ in list_networks():
        with unit_of_work(tenant_id) as session:
            open_from[first_open_month(session)] += 1
            away.update(months_away(session, month_of(get_network(tenant_id).opened_on)))
    tables = db.session.execute(queries.TABLES).all()
    db.session.commit()
    partitions = {
        month: Partition(month, row.rows, row.bytes, open_networks(open_from, month), row.attached)
        for row in tables
        for month in [month_of_partition(row.name)]
    }
    gone = {
        month: Partition(month, None, None, open_networks(open_from, month), False)
        for month in away - partitions.keys()
    }
    return [partition for _, partition in sorted({**partitions, **gone}.items())]


def open_networks(open_from: Counter[date], month: date) -> int:
    return sum(networks for first, networks in open_from.items() if first <= month)


def detach_month(month: date) -> str:
    """Take a month out of ledger.postings; the table that it is then.

    Raises `NotFound` when it has no table, `Conflict` when it is away already, is not closed in every network, is
    younger than `MONTHS_KEPT`, or has holds that are still held, and `Unavailable` when others kept it in use.
    """
    check_age(month)
    with changing_partitions(month) as connection:
        keep_partitions(connection)
        if not is_attached(connection, month):
            raise Conflict(f"{show_month(month)} is detached already.", code="partition_detached")
        # A posting under way may be about to read the month.
        stop_all_postings(connection)
        check_closed(connection, month)
        check_nothing_held(connection, month)
        connection.execute(of_month(queries.DETACH, month))
    return partition_of_month(month)


def attach_month(month: date) -> str:
    """Put a month back, when it is what the transfers say; the name of its table.

    Raises `NotFound` when it has no table, `Conflict` when it is not away or is not what it was, and `Unavailable`
    when others kept it in use. It stays away then.
    """
    with changing_partitions(month) as connection, made_as_postings(month):
        check_away(connection, month)
        connection.execute(of_month(queries.LOCK, month))
        # Somebody else may have been attaching it.
        check_away(connection, month)
        refuse_unless_same(month, differences_of(connection, month, DIFFERENCES_SHOWN))
        put_back(connection, month)
    return partition_of_month(month)


@contextmanager
def changing_partitions(month: date) -> Iterator[Connection]:
    """One transaction of the owner, that waits for nobody long."""
    try:
        with owner_connection() as connection, connection.begin():
            connection.execute(queries.LOCK_TIMEOUT)
            check_there(connection, month)
            yield connection
    except OperationalError as error:
        if isinstance(error.orig, LockNotAvailable | DeadlockDetected):
            raise Unavailable(
                f"{show_month(month)} was in use for two seconds, or postings were: nothing was changed, try again.",
                code="partition_busy",
            ) from error
        raise


def check_there(connection: Connection, month: date) -> None:
    name = f"ledger.{partition_of_month(month)}"
    if not connection.scalar(queries.IS_THERE, {"name": name}):
        raise NotFound(
            f"There is no table {name}; `clearinghouse partition list` shows the months. One that was dropped is "
            "restored from its dump first.",
            code="partition_unknown",
        )


def is_attached(connection: Connection, month: date) -> bool:
    return bool(connection.scalar(queries.IS_ATTACHED, {"month": month}))


def check_away(connection: Connection, month: date) -> None:
    if is_attached(connection, month):
        raise Conflict(f"{show_month(month)} is attached already.", code="partition_attached")


def check_age(month: date) -> None:
    if add_months(month, MONTHS_KEPT) > month_of(clock.now().date()):
        raise Conflict(
            f"{show_month(month)} is needed for returns: a month can be detached {MONTHS_KEPT} months later.",
            code="partition_too_young",
        )


def stop_all_postings(connection: Connection) -> None:
    """Of every network, until the transaction ends."""
    for tenant_id in connection.scalars(queries.NETWORKS).all():
        stop_postings(connection, tenant_id)


def check_closed(connection: Connection, month: date) -> None:
    open_in = connection.scalars(queries.OPEN_IN, {"month": month}).all()
    if open_in:
        raise Conflict(
            f"{show_month(month)} is not closed in {', '.join(open_in[:10])}: `clearinghouse window close` first.",
            code="partition_open",
        )


def check_nothing_held(connection: Connection, month: date) -> None:
    held = connection.scalar(queries.HELD, {"month": month})
    if held:
        raise Conflict(
            f"{held} holds placed in {show_month(month)} are still held: capture or void them, or let them run out.",
            code="partition_has_holds",
        )


def refuse_unless_same(month: date, differences: Differences) -> None:
    if differences.count:
        told = "; ".join(
            f"{one.check}: {one.subject} is {one.found}, not {one.expected}" for one in differences.first
        )
        raise Conflict(
            f"{show_month(month)} stays away, for it is not what it was: {differences.count} differences ({told}). "
            "Restore its table from the dump that was made of it.",
            code="partition_differs",
        )


def put_back(connection: Connection, month: date) -> None:
    connection.execute(of_month(queries.ADD_CHECK, month))
    keep_partitions(connection)
    stop_all_postings(connection)
    connection.execute(of_month(queries.ATTACH, month))
    connection.execute(of_month(queries.DROP_CHECK, month))


@contextmanager
def made_as_postings(month: date) -> Iterator[None]:
    try:
        yield
    except ProgrammingError as error:
        if isinstance(error.orig, UndefinedColumn | DatatypeMismatch):
            raise Conflict(
                f"{show_month(month)} stays away: its table is not made as ledger.postings is "
                f"({error.orig.diag.message_primary}). Restore it with its constraints.",
                code="partition_differs",
            ) from error
        raise
