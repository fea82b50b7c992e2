"""A published month as CSV: UTF-8, RFC 4180 with CRLF, one header row, money in major units (`1234.56`)."""

from __future__ import annotations

from pathlib import Path

from settlement.statements.documents import SettlementDocument, StoreLine
from tenants.foundation.csv_text import csv_bytes, text_cell
from tenants.foundation.files import put_in_place
from tenants.foundation.money import show_money
from tenants.stores.service import HEAD_OFFICE

POSITION_COLUMNS = [
    "store_code",
    "store_name",
    "participant",
    "issued",
    "recovered",
    "expired",
    "borne",
    "net_points",
    "to_pay",
    "to_receive",
    "net",
    "direction",
    "currency",
]
FLOW_COLUMNS = ["issuing_code", "redeeming_code", "points"]


def write_positions_csv(document: SettlementDocument, path: Path) -> None:
    """One line a store; the last line is head office, whose `net` closes the column to zero."""
    rows = [position_row(line, document.currency) for line in document.stores]
    put_in_place(path, csv_bytes(POSITION_COLUMNS, [*rows, head_office_row(document)]))


def write_flows_csv(document: SettlementDocument, path: Path) -> None:
    """One line for each pair of stores between which points moved in the month."""
    rows = [[text_cell(f.issuing_code), text_cell(f.redeeming_code), str(f.points)] for f in document.flows]
    put_in_place(path, csv_bytes(FLOW_COLUMNS, rows))


def position_row(line: StoreLine, currency: str) -> list[str]:
    position = line.position
    return [
        text_cell(line.store_code),
        text_cell(line.store_name),
        text_cell(line.participant_name),
        str(position.issued),
        str(position.recovered),
        str(position.expired),
        str(position.borne),
        str(position.net_points),
        plain_money(position.to_pay, currency),
        plain_money(position.to_receive, currency),
        plain_money(position.net, currency),
        position.direction,
        currency,
    ]


def head_office_row(document: SettlementDocument) -> list[str]:
    net = plain_money(document.hq_net, document.currency)
    return [HEAD_OFFICE, "Head office", "", "", "", "", "", "", "", "", net, "", document.currency]


def plain_money(minor: int, currency: str) -> str:
    return show_money(minor, currency).replace(",", "")
