"""Head office's journal. Nothing of it is stored: an approved month never changes, so neither do its entries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from uuid import UUID

from clearinghouse.ledger.queries import check_attached
from settlement.accounting import queries
from settlement.accounting.beancount import write_beancount
from settlement.accounting.carrying import PointsOfMonth, points_of_month
from settlement.accounting.csv_files import write_csv
from settlement.accounting.documents import Journal
from settlement.accounting.rules import (
    Entry,
    Party,
    SettlementToPost,
    dispute_entries,
    entries_of,
    payment_entries,
)
from settlement.legs.service import approved_settlement
from settlement.proposals.queries import lines_of
from settlement.proposals.tables import Settlement
from settlement.statements.service import output_folder
from settlement.valuation.assumptions import HEAD_OFFICE, Assumptions, check_assumptions
from tenants.foundation.database import Unit, unit_of_work
from tenants.foundation.files import put_in_place
from tenants.foundation.months import add_months, last_day, month_of, show_month
from tenants.networks.service import get_network, today_in
from tenants.networks.tables import Network

CSV, BEANCOUNT = "csv", "beancount"
WRITERS: dict[str, Callable[[Journal], bytes]] = {CSV: write_csv, BEANCOUNT: write_beancount}


def journal_of(tenant_id: UUID, month: date, breakage_to: str = HEAD_OFFICE) -> Journal:
    """What the settlement of `month` is booked as, the same for ever.

    Raises `NotFound` while nothing is proposed for the month, `Conflict` until it is approved.
    """
    check_assumptions(Assumptions(breakage_to=breakage_to))
    with unit_of_work(tenant_id, isolation="REPEATABLE READ") as session:
        settlement = approved_settlement(session, month)
        books = Bookkeeping(session, tenant_id, [settlement], breakage_to)
        return books.journal(f"Settlement {show_month(month)}", books.settlement_entries)


def book_through(tenant_id: UUID, through: date | None = None, breakage_to: str = HEAD_OFFICE) -> Journal:
    """Every entry until the day `through`, by default today: settlements, payments, and disputes decided late."""
    check_assumptions(Assumptions(breakage_to=breakage_to))
    with unit_of_work(tenant_id, isolation="REPEATABLE READ") as session:
        day = through or today_in(tenant_id)
        approved = [s for s in queries.approved_settlements(session, day) if last_day(s.month) <= day]
        books = Bookkeeping(session, tenant_id, approved, breakage_to)
        entries = [*books.settlement_entries, *(entry for entry in books.later_entries() if entry.day <= day)]
        return books.journal(f"Journal until {day}", sorted(entries, key=lambda entry: entry.day))


class Bookkeeping:
    """The entries of some approved settlements, oldest first, in one snapshot."""

    def __init__(self, session: Unit, tenant_id: UUID, settlements: Sequence[Settlement], breakage_to: str) -> None:
        self.session, self.tenant_id, self.breakage_to = session, tenant_id, breakage_to
        self.network: Network = get_network(tenant_id)
        stores = queries.stores_by_id(session)
        self.parties: dict[UUID, Party] = {store_id: party for store_id, (party, _, _) in stores.items()}
        self.names = {party.participant: name for party, _, name in stores.values()}
        self.carrying = queries.carrying_of(session, {store_id: owner for store_id, (_, owner, _) in stores.items()})
        self.months: list[tuple[date, PointsOfMonth]] = []
        self.settlement_entries: list[Entry] = []
        if settlements:
            self.post(settlements)

    def post(self, settlements: Sequence[Settlement]) -> None:
        months = [settlement.month for settlement in settlements]
        first_days = self.carrying.first_days()
        check_attached(self.session, month_of(self.network.opened_on), months[-1])
        movements = queries.movements_through(self.session, months[-1], first_days)
        reasons = queries.reasons_of(self.session, months)
        for settlement in settlements:
            month, lines = settlement.month, lines_of(self.session, settlement.settlement_id)
            points = points_of_month(self.carrying, movements, lines, add_months(month, -1), month)
            to_post = SettlementToPost(month, self.tenant_id, lines, self.parties, reasons, points)
            self.months.append((month, points))
            self.settlement_entries += entries_of(to_post, self.breakage_to)

    def later_entries(self) -> list[Entry]:
        """Of what happened to approved settlements, by its own day."""
        legs = queries.leg_changes(self.session, self.network, self.parties)
        lost = queries.lost_disputes(self.session, self.network, self.parties)
        return [*payment_entries(legs), *dispute_entries(lost, self.tenant_id)]

    def journal(self, title: str, entries: Sequence[Entry]) -> Journal:
        named = {posting.participant for entry in entries for posting in entry.postings if posting.participant}
        return Journal(
            self.network.code,
            self.network.name,
            self.network.currency,
            self.network.opened_on,
            title,
            self.breakage_to,
            tuple(self.months),
            tuple(entries),
            {code: self.names[code] for code in sorted(named)},
        )


def export_journal(journal: Journal, format: str, month: date | None, path: Path | None) -> Path:
    """To `path`, or beside the documents of the month; what is of no one month, beside the months' folders."""
    folder = output_folder(journal.network_code, month or journal.opened_on)
    path = path or (folder if month else folder.parent) / f"journal.{format}"
    put_in_place(path, WRITERS[format](journal))
    return path
