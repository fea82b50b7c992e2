"""Purchases from a file into the ledger, in the order of the file for each member, nothing twice.

Rows are read, checked and made into events a portion at a time here, while two threads post the portion
before: each takes the rows of its half of the members, a few hundred in one call of the posting function. A
thread that fails ends the import; what is posted stays, and the same command run again goes on from there.

The two events of a row, its redemption and then its accrual, are always in one call, so in one transaction:
the accrual is posted whatever becomes of the redemption, and once it is there the redemption is decided.
A later run therefore never tries a refused redemption again (by then the member may have points from later
rows) but repeats the refusal: every run of a file gives the same ledger as one run that nothing interrupted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

import psycopg2
from sqlalchemy import text
from sqlalchemy.exc import InterfaceError, OperationalError

from clearinghouse.imports.queries import Order, members_by_card, purchases_in_ledger
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
    stop_postings,
)
from clearinghouse.pos.events import purchase_accrual, purchase_redemption
from clearinghouse.pos.refusals import refusal
from clearinghouse.programme.service import programme_at
from clearinghouse.sequences.rules import CLOCK_SKEW
from tenants.audit.service import record_act
from tenants.foundation import clock, ids
from tenants.foundation.database import db, unit_of_work
from tenants.foundation.errors import Conflict, InvalidInput, Unavailable
from tenants.foundation.payment_cards import PaymentCardNumber
from tenants.networks.service import get_network
from tenants.stores.service import list_stores

LANES = 2
PORTION_ROWS = 2_000
ROWS_PER_CALL = 200

# Where the words for a till do not fit; the other refusals are told as a till is told them.
SENTENCES = {
    "idempotency_key_reused": "It was imported before with other content, as {transfer_id}.",
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
class Portion:
    """Rows that are posted together."""

    purchases: list[Purchase] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    orders: set[Order] = field(default_factory=set)

    def add(self, row: Purchase | Rejection) -> None:
        if isinstance(row, Rejection):
            self.rejections.append(row)
        else:
            self.purchases.append(row)
            self.orders.add((row.store_id, row.order_ref))

    def has_room_for(self, row: Purchase | Rejection) -> bool:
        if len(self.purchases) + len(self.rejections) >= PORTION_ROWS:
            return False
        # Which redemptions have been decided is looked up once a portion: no row may decide one of the same.
        return isinstance(row, Rejection) or not (row.redeem_points and (row.store_id, row.order_ref) in self.orders)


@dataclass
class Prepared:
    """A purchase and its events. `decided`: an earlier run posted its accrual and refused its redemption."""

    purchase: Purchase
    events: list[Event]
    decided: bool = False


Lane = list[Prepared]
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

    Raises `InvalidInput` or `NotFound` before anything is posted if the file can't be used, `Conflict` while
    another import of the network runs, `Unavailable` when the database went away: run it again.
    """
    with explained(), closing(open_source(path)) as source, only_import(tenant_id):
        conditions = conditions_of(tenant_id, since)
        # What it posts is in the ledger; that somebody had it posted is here.
        record_act(tenant_id)
        with rejected_rows(path) as rejected:
            importer = PurchaseImport(tenant_id, conditions, redeem_up_to_available, ledger(), rejected)
            importer.run(source, on_progress)
            importer.report.rejected_path = rejected.publish()
    return importer.report


@contextmanager
def explained() -> Iterator[None]:
    """Outermost, for a broken connection also fails to let go of the lock."""
    try:
        yield
    except (psycopg2.OperationalError, psycopg2.InterfaceError, OperationalError, InterfaceError) as error:
        raise Unavailable(
            f"The database stopped the import: {str(error).strip().splitlines()[0]}. "
            "What was posted stays; run the same command again.",
            code="import_interrupted",
        ) from error


def conditions_of(tenant_id: UUID, since: date | None) -> Conditions:
    stores = {store.code: store.store_id for store, _ in list_stores(tenant_id)}
    with unit_of_work(tenant_id):
        network = get_network(tenant_id)
    return Conditions(stores, ZoneInfo(network.time_zone), since or network.opened_on, clock.now() + CLOCK_SKEW)


