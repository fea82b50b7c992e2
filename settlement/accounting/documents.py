"""A journal as whoever renders it sees it: plain values, no database."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from settlement.accounting.accounts import CLEARING, DEFERRED_REVENUE
from settlement.accounting.carrying import PointsOfMonth
from settlement.accounting.rules import Entry, Posting
from tenants.foundation.months import add_months


@dataclass(frozen=True)
class Journal:
    """Entries by day, of one month's settlement or of all until a day. Amounts are minor units, a debit is positive.

    `months` are the approved settlements that are in it, oldest first; `participants` are names by code.
    """

    network_code: str
    network_name: str
    currency: str
    opened_on: date
    title: str
    breakage_to: str
    months: tuple[tuple[date, PointsOfMonth], ...]
    entries: tuple[Entry, ...]
    participants: dict[str, str]

    @property
    def brought_forward(self) -> int:
        """What was deferred before the first of the entries."""
        return self.months[0][1].opening if self.months else 0

    @property
    def deferred_revenue(self) -> int:
        """What is deferred after the last of the entries."""
        return self.months[-1][1].closing if self.months else 0

    def accounts(self) -> list[str]:
        return sorted({posting.account for posting in self.postings()})

    def postings(self) -> Iterable[Posting]:
        return (posting for entry in self.entries for posting in entry.postings)

    def balances(self) -> list[tuple[date, str, int]]:
        """What accounts have to come to at the beginning of a day."""
        return [
            balance
            for month, points in self.months
            for balance in (
                (add_months(month, 1), CLEARING, 0),
                (add_months(month, 1), DEFERRED_REVENUE, -points.closing),
            )
        ]
