"""Days of tills beside the ledger's. To be called inside a unit of work."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Text, cast, select, text
from sqlalchemy.orm import defer

from clearinghouse.dayclose.rules import (
    ENTRY_KINDS,
    FIGURES,
    GROUPS,
    OPEN_STATUSES,
    STATUSES,
    Entry,
    Total,
    Totals,
)
from clearinghouse.dayclose.tables import DayClose, DayCloseAcceptance
from clearinghouse.ledger.tables import Transfer
from tenants.foundation import clock, ids
from tenants.foundation.database import Unit
from tenants.foundation.months import last_day
from tenants.networks.tables import Network

# A business day begins up to 14 hours before it does in UTC, and a till's clock may run ahead. An event can come
# long after its day, but not before it: so the ids of a day's transfers have a lower end, though no upper one.
BEGINS_BEFORE_UTC = timedelta(days=2)


class Day(NamedTuple):
    """A terminal's day; `attempt` is 0 and `till` None when it was not closed."""

    terminal_id: UUID
    store_code: str
    terminal_code: str
    business_date: date
    attempt: int
    submitted_at: datetime | None
    status: str
    till: Totals | None
    ledger: Totals


COLUMNS = [f"{group}_{figure}" for group in GROUPS for figure in FIGURES]
KINDS = ", ".join(f"('{kind}', '{entry_kind}')" for kind, entry_kind in ENTRY_KINDS.items())
WEIGHTS = " ".join(f"WHEN '{kind}' THEN {weight}" for weight, kind in enumerate(GROUPS.values(), 1))
SUMS = ", ".join(
    f"coalesce(sum({figure}) FILTER (WHERE entry_kind = '{kind}'), 0) AS {group}_{figure}"
    for group, kind in GROUPS.items()
    for figure in FIGURES
)

# The same orders with the same figures have the same sum, in whatever order they come; others, in practice, have not.
HASHES = "sum(hashtextextended({reference}, hashint8extended(points, amount)))"
FINGERPRINT = f"sum(hashes * CASE entry_kind {WEIGHTS} END)"

# The ledger is read once, by the ids that the first day can have, and summed by terminal, day and kind.
DAYS = f"""
    WITH tills AS (
        SELECT terminal.terminal_id, terminal.store_id, terminal.code, since.business_date AS closes_since
        FROM tenants.terminals AS terminal CROSS JOIN LATERAL (
            SELECT business_date FROM ledger.day_closes AS close
            WHERE close.tenant_id = terminal.tenant_id AND close.terminal_id = terminal.terminal_id
            ORDER BY business_date LIMIT 1
        ) AS since
        WHERE CAST(:terminal AS uuid) IS NULL OR terminal.terminal_id = :terminal
    ), closed AS (
        SELECT DISTINCT ON (terminal_id, business_date)
               terminal_id, business_date, attempt, submitted_at, fingerprint, {", ".join(COLUMNS)}
        FROM ledger.day_closes JOIN tills USING (terminal_id)
        WHERE business_date BETWEEN :first AND :last
        ORDER BY terminal_id, business_date, attempt DESC
    ), by_kind AS (
        SELECT terminal_id, business_date, kind, count(*) AS count, sum(points) AS points, sum(amount) AS amount,
               {HASHES.format(reference="coalesce(order_ref, transfer_id::text)")} AS hashes
        FROM ledger.transfers JOIN tills USING (store_id, terminal_id)
        WHERE transfer_id >= :lowest_id AND business_date BETWEEN :first AND :last AND business_date >= closes_since
        GROUP BY terminal_id, business_date, kind
    ), posted AS (
        SELECT terminal_id, business_date, {FINGERPRINT} AS fingerprint, {SUMS}
        FROM by_kind JOIN (VALUES {KINDS}) AS counted (kind, entry_kind) ON counted.kind = by_kind.kind::text
        GROUP BY terminal_id, business_date
    ), compared AS (
        SELECT terminal_id, business_date, coalesce(closed.attempt, 0) AS attempt, closed.submitted_at,
               {", ".join(f"closed.{column} AS till_{column}" for column in COLUMNS)},
               {", ".join(f"coalesce(posted.{column}, 0) AS ledger_{column}" for column in COLUMNS)},
               closed.fingerprint IS NULL OR closed.fingerprint = coalesce(posted.fingerprint, 0) AS same_orders
        FROM closed FULL JOIN posted USING (terminal_id, business_date)
    ), days AS (
        SELECT compared.*, CASE
            WHEN ({", ".join(f"till_{column}" for column in COLUMNS)})
                 = ({", ".join(f"ledger_{column}" for column in COLUMNS)}) AND same_orders THEN 'matched'
            WHEN EXISTS (
                SELECT FROM ledger.day_close_acceptances AS accepted
                WHERE accepted.terminal_id = compared.terminal_id
                  AND accepted.business_date = compared.business_date AND accepted.attempt = compared.attempt
                  AND accepted.transfers_count = {" + ".join(f"ledger_{group}_count" for group in GROUPS)}
            ) THEN 'accepted'
            WHEN attempt = 0 THEN 'missing'
            ELSE 'differing' END AS status
        FROM compared
    )
    SELECT days.*, tills.code AS terminal_code, stores.code AS store_code
    FROM days JOIN tills USING (terminal_id) JOIN tenants.stores USING (store_id)
    WHERE days.status = ANY (CAST(:statuses AS text[])) AND (attempt > 0 OR business_date < :today)
      AND (business_date, terminal_id) > (:after_date, CAST(:after_terminal AS uuid))
    ORDER BY business_date, terminal_id LIMIT :limit
"""

