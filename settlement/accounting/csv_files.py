"""A journal as CSV: a row for each posting, money in major units (`1234.56`), debits and credits apart."""

from __future__ import annotations

from collections.abc import Iterator

from settlement.accounting.documents import Journal
from tenants.foundation.csv_text import csv_bytes, text_cell
from tenants.foundation.money import plain_money

COLUMNS = [
    "entry",
    "date",
    "narration",
    "account",
    "participant",
    "store",
    "debit",
    "credit",
    "currency",
    "reference",
]


def write_csv(journal: Journal) -> bytes:
    """What is debited is what is credited, in each entry and in all."""
    return csv_bytes(COLUMNS, rows_of(journal))


def rows_of(journal: Journal) -> Iterator[list[str]]:
    for entry in journal.entries:
        for posting in entry.postings:
            money = plain_money(abs(posting.amount), journal.currency)
            yield [
                entry.number,
                entry.day.isoformat(),
                text_cell(entry.narration),
                posting.account,
                text_cell(posting.participant),
                text_cell(posting.store),
                money if posting.amount > 0 else "",
                money if posting.amount < 0 else "",
                journal.currency,
                posting.reference,
            ]
