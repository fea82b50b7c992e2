"""The transfers behind a store's statement, one by one, as CSV.

Every transfer that the store made in the month, and those of other stores and of head office that moved points which
this store had issued. Rows are read, priced and written as they come: a store may have as many as it likes.

A row is a transfer's points of one flow, priced at the rate of its day; the last rows have the sum of each flow. Who
puts the hashes of the store's own transfers one after the other, each once, has what the month's seal holds of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select

from settlement.statements import queries
from settlement.statements.documents import MonthHeading
from settlement.statements.item_rules import Price, price_of
from settlement.statements.service import file_name, load_heading, version_folder, write_unless_there
from tenants.foundation import ids
from tenants.foundation.csv_text import csv_chunks, text_cell
from tenants.foundation.database import Unit, unit_of_work
from tenants.foundation.files import put_in_place
from tenants.foundation.money import minor_digits
from tenants.rates.queries import rate_book
from tenants.rates.rules import RateBook
from tenants.stores.rules import HEAD_OFFICE
from tenants.stores.service import find_store
from tenants.stores.tables import Store

COLUMNS = [
    "transfer_id",
    "kind",
    "business_date",
    "store",
    "order_ref",
    "card",
    "flow",
    "counter_store",
    "points",
    "rate",
    "amount",
    "transfer_hash",
]
TOTAL = "total"


def render_items(tenant_id: UUID, month: date, store_code: str) -> Path:
    """The file of the version that is not rejected. Of a draft it is written anew each time: a rate may have changed.

    Raises `NotFound` for a code of no store, and `Unavailable` when the file system refuses.
    """
    heading = load_heading(tenant_id, month)
    store = find_store(tenant_id, store_code)
    path = version_folder(heading) / "items" / f"{file_name(store_code)}.csv"
    if heading.is_final:
        return write_unless_there(path, heading.as_of, lambda at: write_items(heading, store, at))
    write_items(heading, store, path)
    return path


def write_items(heading: MonthHeading, store: Store, path: Path) -> None:
    with unit_of_work(heading.tenant_id) as session:
        book = ItemBook.of(session, heading, store.store_id)
        put_in_place(path, csv_chunks(COLUMNS, item_rows(session, book)))


@dataclass
class ItemBook:
    """What is needed to price and name a store's items, and what they have come to so far, by flow."""

    heading: MonthHeading
    store_id: UUID
    codes: Mapping[UUID, str]
    participants: Mapping[UUID, UUID]
    rates: RateBook
    totals: dict[str, tuple[int, Decimal]] = field(default_factory=dict)

    @classmethod
    def of(cls, session: Unit, heading: MonthHeading, store_id: UUID) -> ItemBook:
        stores = session.execute(select(Store.store_id, Store.code, Store.participant_id)).all()
        codes = {store.store_id: store.code for store in stores} | {heading.tenant_id: HEAD_OFFICE}
        participants = {store.store_id: store.participant_id for store in stores}
        return cls(heading, store_id, codes, participants, rate_book(session))

    def price(self, flow: str, counter_id: UUID | None, day: date) -> Price | None:
        own = self.rates.on(self.participants.get(self.store_id), day)
        other = self.rates.on(self.participants.get(counter_id), day) if counter_id else own
        return price_of(flow, self.heading.model, own, other, counter_id == self.store_id)

    def add(self, flow: str, points: int, exact: Decimal) -> None:
        points_before, exact_before = self.totals.get(flow, (0, Decimal(0)))
        self.totals[flow] = points_before + points, exact_before + exact


def item_rows(session: Unit, book: ItemBook) -> Iterator[list[str]]:
    for row in queries.stream_items(session, book.heading.month, book.store_id):
        yield item_row(row, book)
    for flow, (points, exact) in sorted(book.totals.items()):
        sums = {"transfer_id": TOTAL, "flow": flow, "points": str(points), "amount": major(exact, book)}
        yield [sums.get(column, "") for column in COLUMNS]


def item_row(row: Row[Any], book: ItemBook) -> list[str]:
    rate, amount = "", ""
    if row.flow is not None:
        price = book.price(row.flow, row.counter_id, row.business_date)
        exact = Decimal(0) if price is None else price * row.points
        book.add(row.flow, row.points, exact)
        if price is not None:
            rate, amount = major(price, book), major(exact, book)
    return [
        ids.show(ids.TRANSFER, row.transfer_id),
        row.kind,
        row.business_date.isoformat(),
        HEAD_OFFICE if row.store_id is None else book.codes[row.store_id],
        text_cell(row.order_ref or ""),
        f"…{row.card}" if row.card else "",
        row.flow or "",
        book.codes[row.counter_id] if row.counter_id else "",
        "" if row.points is None else str(row.points),
        rate,
        amount,
        row.hash.hex(),
    ]


def major(minor: Decimal, book: ItemBook) -> str:
    return f"{minor.scaleb(-minor_digits(book.heading.currency)).normalize():f}"