TILL_FINGERPRINT = text(f"""
    SELECT coalesce({FINGERPRINT}, 0) FROM (
        SELECT entry_kind, {HASHES.format(reference="reference")} AS hashes
        FROM unnest(CAST(:kinds AS text[]), CAST(:references AS text[]), CAST(:points AS bigint[]),
                    CAST(:amounts AS bigint[])) AS entries (entry_kind, reference, points, amount)
        GROUP BY entry_kind
    ) AS by_kind
""")

Place = tuple[date, UUID]
BEGINNING: Place = (date.min, UUID(int=0))


def list_days(
    session: Unit,
    first: date,
    last: date,
    statuses: Collection[str] = STATUSES,
    terminal_id: UUID | None = None,
    after: Place = BEGINNING,
    limit: int | None = None,
) -> list[Day]:
    """By day and terminal, those that follow `after`.

    A terminal's days count from the first one that it closed; a day without a close is missing one once it is over.
    """
    rows = session.execute(
        text(DAYS),
        {
            "first": max(first, after[0]),
            "last": last,
            "lowest_id": lowest_id_of(max(first, after[0])),
            "statuses": list(statuses),
            "terminal": terminal_id,
            "after_date": after[0],
            "after_terminal": after[1],
            "today": clock.business_date(clock.now(), session.scalars(select(Network.time_zone)).one()),
            "limit": limit,
        },
    )
    return [day_of(row._mapping) for row in rows]


def open_differences(session: Unit, month: date) -> list[Day]:
    """What is to be looked at before a month is approved: days of terminals that close their days, of which the
    newest close differs from the ledger and has not been accepted, or which were never closed."""
    return list_days(session, month, last_day(month), OPEN_STATUSES)


def day_of(row: Any) -> Day:
    return Day(
        row["terminal_id"],
        row["store_code"],
        row["terminal_code"],
        row["business_date"],
        row["attempt"],
        row["submitted_at"],
        row["status"],
        totals_from(row, "till_") if row["attempt"] else None,
        totals_from(row, "ledger_"),
    )


def totals_from(row: Any, prefix: str = "") -> Totals:
    return {group: Total(*(int(row[f"{prefix}{group}_{figure}"]) for figure in FIGURES)) for group in GROUPS}


def lowest_id_of(business_date: date) -> UUID:
    midnight = datetime.combine(business_date, time.min, UTC)
    return ids.lowest_id_at(midnight - BEGINS_BEFORE_UTC)


def ledger_entries(session: Unit, store_id: UUID, terminal_id: UUID, business_date: date) -> list[Entry]:
    """What the ledger has of a terminal's day, in the order of posting."""
    kind = cast(Transfer.kind, Text)
    rows = session.execute(
        select(kind, Transfer.order_ref, Transfer.transfer_id, Transfer.points, Transfer.amount)
        .where(
            Transfer.store_id == store_id,
            Transfer.terminal_id == terminal_id,
            Transfer.transfer_id >= lowest_id_of(business_date),
            Transfer.business_date == business_date,
            kind.in_(ENTRY_KINDS),
        )
        .order_by(Transfer.transfer_id)
    )
    return [
        Entry(ENTRY_KINDS[kind], order_ref, ids.show(ids.TRANSFER, transfer_id), points, amount)
        for kind, order_ref, transfer_id, points, amount in rows
    ]


def list_attempts(session: Unit, terminal_id: UUID, business_date: date) -> list[DayClose]:
    """Oldest first; their entries are read when they are asked for."""
    statement = (
        select(DayClose)
        .options(defer(DayClose.entries))
        .where(DayClose.terminal_id == terminal_id, DayClose.business_date == business_date)
        .order_by(DayClose.attempt)
    )
    return list(session.scalars(statement))


def list_acceptances(session: Unit, terminal_id: UUID, business_date: date) -> list[DayCloseAcceptance]:
    """Oldest first."""
    statement = (
        select(DayCloseAcceptance)
        .where(DayCloseAcceptance.terminal_id == terminal_id, DayCloseAcceptance.business_date == business_date)
        .order_by(DayCloseAcceptance.acceptance_id)
    )
    return list(session.scalars(statement))


def fingerprint_of(session: Unit, entries: Sequence[Entry]) -> Decimal:
    """Comparable with what `DAYS` sums of the ledger's transfers."""
    value: Decimal = session.execute(
        TILL_FINGERPRINT,
        {
            "kinds": [entry.kind for entry in entries],
            "references": [reference_of(entry) for entry in entries],
            "points": [entry.points for entry in entries],
            "amounts": [entry.amount for entry in entries],
        },
    ).scalar_one()
    return value


def reference_of(entry: Entry) -> str:
    return entry.order_ref or str(ids.parse(ids.TRANSFER, entry.transfer_id or ""))


def lock_day(session: Unit, terminal_id: UUID, business_date: date) -> None:
    """Attempts of a day are numbered one after the other."""
    subject = f"day close {terminal_id} {business_date}"
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:subject, 0))"), {"subject": subject})
