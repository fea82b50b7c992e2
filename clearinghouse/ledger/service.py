"""The one door to the posting function: events in, results out, one round trip.

An event is a dict with the fields of the type `ledger.posting_event`; `accrual`, `redemption`, `reversal` and
`expiry` below make one each. `Ledger.post` gives one `PostingResult` an event, in the same order.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import orjson
import psycopg2
from flask import current_app
from sqlalchemy import Connection, text

from clearinghouse.ledger.tables import Transfer
from tenants.foundation import clock, ids
from tenants.foundation.afterwards import afterwards
from tenants.foundation.calls import Calls, Statement
from tenants.foundation.database import Unit, db
from tenants.foundation.group_commit import GroupCommit
from tenants.foundation.metrics import count_events
from tenants.foundation.months import add_months, month_of

log = logging.getLogger(__name__)

Event = dict[str, Any]
# A code, and what goes with it in the answer.
Refusal = tuple[str, dict[str, Any]]

POSTED, REPLAYED, REFUSED = "posted", "replayed", "refused"

# Two writers met in a way that only trying again can resolve: the same key or order at the same moment for two
# members, two batches that lock in a circle, or a member who is being merged into another. On the second try one
# finds what the other has written. Or a release has replaced the posting functions under the call.
RETRIED = (
    psycopg2.errors.UniqueViolation,
    psycopg2.errors.DeadlockDetected,
    psycopg2.errors.SerializationFailure,
    psycopg2.errors.UndefinedFunction,
)
TRIES_MAX = 4
EVENTS_UNTIL_STATISTICS = 2_000
# Partitions are made this far ahead, so that a missed run of the job that makes them costs nothing.
MONTHS_AHEAD = 12


class TransferRecord(NamedTuple):
    """What of a posted transfer is told, as `ledger.transfers` has it; points and minor units are integers."""

    transfer_id: UUID
    kind: str
    order_ref: str | None
    reverses_transfer_id: UUID | None
    refers_to_transfer_id: UUID | None
    amount: int
    points: int
    deficit_change: int
    programme_version: int | None
    occurred_at: datetime
    posted_at: datetime
    business_date: date
    settlement_month: date
    available_after: int
    deficit_after: int


class PostingResult(NamedTuple):
    """`outcome` posted or replayed comes with a transfer and the number of its card, refused with a code."""

    outcome: str
    code: str | None
    detail: dict[str, Any] | None
    transfer: TransferRecord | None
    card: str | None = None


# The columns of a `ledger.posting_result`, as `result_of` reads them.
RESULT = "outcome, code, detail, card, " + ", ".join(f"(transfer).{column}" for column in TransferRecord._fields)
POST = Statement(
    "post",
    "uuid, jsonb",
    f"SELECT {RESULT} FROM ledger.post($1, $2)",
)
POST_TOGETHER = Statement(
    "post_together",
    "uuid, jsonb",
    f"SELECT {RESULT} FROM ledger.post_together($1, $2)",
)
ENSURE_PARTITIONS = Statement("ensure_partitions", "date, date", "SELECT ledger.ensure_partitions($1, $2)")
REFRESH_STATISTICS = Statement("refresh_statistics", "integer", "SELECT ledger.refresh_statistics($1)")


@dataclass(frozen=True)
class Grant:
    """Points from one funder with one expiry: what a programme says that a purchase earns."""

    funder_id: UUID
    points: int
    expires_on: date


@dataclass(frozen=True)
class PurchaseLine:
    """What a return may name: `amount` in minor units, `rate` in points per minor unit (0: earns nothing)."""

    line: str
    amount: int
    rate: Decimal


def accrual(
    grants: Sequence[Grant],
    amount: int,
    programme_version: int,
    card: str | None,
    purchase_lines: Sequence[PurchaseLine] = (),
    **common: Any,
) -> Event:
    return {
        "kind": "accrual",
        "card": card,
        "amount": amount,
        "points": sum(grant.points for grant in grants),
        "programme_version": programme_version,
        "grants": [
            {
                "lot_id": ids.new_id_text(),
                "funder_id": str(grant.funder_id),
                "points": grant.points,
                "expires_on": grant.expires_on.isoformat(),
            }
            for grant in grants
            if grant.points > 0
        ],
        "purchase_lines": [{**vars(line), "rate": str(line.rate)} for line in purchase_lines] or None,
        **common,
    }


def redemption(
    points: int, amount: int, programme_version: int, card: str, at_most: bool = False, **conditions_and_common: Any
) -> Event:
    """`at_most`: redeem what is available if that is less, with `amount` in proportion, rounded down.

    Conditions, all optional: `beyond_limit`, points up to which it is honoured whatever the balance, with
    `beyond_charged_to` member or store; `code_step` of the wallet code shown; `velocity_limits` as in the programme's
    terms; `grace_days` for the points of holds that have run out.
    """
    return {
        "kind": "redemption",
        "card": card,
        "amount": amount,
        "points": points,
        "at_most": at_most,
        "programme_version": programme_version,
        **conditions_and_common,
    }


def hold(
    points: int, amount: int, programme_version: int, card: str, hold_until: datetime, **conditions_and_common: Any
) -> Event:
    """Points set aside until `hold_until`; conditions as of a redemption, but never beyond the balance."""
    return {
        **redemption(points, amount, programme_version, card, **conditions_and_common),
        "kind": "hold",
        "hold_until": hold_until.isoformat(),
    }


def capture(
    hold_id: UUID, grace_days: int, points: int | None = None, amount: int | None = None, **common: Any
) -> Event:
    """Redeem what a hold has set aside: `points` or `amount` of it, or all; the rest is released."""
    return {**resolution("capture", hold_id, grace_days, **common), "points": points, "amount": amount}


def void(hold_id: UUID, grace_days: int, **common: Any) -> Event:
    return resolution("void", hold_id, grace_days, **common)


def hold_expiry(hold_id: UUID, grace_days: int, occurred_at: datetime, business_date: date) -> Event:
    common = common_fields(occurred_at, business_date, ids.CLEARINGHOUSE_TERMINAL)
    return resolution("hold_expiry", hold_id, grace_days, **common)


def resolution(kind: str, hold_id: UUID, grace_days: int, **common: Any) -> Event:
    """`grace_days`: how much longer points can be used that are released into a lot which has expired."""
    return {"kind": kind, "hold_id": str(hold_id), "grace_days": grace_days, **common}


def reversal(
    return_policy: str = "deficit",
    grace_days: int = 0,
    expires_on: date = date.max,
    points: int | None = None,
    amount: int | None = None,
    returned_lines: Sequence[dict[str, Any]] = (),
    **original_and_common: Any,
) -> Event:
    """Of what is left of the original `points`, `amount` or `returned_lines` ({line, amount or None}), or all.

    Name the original by `original_transfer_id`, or by `original_store_id`, `_order_ref` and `_kind` (None: whichever
    there is). `expires_on` is for points that come back and have no lot to go to.
    """
    return {
        "kind": "reversal",
        "return_policy": return_policy,
        "grace_days": grace_days,
        "expires_on": expires_on.isoformat(),
        "points": points,
        "amount": amount,
        "purchase_lines": list(returned_lines) or None,
        **original_and_common,
    }


def expiry(member_id: UUID, expires_on: date, occurred_at: datetime) -> Event:
    """Expire what the member has left in lots whose last usable day is `expires_on` or earlier."""
    return {
        "kind": "expiry",
        "member_id": str(member_id),
        "amount": 0,
        "expires_on": expires_on.isoformat(),
        **common_fields(occurred_at, expires_on, ids.CLEARINGHOUSE_TERMINAL),
    }


def common_fields(
    occurred_at: datetime,
    business_date: date,
    terminal_id: UUID,
    store_id: UUID | None = None,
    order_ref: str | None = None,
    idempotency_key: str | None = None,
    request_hash: bytes | None = None,
    refusal: Refusal | None = None,
) -> Event:
    """What every event says of itself; makes the transfer's id.

    `refusal` is what is wrong with the event: it is refused with it unless its key has been posted.
    """
    code, detail = refusal or (None, None)
    return {
        "transfer_id": ids.new_id_text(),
        "occurred_at": occurred_at.isoformat(),
        "business_date": business_date.isoformat(),
        "terminal_id": str(terminal_id),
        "store_id": str(store_id) if store_id else None,
        "order_ref": order_ref,
        "idempotency_key": idempotency_key,
        "request_hash": "\\x" + request_hash.hex() if request_hash else None,
        "refusal": code,
        "refusal_detail": detail,
    }


class Ledger:
    """Safe to share between threads."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls
        self._together: GroupCommit[UUID, Event, PostingResult] = GroupCommit(self._post_together)
        self._events_until_statistics: int | None = EVENTS_UNTIL_STATISTICS

    def post(self, tenant_id: UUID, events: Sequence[Event], statement: Statement = POST) -> list[PostingResult]:
        """Post events of one network, in order, in one transaction.

        Events without an idempotency key (those of the clearinghouse itself) must be safe to repeat by nature: a
        call whose connection broke is made again, whether it had committed or not. `statement`: POST_TOGETHER raises
        `LockNotAvailable`, and has posted nothing, where POST waits for a lock.
        """
        arguments = (str(tenant_id), orjson.dumps(events).decode())
        for attempt in range(1, TRIES_MAX + 1):
            try:
                rows = self.calls.call(statement, *arguments)
                break
            except psycopg2.errors.CheckViolation as error:
                if attempt > 1 or not is_partition_missing(error):
                    raise
                self._make_missing_partitions(events)
            except RETRIED as error:
                if attempt == TRIES_MAX:
                    raise
                log.info("posting again after %s", type(error).__name__)
        self._keep_statistics(len(events))
        afterwards(count_events, [(event["kind"], row[0]) for event, row in zip(events, rows, strict=True)])
        return [result_of(row) for row in rows]

    def post_one(self, tenant_id: UUID, event: Event) -> PostingResult:
        """The same for one event that somebody waits for, together with those of others who wait at this moment."""
        return self._together.submit(tenant_id, event)

    def _post_together(self, tenant_id: UUID, events: Sequence[Event]) -> list[PostingResult]:
        return self.post(tenant_id, events, POST_TOGETHER if len(events) > 1 else POST)

    def _make_missing_partitions(self, events: Sequence[Event]) -> None:
        """Nobody has made months ahead for a year: no till waits until somebody does."""
        this_month = month_of(clock.now().date())
        self.calls.call(ENSURE_PARTITIONS, this_month, add_months(this_month, MONTHS_AHEAD))
        for month in {month_of(clock.date_of(event["business_date"])) for event in events}:
            self.calls.call(ENSURE_PARTITIONS, month, month)
        log.warning("partitions of the ledger were missing and have been made; is the scheduler running?")

    def _keep_statistics(self, events: int) -> None:
        """Have the planner told, once, that the tables are no longer empty; autovacuum comes a minute later.

        A connection keeps its plans, and those made for empty tables read all of a store's transfers to find
        one order: a first import of 13,000 purchases took 41 seconds instead of 2.
        """
        if self._events_until_statistics is None:
            return
        self._events_until_statistics -= events
        if self._events_until_statistics <= 0:
            self._events_until_statistics = None
            self.calls.call(REFRESH_STATISTICS, EVENTS_UNTIL_STATISTICS)