@contextmanager
def only_import(tenant_id: UUID) -> Iterator[None]:
    """Keeps other imports of the network out; raises `Conflict` if one runs.

    Two at once could each find that a row is new. For the same reason it first waits for postings under way:
    a call that a killed import has left behind in the database still commits.
    """
    take = text("SELECT pg_try_advisory_xact_lock(hashtextextended('import of ' || :tenant, 0))")
    with db.engine.begin() as holder:
        if not holder.scalar(take, {"tenant": str(tenant_id)}):
            raise Conflict("Another import of this network is running; wait for its end.", code="import_running")
        with db.engine.begin() as connection:
            stop_postings(connection, tenant_id)
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
        """Each portion is made while the one before it is being posted."""
        under_way: tuple[Portion, list[Lane], list[Future[Outcomes]]] | None = None
        reported = 0
        with ThreadPoolExecutor(LANES, "posting") as threads:
            for portion in self.portions(source.rows()):
                lanes = self.lanes_of(portion)
                if under_way:
                    self.settle(*under_way)
                    on_progress(source.position - reported)
                    reported = source.position
                self.drop_decided([prepared for lane in lanes for prepared in lane])
                under_way = portion, lanes, [threads.submit(self.post, lane) for lane in lanes]
            if under_way:
                self.settle(*under_way)
        on_progress(source.position - reported)

    def portions(self, rows: Iterator[Row | Rejection]) -> Iterator[Portion]:
        portion = Portion()
        for row in rows:
            checked = self.check(row)
            if not portion.has_room_for(checked):
                yield portion
                portion = Portion()
            portion.add(checked)
        yield portion

    def check(self, row: Row | Rejection) -> Purchase | Rejection:
        self.report.rows += 1
        if isinstance(row, Rejection):
            return row
        try:
            return check_row(row, self.conditions)
        except PaymentCardNumber as error:
            # The file of rejected rows must not hold the number either.
            return Rejection(row.line, error.code, error.message, ())
        except InvalidInput as error:
            return rejected_row(row, error)

    def lanes_of(self, portion: Portion) -> list[Lane]:
        """By member and not by card: a member's events must keep their order and may name several cards."""
        lanes: list[Lane] = [[] for _ in range(LANES)]
        with unit_of_work(self.tenant_id) as session:
            members = members_by_card(session, {purchase.card for purchase in portion.purchases})
        for purchase in portion.purchases:
            member_id = members.get(purchase.card, self.tenant_id)
            try:
                lanes[member_id.int % LANES].append(Prepared(purchase, self.events_of(purchase)))
            except InvalidInput as error:
                portion.rejections.append(rejected_row(purchase.row, error))
        return lanes

    def events_of(self, purchase: Purchase) -> list[Event]:
        request_hash = hash_purchase(purchase)
        programme = programme_at(self.tenant_id, purchase.occurred_at)
        events = []
        if purchase.redeem_points:
            common = self.common_fields(purchase, "redemption", request_hash)
            events.append(purchase_redemption(programme, purchase.card, purchase.redeem_points, common, self.at_most))
        common = self.common_fields(purchase, "accrual", request_hash)
        events.append(purchase_accrual(purchase.store_id, programme, purchase.card, purchase.amount, common))
        return events

    def common_fields(self, purchase: Purchase, kind: str, request_hash: bytes) -> Event:
        return common_fields(
            purchase.occurred_at,
            purchase.business_date,
            ids.CLEARINGHOUSE_TERMINAL,
            purchase.store_id,
            purchase.order_ref,
            # The store's id and not its code, which may contain a colon.
            f"import:{purchase.store_id}:{purchase.order_ref}:{kind}",
            request_hash,
        )

    def drop_decided(self, rows: Sequence[Prepared]) -> None:
        """Take out redemptions that are not in the ledger though the accrual of their order is."""
        redeeming = {
            (row.purchase.store_id, row.purchase.order_ref): row for row in rows if row.purchase.redeem_points
        }
        if not redeeming:
            return
        with unit_of_work(self.tenant_id) as session:
            found = purchases_in_ledger(session, list(redeeming))
        for order, row in redeeming.items():
            if (*order, "accrual") in found and (*order, "redemption") not in found:
                row.decided = True
                row.events = row.events[-1:]

    def post(self, lane: Lane) -> Outcomes:
        """The results of each row's events. Runs in a thread, without the application's context."""
        outcomes = []
        for start in range(0, len(lane), ROWS_PER_CALL):
            rows = lane[start : start + ROWS_PER_CALL]
            results = iter(self.ledger.post(self.tenant_id, [event for row in rows for event in row.events]))
            outcomes += [list(islice(results, len(row.events))) for row in rows]
        return outcomes

    def settle(self, portion: Portion, lanes: list[Lane], futures: list[Future[Outcomes]]) -> None:
        """Wait until the portion is posted; count what became of its rows. Raises what a thread raised."""
        rejections = portion.rejections
        for lane, future in zip(lanes, futures, strict=True):
            for row, results in zip(lane, future.result(), strict=True):
                self.count(row, results)
                rejection = rejection_of(row, results, self.at_most)
                if rejection:
                    rejections.append(rejection)
        self.report.rejected += len(rejections)
        for rejection in sorted(rejections):
            self.rejected.write(rejection)

    def count(self, row: Prepared, results: list[PostingResult]) -> None:
        for event, result in zip(row.events, results, strict=True):
            if result.outcome == REPLAYED:
                self.report.already_there += 1
            elif result.outcome == POSTED and event["kind"] == "accrual":
                self.report.accruals_posted += 1
            elif result.outcome == POSTED:
                self.report.redemptions_posted += 1


