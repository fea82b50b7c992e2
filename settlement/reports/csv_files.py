"""Unpaid legs as CSV: UTF-8, RFC 4180 with CRLF, one header row, money in major units (`1234.56`)."""

from __future__ import annotations

from pathlib import Path

from settlement.reports.documents import Ageing
from settlement.reports.rules import UnpaidLeg
from tenants.foundation.csv_text import csv_bytes, text_cell
from tenants.foundation.files import put_in_place
from tenants.foundation.money import plain_money
from tenants.foundation.months import show_month

AGEING_COLUMNS = [
    "as_of",
    "month",
    "store_code",
    "store_name",
    "participant",
    "direction",
    "amount",
    "currency",
    "due_on",
    "days_past_due",
    "bucket",
    "state",
]


def write_ageing_csv(ageing: Ageing, path: Path) -> None:
    """One line a leg. `direction` is collection (the store owes it) or payout; `amount` is positive in both."""
    put_in_place(path, csv_bytes(AGEING_COLUMNS, [leg_row(leg, ageing) for leg in ageing.legs]))


def leg_row(leg: UnpaidLeg, ageing: Ageing) -> list[str]:
    return [
        ageing.as_of.isoformat(),
        show_month(leg.month),
        text_cell(leg.store_code),
        text_cell(leg.store_name),
        text_cell(leg.participant_name),
        leg.direction,
        plain_money(abs(leg.amount), ageing.currency),
        ageing.currency,
        leg.due_on.isoformat(),
        str(leg.days_past_due(ageing.as_of)),
        leg.bucket(ageing.as_of),
        leg.state,
    ]
