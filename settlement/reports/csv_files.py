"""A published month and its unpaid legs as CSV: UTF-8, RFC 4180 with CRLF, one header row, money in major units
(`1234.56`)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from uuid import UUID

from settlement.proposals.rules import Line
from settlement.reports.documents import Ageing
from settlement.reports.rules import UnpaidLeg
from settlement.statements.documents import MONEY_COLUMNS, POINT_COLUMNS, SettlementDocument, StoreLine
from tenants.foundation.csv_text import csv_bytes, text_cell
from tenants.foundation.files import put_in_place
from tenants.foundation.money import plain_money
from tenants.foundation.months import show_month
from tenants.networks.service import show_rate
from tenants.stores.rules import HEAD_OFFICE

POSITION_COLUMNS = [
    "store_code",
    "store_name",
    "participant",
    *POINT_COLUMNS,
    *MONEY_COLUMNS,
    "direction",
    "currency",
]
FLOW_COLUMNS = ["issuing_code", "redeeming_code", "points"]
LINE_COLUMNS = [
    "line",
    "key",
    "kind",
    "payer",
    "payee",
    "quantity",
    "rate_minor",
    "exact_minor",
    "amount",
    "currency",
    "origin_month",
    "note",
]
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


def write_positions_csv(document: SettlementDocument, path: Path) -> None:
    """One line a store; the last line is head office, whose `net` closes the column to zero."""
    rows = [position_row(line, document.currency) for line in document.stores]
    put_in_place(path, csv_bytes(POSITION_COLUMNS, [*rows, head_office_row(document)]))


def write_flows_csv(document: SettlementDocument, path: Path) -> None:
    """One line for each pair of stores between which points moved in the month."""
    rows = [[text_cell(f.issuing_code), text_cell(f.redeeming_code), str(f.points)] for f in document.flows]
    put_in_place(path, csv_bytes(FLOW_COLUMNS, rows))


def write_lines_csv(document: SettlementDocument, path: Path) -> None:
    """One line for each amount that a payer owes a payee (`HQ`: head office).

    `rate_minor` is minor units a point or transfer, or a share; `exact_minor` is `amount` in minor units before
    rounding. `key` names the line in every version of its month.
    """
    codes = document.codes()
    rows = [line_row(number, line, codes, document.currency) for number, line in enumerate(document.lines, start=1)]
    put_in_place(path, csv_bytes(LINE_COLUMNS, rows))


def line_row(number: int, line: Line, codes: Mapping[UUID, str], currency: str) -> list[str]:
    return [
        str(number),
        line.key,
        line.kind,
        text_cell(codes[line.payer_id]),
        text_cell(codes[line.payee_id]),
        "" if line.quantity is None else str(line.quantity),
        "" if line.rate is None else show_rate(line.rate),
        show_rate(line.exact),
        plain_money(line.amount, currency),
        currency,
        show_month(line.origin_month),
        text_cell(line.note),
    ]


def position_row(line: StoreLine, currency: str) -> list[str]:
    return [
        text_cell(line.store_code),
        text_cell(line.store_name),
        text_cell(line.participant_name),
        *map(str, line.points),
        *(plain_money(minor, currency) for minor in line.money),
        line.position.direction,
        currency,
    ]


def head_office_row(document: SettlementDocument) -> list[str]:
    net = plain_money(document.hq_net, document.currency)
    nothing = [""] * (POSITION_COLUMNS.index("net") - 2)
    return [HEAD_OFFICE, "Head office", *nothing, net, "", document.currency]


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
