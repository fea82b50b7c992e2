"""The end of a till's day: what the till says beside what the ledger has, and who accepted a difference.

Nothing of a comparison is stored: whoever asks is told how the newest close compares with the ledger as it is now,
so that an event which came late makes its day differ.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from clearinghouse.dayclose import queries
from clearinghouse.dayclose.queries import BEGINNING, Day, Place
from clearinghouse.dayclose.rules import (
    ACCEPTED,
    GROUPS,
    MATCHED,
    STATUSES,
    Difference,
    Entry,
    Total,
    Totals,
    compare_entries,
    count_of,
    name_as_ledger,
    status_of,
    totals_of,
)
from clearinghouse.dayclose.tables import DayClose, DayCloseAcceptance
from clearinghouse.sequences.rules import CLOCK_SKEW
from tenants.credentials.service import Principal
from tenants.foundation import clock, ids
from tenants.foundation.database import Unit, compact_json, unit_of_work
from tenants.foundation.errors import Conflict, InvalidInput, NotFound
from tenants.networks.service import OPENED_ON_MIN, today_in
from tenants.stores.tables import Store
from tenants.terminals.service import find_terminal
from tenants.terminals.tables import Terminal

REASON_PATTERN = r"(?=.*\S)[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,500}"

DAYS_LISTED_MAX = 31
# More differences than these are counted, not listed.
DIFFERENCES_LISTED_MAX = 1_000


@dataclass(frozen=True)
class ComparedDay:
    """`attempts` and `acceptances` are oldest first; without an attempt, the day was not closed."""

    terminal: Terminal
    store: Store
    business_date: date
    attempts: list[DayClose]
    acceptances: list[DayCloseAcceptance]
    has_entries: bool
    ledger: Totals
    differences: list[Difference]
    status: str

    @property
    def attempt(self) -> int:
        return self.attempts[-1].attempt if self.attempts else 0


def close_day(principal: Principal, body: dict[str, Any]) -> tuple[ComparedDay, bool]:
    """The day as it compares now, and whether this close had been submitted before.

    `body` has passed the schema. The same close again is no new attempt, unless another came between.
    """
    assert principal.terminal_id is not None
    business_date: date = body["business_date"]
    check_business_date(business_date, principal.time_zone)
    totals = {group: Total(**body["totals"][group]) for group in GROUPS}
    entries = entries_of(body["entries"], totals) if "entries" in body else None
    content_hash = hashlib.sha256(compact_json([show_totals(totals), entries]).encode()).digest()
    terminal, store = find_terminal(principal.tenant_id, principal.terminal_id)
    with unit_of_work(principal.tenant_id) as session:
        queries.lock_day(session, terminal.terminal_id, business_date)
        attempts = queries.list_attempts(session, terminal.terminal_id, business_date)
        is_repeat = bool(attempts) and attempts[-1].content_hash == content_hash
        if not is_repeat:
            attempt = len(attempts) + 1
            add_close(session, terminal, business_date, attempt, totals, entries, content_hash)
        return compare_day(session, terminal, store, business_date), is_repeat


def check_business_date(business_date: date, time_zone: str) -> None:
    if business_date > clock.business_date(clock.now() + CLOCK_SKEW, time_zone):
        raise InvalidInput(
            "business_date has not begun yet in the network's time zone.", code="business_date_in_future"
        )


def entries_of(rows: list[dict[str, Any]], totals: Totals) -> list[Entry]:
    """Raises `InvalidInput` for entries that name no order, or do not add up to the totals."""
    entries = [
        Entry(row["kind"], row.get("order_ref"), row.get("transfer_id"), row["points"], row["amount"]) for row in rows
    ]
    for place, entry in enumerate(entries):
        if (entry.order_ref is None) == (entry.transfer_id is None):
            raise InvalidInput(
                f"Entry {place} must name its order by order_ref or by transfer_id, one of them.",
                code="entry_not_named",
            )
        if entry.transfer_id is not None:
            ids.parse(ids.TRANSFER, entry.transfer_id)
    summed = totals_of(entries)
    if summed != totals:
        raise InvalidInput(
            "The entries do not add up to the totals; entries_totals is what they add up to. Send all of them.",
            code="entries_do_not_add_up",
            entries_totals=show_totals(summed),
        )
    return entries


def add_close(
    session: Unit,
    terminal: Terminal,
    business_date: date,
    attempt: int,
    totals: Totals,
    entries: list[Entry] | None,
    content_hash: bytes,
) -> None:
    """Entries are kept under the names that the ledger has for them, so that both sides can be summed alike."""
    if entries is not None:
        known = queries.ledger_entries(session, terminal.store_id, terminal.terminal_id, business_date)
        entries = name_as_ledger(entries, known)
    close = DayClose(
        tenant_id=terminal.tenant_id,
        terminal_id=terminal.terminal_id,
        business_date=business_date,
        attempt=attempt,
        entries=None if entries is None else [list(entry) for entry in entries],
        fingerprint=None if entries is None else queries.fingerprint_of(session, entries),
        content_hash=content_hash,
        submitted_at=clock.now(),
    )
    for group, total in totals.items():
        for figure, value in vars(total).items():
            setattr(close, f"{group}_{figure}", value)
    session.add(close)
    session.flush()


def find_day(tenant_id: UUID, terminal_id: UUID, business_date: date) -> ComparedDay:
    """Raises `NotFound` for a day that was not closed and has no transfers."""
    terminal, store = find_terminal(tenant_id, terminal_id)
    with unit_of_work(tenant_id) as session:
        return find_in(session, terminal, store, business_date)


def find_in(session: Unit, terminal: Terminal, store: Store, business_date: date) -> ComparedDay:
    day = compare_day(session, terminal, store, business_date)
    if not day.attempts and not count_of(day.ledger):
        raise NotFound(
            "This terminal has neither closed this day nor posted anything on it.", code="day_close_unknown"
        )
    return day


def compare_day(session: Unit, terminal: Terminal, store: Store, business_date: date) -> ComparedDay:
    attempts = queries.list_attempts(session, terminal.terminal_id, business_date)
    acceptances = queries.list_acceptances(session, terminal.terminal_id, business_date)
    posted = queries.ledger_entries(session, terminal.store_id, terminal.terminal_id, business_date)
    newest = attempts[-1] if attempts else None
    entries = newest.entries if newest else None
    differences = [] if entries is None else compare_entries([Entry(*entry) for entry in entries], posted)
    ledger = totals_of(posted)
    status = status_of(
        queries.totals_from(vars(newest)) if newest else None,
        ledger,
        differences,
        newest.attempt if newest else 0,
        (acceptances[-1].attempt, acceptances[-1].transfers_count) if acceptances else None,
    )
    return ComparedDay(
        terminal, store, business_date, attempts, acceptances, entries is not None, ledger, differences, status
    )


def check_reason(reason: str) -> None:
    if not re.fullmatch(REASON_PATTERN, reason):
        raise InvalidInput("A reason has 1 to 500 characters without control characters.", code="invalid_reason")


def accept_day(tenant_id: UUID, terminal_id: UUID, business_date: date, reason: str, accepted_by: str) -> ComparedDay:
    """Head office takes the ledger's word for a day on which the till's differs or is missing.

    Raises `Conflict` when there is nothing to accept, or it has been accepted.
    """
    check_reason(reason)
    terminal, store = find_terminal(tenant_id, terminal_id)
    with unit_of_work(tenant_id) as session:
        queries.lock_day(session, terminal_id, business_date)
        day = find_in(session, terminal, store, business_date)
        if day.status == MATCHED:
            raise Conflict("This day matches the ledger: there is nothing to accept.", code="day_matches")
        if day.status == ACCEPTED:
            raise Conflict("This difference has been accepted already.", code="day_already_accepted")
        session.add(
            DayCloseAcceptance(
                tenant_id=tenant_id,
                terminal_id=terminal_id,
                business_date=business_date,
                acceptance_id=ids.new_id(),
                attempt=day.attempt,
                transfers_count=count_of(day.ledger),
                reason=reason,
                accepted_by=accepted_by,
                accepted_at=clock.now(),
            )
        )
        session.flush()
        return compare_day(session, terminal, store, business_date)


def list_days(
    tenant_id: UUID,
    first: date | None,
    last: date | None,
    status: str | None = None,
    terminal_id: UUID | None = None,
    after: Place = BEGINNING,
    limit: int | None = None,
) -> list[Day]:
    """From `first` to `last`, by default the last seven days; by day and terminal, those that follow `after`."""
    with unit_of_work(tenant_id) as session:
        last = last or today_in(tenant_id)
        first = first or last - timedelta(days=6)
        check_range(first, last)
        statuses: Collection[str] = (status,) if status else STATUSES
        return queries.list_days(session, first, last, statuses, terminal_id, after, limit)


def check_range(first: date, last: date) -> None:
    if not first <= last < first + timedelta(days=DAYS_LISTED_MAX):
        raise InvalidInput(f"Ask for 1 to {DAYS_LISTED_MAX} days: from may not lie after to.", code="invalid_range")


def parse_day(text: str) -> date:
    """Raises `InvalidInput` unless `text` is like `2026-11-30`."""
    try:
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
            raise ValueError(text)
        day = date.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(f"{text!r} is not a day: write it like 2026-11-30.", code="invalid_day") from error
    if not day >= OPENED_ON_MIN:
        raise InvalidInput(f"{text} lies before {OPENED_ON_MIN}.", code="invalid_day")
    return day


def show_compared_day(day: ComparedDay) -> dict[str, Any]:
    newest = day.attempts[-1] if day.attempts else None
    return {
        "terminal_id": ids.show(ids.TERMINAL, day.terminal.terminal_id),
        "store": day.store.code,
        "terminal": day.terminal.code,
        "business_date": day.business_date.isoformat(),
        "status": day.status,
        "attempt": day.attempt,
        "submitted_at": newest and newest.submitted_at.isoformat(timespec="seconds"),
        "till": newest and show_totals(queries.totals_from(vars(newest))),
        "ledger": show_totals(day.ledger),
        "entries_needed": newest is not None and day.status != MATCHED and not day.has_entries,
        "differences": [show_difference(each) for each in day.differences[:DIFFERENCES_LISTED_MAX]],
        "differences_count": len(day.differences),
        "attempts": [show_attempt(close) for close in day.attempts],
        "acceptances": [show_acceptance(acceptance) for acceptance in day.acceptances],
    }


def show_day(day: Day) -> dict[str, Any]:
    return {
        "terminal_id": ids.show(ids.TERMINAL, day.terminal_id),
        "store": day.store_code,
        "terminal": day.terminal_code,
        "business_date": day.business_date.isoformat(),
        "status": day.status,
        "attempt": day.attempt,
        "submitted_at": day.submitted_at and day.submitted_at.isoformat(timespec="seconds"),
        "till": day.till and show_totals(day.till),
        "ledger": show_totals(day.ledger),
    }


def show_totals(totals: Totals) -> dict[str, dict[str, int]]:
    return {group: dict(vars(total)) for group, total in totals.items()}


def show_difference(difference: Difference) -> dict[str, Any]:
    return {
        "order_ref": difference.order_ref,
        "transfer_id": difference.transfer_id,
        "kind": difference.kind,
        "till": show_entry(difference.till),
        "ledger": show_entry(difference.ledger),
    }


def show_entry(entry: Entry | None) -> dict[str, int] | None:
    return entry and {"points": entry.points, "amount": entry.amount}


def show_attempt(close: DayClose) -> dict[str, Any]:
    return {
        "attempt": close.attempt,
        "submitted_at": close.submitted_at.isoformat(timespec="seconds"),
        "till": show_totals(queries.totals_from(vars(close))),
    }


def show_acceptance(acceptance: DayCloseAcceptance) -> dict[str, Any]:
    return {
        "attempt": acceptance.attempt,
        "reason": acceptance.reason,
        "accepted_by": acceptance.accepted_by,
        "accepted_at": acceptance.accepted_at.isoformat(timespec="seconds"),
    }