def rejected_row(row: Row, error: InvalidInput) -> Rejection:
    return Rejection(row.line, error.code, error.message, row[1:])


def hash_purchase(purchase: Purchase) -> bytes:
    """Of the whole row, for both its events: a row that has changed anywhere is refused for both."""
    content = (
        f"{purchase.store_id}\n{purchase.order_ref}\n{purchase.card}\n{purchase.occurred_at.isoformat()}\n"
        f"{purchase.amount}\n{purchase.redeem_points}"
    )
    return hashlib.sha256(content.encode()).digest()


def rejection_of(row: Prepared, results: list[PostingResult], at_most: bool) -> Rejection | None:
    """None when everything of the row is in the ledger that can be."""
    refusals = {
        event["kind"]: result for event, result in zip(row.events, results, strict=True) if result.outcome == REFUSED
    }
    if row.decided and "accrual" not in refusals:
        refusals["redemption"] = refused_then(row.purchase.redeem_points, results[-1], at_most)
    if at_most and "redemption" in refusals and refusals["redemption"].code == "nothing_to_redeem":
        del refusals["redemption"]
    if not refusals:
        return None
    reasons = [f"{kind.capitalize()}: {explain(result)}" for kind, result in refusals.items()]
    if "accrual" not in refusals:
        reasons.append("The accrual is in the ledger.")
    code = next(iter(refusals.values())).code or ""
    return Rejection(row.purchase.row.line, code, " ".join(reasons), row.purchase.row[1:])


def refused_then(points: int, accrual: PostingResult, at_most: bool) -> PostingResult:
    """The refusal of a redemption by an earlier run: what the member had then is what the accrual found."""
    assert accrual.transfer is not None
    found = accrual.transfer.available_after - accrual.transfer.points - accrual.transfer.deficit_change
    if at_most and not found:
        return PostingResult(REFUSED, "nothing_to_redeem", {"available": 0}, None)
    return PostingResult(REFUSED, "insufficient_points", {"available": found, "missing": points - found}, None)


def explain(result: PostingResult) -> str:
    error = refusal(result.code, result.detail)
    sentence = SENTENCES.get(error.code)
    return sentence.format(**error.details) if sentence else error.message
