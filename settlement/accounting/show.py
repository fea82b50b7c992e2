"""A journal in JSON and on the console."""

from __future__ import annotations

from typing import Any

from settlement.accounting.documents import Journal
from settlement.accounting.rules import Entry
from tenants.foundation.money import show_money
from tenants.foundation.months import show_month


def journal_as_json(journal: Journal) -> dict[str, Any]:
    return {
        "network": journal.network_code,
        "title": journal.title,
        "currency": journal.currency,
        "breakage_to": journal.breakage_to,
        "months": [
            {"month": show_month(month), **{name: value for name, value in vars(points).items()}}
            for month, points in journal.months
        ],
        "entries": [entry_as_json(entry) for entry in journal.entries],
    }


def entry_as_json(entry: Entry) -> dict[str, Any]:
    return {
        "entry": entry.number,
        "date": entry.day.isoformat(),
        "narration": entry.narration,
        "postings": [
            {
                "account": posting.account,
                "participant": posting.participant,
                "store": posting.store,
                "debit": max(posting.amount, 0),
                "credit": max(-posting.amount, 0),
                "reference": posting.reference,
            }
            for posting in entry.postings
        ],
    }


def rows_for_people(journal: Journal) -> list[dict[str, Any]]:
    """What each entry does to each account."""
    rows = []
    for entry in journal.entries:
        sums: dict[str, int] = {}
        for posting in entry.postings:
            sums[posting.account] = sums.get(posting.account, 0) + posting.amount
        for account, amount in sums.items():
            rows.append(
                {
                    "entry": entry.number,
                    "date": entry.day.isoformat(),
                    "narration": entry.narration,
                    "account": account,
                    f"debit_{journal.currency}": cell(amount, journal.currency),
                    f"credit_{journal.currency}": cell(-amount, journal.currency),
                }
            )
    return rows


def cell(amount: int, currency: str) -> str:
    return f"{show_money(amount, currency) if amount > 0 else '':>14}"
