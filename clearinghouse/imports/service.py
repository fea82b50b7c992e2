"""Purchases from a file into the ledger, in the order of the file for each member, nothing twice.

Rows are read, checked and made into events a window at a time here, while two threads post the window before:
each takes the rows of its half of the members, a few hundred in one call of the posting function. A thread that
fails ends the import; what is posted stays, and running the same command again goes on from there.

The two events of a row, its redemption and then its accrual, are always in one call, so in one transaction: the
accrual is posted whatever becomes of the redemption, and once it is there the redemption has been decided. A later
run therefore never tries a refused redemption again (by then the member may have points from later rows) but
repeats the refusal: every run of a file gives the same ledger as one run that nothing interrupted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

import psycopg2
from sqlalchemy import text

from clearinghouse.imports.queries import members_by_card, purchases_in_ledger
from clearinghouse.imports.readers import Source, open_source
from clearinghouse.imports.rejected import RejectedRows, rejected_rows
from clearinghouse.imports.rules import Conditions, Purchase, Rejection, Row, check_row
from clearinghouse.ledger.service import (
    POSTED,
    REFUSED,
    REPLAYED,
    Event,
    Ledger,
    PostingResult,
    common_fields,
    ledger,
)
from clearinghouse.pos.refusals import refusal
from clearinghouse.pos.service import CLOCK_SKEW, purchase_accrual, purchase_redemption
from tenants.foundation import clock, ids
from tenants.foundation.database import db, unit_of_work
from tenants.foundation.errors import Conflict, InvalidInput, Unavailable
from tenants.networks.service import get_network
from tenants.stores.service import list_stores

LANES = 2
WINDOW_ROWS = 2_000
ROWS_PER_CALL = 200

# Where the words for a till do not fit; the other refusals are told as a till is told them.
SENTENCES = {
    "idempotency_key_reused": "It was imported before with other content, as {transfer_id}: reverse that one.",
    "order_already_posted": "The store has posted this order_ref already, as {transfer_id}.",
    "insufficient_points": "The member had {available} points, {missing} too few.",
}


@dataclass
class ImportReport:
    """`already_there` counts transfers that an earlier run had posted, `rejected` rows."""

    rows: int = 0
    accruals_posted: int = 0
    redemptions_posted: int = 0
    already_there: int = 0
    rejected: int = 0
    rejected_path: Path | None = None


@dataclass
class Prepared:
    """A purchase and its events. `decided`: its redemption was refused when an earlier run posted its accrual."""

    purchase: Purchase
    events: list[Event]
    decided: bool = False

    @property
    def key(self) -> tuple[UUID, str]:
        return self.purchase.store_id, self.purchase.order_ref


@dataclass
class Window:
    """Rows that are posted together, and those of them that did not pass the checks."""

    lanes: list[list[Prepared]] = field(default_factory=lambda: [[] for _ in range(LANES)])
    rejections: list[Rejection] = field(default_factory=list)

    @property
    def prepared(self) -> list[Prepared]:
        return [prepared for lane in self.lanes for prepared in lane]


Outcomes = list[list[PostingResult]]


def import_purchases(
    tenant_id: UUID,
    path: Path,
    *,
    since: date | None,
    redeem_up_to_available: bool,
    on_progress: Callable[[int], None],
) -> ImportReport:
    """`on_progress` gets steps of `open_source(path).total`.

    Raises `InvalidInput` or `NotFound` before anything is posted if the file can't be used, `Conflict` while another
    import of the network runs, `Unavailable` when the database went away: run it again.
    """
    with closing(open_source(path)) as source, only_import(tenant_id), rejected_rows(path) as rejected:
        importer = PurchaseImport(
            tenant_id, conditions_of(tenant_id, since), redeem_up_to_available, ledger(), rejected
        )
        try:
            importer.run(source, on_progress)
        except psycopg2.OperationalError as error:
            raise Unavailable(
                "The database went away. What was posted stays: run the same command again.",
                code="import_interrupted",
            ) from error
        importer.report.rejected_path = rejected.publish()
    return importer.report


def conditions_of(tenant_id: UUID, since: date | None) -> Conditions:
    stores = {store.code: store.store_id for store, _ in list_stores(tenant_id)}
    with unit_of_work(tenant_id):
        network = get_network(tenant_id)
    return Conditions(
        stores, ZoneInfo(network.time_zone), since or network.opened_on, clock.now() + CLOCK_SKEW
    )


@contextmanager
def only_import(tenant_id: UUID) -> Iterator[None]:
    """Keeps other imports of the network out; raises `Conflict` if one runs.

    Two at once could each find that a row is new. For the same reason it first waits for postings under way: a
    call that a killed import has left behind in the database still commits.
    """
    engine = db.engine.execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        # The lock is the session's: closing the connection, which does not go back to its pool, lets go of it.
        connection.detach()
        take = text("SELECT pg_try_advisory_lock(hashtextextended('import of ' || :tenant, 0))")
        if not connection.scalar(take, {"tenant": str(tenant_id)}):
            raise Conflict("Another import of this network is running; wait for its end.", code="import_running")
        connection.execute(
            text("SELECT pg_advisory_xact_lock(ledger.cut_off_key(:tenant))"), {"tenant": tenant_id}
        )
        yield


@dataclass
class PurchaseImport:
    tenant_id: UUID
    conditions: Conditions
    at_most: bool
    ledger: Ledger
    rejected: RejectedRows
    report: ImportReport = field(default_factory=ImportReport)

    def run(self, source: Source, on_progress: Callable[[int], None]) -> None:
        """Each window is made while the one before it is being posted."""
        settled, under_way = 0, None
        with ThreadPoolExecutor(LANES, "posting") as threads:
            for window in self.windows(source.rows()):
                if under_way:
                    self.settle(*under_way)
                under_way = window, self.start(window, threads)
                on_progress(source.position - settled)
                settled = source.position
            if under_way:
                self.settle(*under_way)

    def windows(self, rows: Iterator[Row | Rejection]) -> Iterator[Window]:
        redeemed: set[tuple[UUID, str]] = set()
        purchases: list[Purchase] = []
        rejections: list[Rejection] = []
        for row in rows:
            self.report.rows += 1
            purchase = self.check(row)
            if isinstance(purchase, Rejection):
                rejections.append(purchase)
            else:
                purchases.append(purchase)
            if len(purchases) + len(rejections) >= WINDOW_ROWS:
                yield self.make_window(purchases, rejections)
                purchases, rejections = [], []
        yield self.make_window(purchases, rejections)
