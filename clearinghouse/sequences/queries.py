from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select, text

from clearinghouse.sequences.rules import (
    Range,
    count_numbers,
    given_up_before,
    missing_ranges,
    read_multirange,
    write_multirange,
)
from clearinghouse.sequences.tables import TerminalSequence
from tenants.foundation.database import Unit
from tenants.stores.tables import Store
from tenants.terminals.tables import Terminal


class Known(NamedTuple):
    """What is known of a terminal's numbers; `seen_at` is None for one that has never numbered anything."""

    received: list[Range]
    posted: list[Range]
    repeated: list[Range]
    highest: int
    clock_skew_seconds: int | None
    seen_at: datetime | None


# One statement, so that of two batches of a terminal at the same moment neither forgets what the other received.
RECORD = text("""
    INSERT INTO ledger.sequences AS kept
        (tenant_id, terminal_id, received, posted, repeated, highest, clock_skew_seconds, seen_at)
    VALUES (:tenant, :terminal, CAST(:received AS int8multirange), CAST(:posted AS int8multirange),
            CAST(:repeated AS int8multirange), :highest, :clock_skew_seconds, :seen_at)
    ON CONFLICT (tenant_id, terminal_id) DO UPDATE SET
        received = kept.received + excluded.received,
        posted = kept.posted + excluded.posted,
        repeated = kept.repeated + excluded.repeated,
        highest = greatest(kept.highest, excluded.highest),
        clock_skew_seconds = coalesce(excluded.clock_skew_seconds, kept.clock_skew_seconds),
        seen_at = excluded.seen_at
    RETURNING received::text, posted::text, repeated::text, highest, clock_skew_seconds, seen_at
""")

# Gaps that are given up count as received and posted.
GIVE_UP = text("""
    UPDATE ledger.sequences SET
        received = received + int8multirange(int8range(lower(received), :before)),
        posted = posted + int8multirange(int8range(lower(received), :before)),
        repeated = repeated * int8multirange(int8range(:before, NULL))
    WHERE tenant_id = :tenant AND terminal_id = :terminal
    RETURNING received::text, posted::text, repeated::text, highest, clock_skew_seconds, seen_at
""")


def record(
    session: Unit,
    tenant_id: UUID,
    terminal_id: UUID,
    received: Sequence[int],
    posted: Sequence[int],
    repeated: Sequence[int],
    last_sequence: int,
    clock_skew_seconds: int | None,
    seen_at: datetime,
) -> Known:
    """Add numbers that were answered; `posted` are those whose event is in the ledger, `repeated` those of two."""
    terminal = {"tenant": tenant_id, "terminal": terminal_id}
    numbers = {
        "received": write_multirange(received),
        "posted": write_multirange(posted),
        "repeated": write_multirange(repeated),
        "highest": max([last_sequence, *received]),
    }
    clock = {"clock_skew_seconds": clock_skew_seconds, "seen_at": seen_at}
    known = known_of(*session.execute(RECORD, terminal | numbers | clock).one())
    before = given_up_before(known.received, known.posted, known.repeated)
    if before is not None:
        known = known_of(*session.execute(GIVE_UP, {**terminal, "before": before}).one())
    return known


def find(session: Unit, tenant_id: UUID, terminal_id: UUID) -> Known:
    row = session.get(TerminalSequence, (tenant_id, terminal_id))
    if row is None:
        return Known([], [], [], 0, None, None)
    return known_of(row.received, row.posted, row.repeated, row.highest, row.clock_skew_seconds, row.seen_at)


def missing_of_terminals(session: Unit) -> list[tuple[str, str, int]]:
    """Of terminals that hold numbers back: (code of the store, code of the terminal, how many), by code."""
    statement = (
        select(Store.code, Terminal.code, TerminalSequence.received, TerminalSequence.highest)
        .join(Terminal, (Terminal.tenant_id == Store.tenant_id) & (Terminal.store_id == Store.store_id))
        .join(
            TerminalSequence,
            (TerminalSequence.tenant_id == Terminal.tenant_id)
            & (TerminalSequence.terminal_id == Terminal.terminal_id),
        )
        .order_by(Store.code, Terminal.code)
    )
    counted = (
        (store_code, terminal_code, count_numbers(missing_ranges(read_multirange(received), highest)))
        for store_code, terminal_code, received, highest in session.execute(statement)
    )
    return [(store_code, terminal_code, count) for store_code, terminal_code, count in counted if count]


def known_of(
    received: str,
    posted: str,
    repeated: str,
    highest: int,
    clock_skew_seconds: int | None,
    seen_at: datetime | None,
) -> Known:
    return Known(
        read_multirange(received),
        read_multirange(posted),
        read_multirange(repeated),
        highest,
        clock_skew_seconds,
        seen_at,
    )
