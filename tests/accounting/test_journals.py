"""Journals of months on a real ledger: what points outstanding are carried at, and that all of it balances."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest

from settlement.accounting.accounts import DEFERRED_REVENUE
from settlement.accounting.documents import Journal
from settlement.accounting.service import book_through, journal_of
from tests.conftest import NetworkForTests

MONTHS = [date(2026, month, 1) for month in range(1, 13)]
JANUARY, FEBRUARY, MARCH = MONTHS[:3]


def balances(*journals: Journal) -> dict[str, int]:
    """By account, those that are not zero; a debit is positive."""
    found: dict[str, int] = {}
    for journal in journals:
        for posting in journal.postings():
            found[posting.account] = found.get(posting.account, 0) + posting.amount
    return {account: amount for account, amount in found.items() if amount}


def test_a_month_is_booked_against_receivables_payables_and_deferred_revenue(network: NetworkForTests) -> None:
    card = network.add_card()
    network.tills["A"].accrue(card, 10000, occurred_at="2026-01-10T12:00:00Z")
    network.tills["B"].redeem(card, 30, occurred_at="2026-01-11T12:00:00Z")
    network.settle(JANUARY)

    journal = journal_of(network.tenant_id, JANUARY)

    assert balances(journal) == {
        "Assets:Receivables:A": 100,
        "Liabilities:Payables:B": -30,
        "Liabilities:DeferredRevenue": -70,
    }
    assert [(entry.number, entry.day, entry.balance) for entry in journal.entries] == [
        ("2026-01-0001", date(2026, 1, 31), 0),
        ("2026-01-0002", date(2026, 1, 31), 0),
    ]


def test_an_empty_month_has_no_entries(network: NetworkForTests) -> None:
    network.settle(JANUARY)

    journal = journal_of(network.tenant_id, JANUARY)

    assert journal.entries == ()
    assert journal.deferred_revenue == 0
