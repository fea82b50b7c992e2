"""Store and forward: what a till has sent of its own numbered events, what is missing, and how its clock runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from clearinghouse.ledger.service import POSTED, REFUSED
from clearinghouse.sequences import queries
from clearinghouse.sequences.queries import Known
from clearinghouse.sequences.rules import (
    CLOCK_SKEW,
    Range,
    count_numbers,
    is_numbered,
    is_sequence,
    missing_ranges,
    numbers_within,
    ranges_of,
    refuse_numbers,
)
from tenants.credentials.service import Principal
from tenants.foundation import clock, ids
from tenants.foundation.database import unit_of_work
from tenants.foundation.errors import ClearinghouseError, InvalidInput
from tenants.terminals.service import find_terminal

# More ranges than these are counted, not listed.
LISTED_MAX = 100


class TillReport:
    """What a batch tells of its till besides its events: their numbers, and the time that the till has.

    A batch that tells neither costs nothing. Raises `InvalidInput` when the batch is numbered in part.
    """

    def __init__(self, principal: Principal, batch: dict[str, Any]) -> None:
        self.received_at = clock.now()
        self.principal = principal
        self.last_sequence: int = batch.get("last_sequence", 0)
        sent_at: datetime | None = batch.get("sent_at")
        self.clock_skew_seconds = None if sent_at is None else round((sent_at - self.received_at).total_seconds())
        self.is_numbered = is_numbered(batch["events"])
        if self.last_sequence and not self.is_numbered:
            raise InvalidInput("last_sequence counts sequences: number the events too.", code="sequence_incomplete")
        self.refusals: dict[int, ClearinghouseError] = refuse_numbers(batch["events"]) if self.is_numbered else {}
        self.known: Known | None = None
        self.posted_before = self.find_posted() if self.is_numbered else []
        self.repeated: list[int] = []

    def find_posted(self) -> list[Range]:
        """Before any event of this batch is posted: one of these numbers that is posted now belongs to two events.

        Afterwards it would be too late: the same batch, sent again by an impatient till, may have been replayed and
        recorded meanwhile.
        """
        assert self.principal.terminal_id is not None
        with unit_of_work(self.principal.tenant_id) as session:
            return queries.find(session, self.principal.tenant_id, self.principal.terminal_id).posted

    def record(self, settled: Sequence[tuple[object, str]]) -> None:
        """`settled` has the sequence and the outcome of each event that was answered just now.

        Called after they were posted: if it fails, the till sends them again, and they are replayed.
        """
        if not self.is_numbered and self.clock_skew_seconds is None:
            return
        numbered = [(number, outcome) for number, outcome in settled if is_sequence(number)]
        fresh = [number for number, outcome in numbered if outcome == POSTED]
        repeated = numbers_within(self.posted_before, fresh)
        assert self.principal.terminal_id is not None
        with unit_of_work(self.principal.tenant_id) as session:
            self.known = queries.record(
                session,
                self.principal.tenant_id,
                self.principal.terminal_id,
                received=[number for number, _ in numbered],
                posted=[number for number, outcome in numbered if outcome != REFUSED],
                repeated=repeated,
                last_sequence=self.last_sequence,
                clock_skew_seconds=self.clock_skew_seconds,
                seen_at=self.received_at,
            )
        self.repeated += repeated

    def show(self) -> dict[str, Any]:
        """The members that the answer to the batch gains."""
        shown: dict[str, Any] = {}
        if self.is_numbered and self.known is not None:
            shown |= show_missing(self.known)
            shown |= {
                "repeated_sequences": ranges_of(self.repeated)[:LISTED_MAX],
                "repeated_count": len(self.repeated),
            }
        if self.clock_skew_seconds is not None:
            shown["clock_skew_seconds"] = self.clock_skew_seconds
        warnings = warn_of_clock(self.clock_skew_seconds)
        return shown | ({"warnings": warnings} if warnings else {})


def warn_of_clock(clock_skew_seconds: int | None) -> list[dict[str, str]]:
    if clock_skew_seconds is None or abs(clock_skew_seconds) <= CLOCK_SKEW.total_seconds():
        return []
    direction = "ahead" if clock_skew_seconds > 0 else "behind"
    return [
        {
            "code": "clock_skewed",
            "detail": f"The till's clock runs {abs(clock_skew_seconds)} seconds {direction}; set it.",
        }
    ]


def show_missing(known: Known) -> dict[str, Any]:
    missing = missing_ranges(known.received, known.highest)
    return {
        "highest_sequence": known.highest,
        "missing_sequences": missing[:LISTED_MAX],
        "missing_count": count_numbers(missing),
    }


def sequence_of_terminal(tenant_id: UUID, terminal_id: UUID) -> dict[str, Any]:
    """What is known of a terminal's numbers; raises `NotFound`."""
    terminal, store = find_terminal(tenant_id, terminal_id)
    with unit_of_work(tenant_id) as session:
        known = queries.find(session, tenant_id, terminal_id)
    return {
        "terminal_id": ids.show(ids.TERMINAL, terminal_id),
        "store": store.code,
        "terminal": terminal.code,
        **show_missing(known),
        "received_sequences": newest(known.received),
        "received_count": count_numbers(known.received),
        "repeated_sequences": newest(known.repeated),
        "repeated_count": count_numbers(known.repeated),
        "clock_skew_seconds": known.clock_skew_seconds,
        "seen_at": known.seen_at and known.seen_at.isoformat(timespec="seconds"),
    }


def newest(ranges: Sequence[Range]) -> Sequence[Range]:
    return ranges[-LISTED_MAX:]


def show_ranges(ranges: Iterable[Range]) -> str:
    """For people: `1-5, 7`."""
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges) or "none"