def is_partition_missing(error: psycopg2.errors.CheckViolation) -> bool:
    """A row that no partition takes violates no constraint that has a name, and in the server's language at that."""
    return error.diag.table_name == "postings" and error.diag.constraint_name is None


def result_of(row: tuple[Any, ...]) -> PostingResult:
    outcome, code, detail, card, *transfer = row
    return PostingResult(outcome, code, detail, TransferRecord(*transfer) if transfer[0] else None, card)


def record_of(transfer: Transfer) -> TransferRecord:
    return TransferRecord(*(getattr(transfer, name) for name in TransferRecord._fields))


def ledger() -> Ledger:
    """The ledger of the running application."""
    found: Ledger = current_app.extensions["ledger"]
    return found


def stop_postings(session: Unit | Connection, tenant_id: UUID) -> None:
    """Waits for the network's postings under way, and lets none begin until the transaction ends."""
    session.execute(text("SELECT pg_advisory_xact_lock(ledger.cut_off_key(:tenant))"), {"tenant": tenant_id})


def keep_partitions(session: Unit | Connection) -> None:
    """Whoever else makes, detaches or attaches months waits until the transaction ends."""
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('ledger.ensure_partitions', 0))"))


def open_books(tenant_id: UUID, first_month: date) -> None:
    """To be called inside a unit of work of a new network."""
    db.session.execute(
        text("INSERT INTO ledger.books (tenant_id, first_open_month) VALUES (:tenant, :month)"),
        {"tenant": tenant_id, "month": first_month},
    )


def ensure_partitions(first_month: date, last_month: date) -> int:
    """Make the monthly partitions that are missing; the number made."""
    made: int = db.session.execute(
        text("SELECT ledger.ensure_partitions(:first, :last)"), {"first": first_month, "last": last_month}
    ).scalar_one()
    db.session.commit()
    return made


def ensure_partitions_ahead(first_month: date | None = None) -> int:
    """Make the months to come, and those from `first_month` on: no posting ever finds its partition missing."""
    this_month = month_of(clock.now().date())
    return ensure_partitions(first_month or this_month, add_months(this_month, MONTHS_AHEAD))
