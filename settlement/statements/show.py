"""A published month on the console."""

from __future__ import annotations

import json
from typing import Any

import click

from settlement.proposals.rules import NONE, RECEIVE, REMIT, direction_of
from settlement.proposals.show import show_line
from settlement.statements.documents import MONEY_COLUMNS, POINT_COLUMNS, SettlementDocument, StoreLine
from settlement.windows.show import print_identities, show_identity
from tenants.foundation.console import print_fields, print_rows
from tenants.foundation.errors import NotFound
from tenants.foundation.money import show_money
from tenants.foundation.months import show_month


def print_settlement(
    document: SettlementDocument, day_close_differences: int, as_json: bool, stores_max: int = 10
) -> None:
    """The largest payers and receivers, or with `--json` every position."""
    if as_json:
        click.echo(json.dumps(settlement_as_json(document, day_close_differences), indent=2, ensure_ascii=False))
        return
    print_fields(totals_for_people(document, day_close_differences), False)
    by_net = sorted((line for line in document.stores if line.position.net), key=lambda line: -line.position.net)
    payers, receivers = split_for_show(by_net, stores_max)
    print_rows([show_position(line, document.currency) for line in payers], False, "Largest payers")
    print_rows([show_position(line, document.currency) for line in receivers], False, "Largest receivers")
    print_identities(document.identities)


def split_for_show(by_net: list[StoreLine], stores_max: int) -> tuple[list[StoreLine], list[StoreLine]]:
    payers = [line for line in by_net if line.position.net > 0][:stores_max]
    receivers = [line for line in reversed(by_net) if line.position.net < 0][:stores_max]
    return payers, receivers


def show_position(line: StoreLine, currency: str) -> dict[str, Any]:
    position = line.position
    return {
        "store": line.store_code,
        "name": line.store_name,
        "issued": position.issued,
        "recovered": position.recovered,
        "net_points": position.net_points,
        f"net_{currency}": f"{show_money(abs(position.net), currency):>12}",
        "direction": position.direction,
    }


def totals_for_people(document: SettlementDocument, day_close_differences: int) -> dict[str, Any]:
    shown = totals_as_json(document, day_close_differences)
    amount = f"{document.currency} {show_money(abs(shown.pop('hq_net')), document.currency)}"
    verb = {REMIT: "pays", RECEIVE: "receives", NONE: "settles"}[shown.pop("hq_direction")]
    return {**shown, "head_office": f"{verb} {amount}"}


def totals_as_json(document: SettlementDocument, day_close_differences: int) -> dict[str, Any]:
    totals = document.totals
    return {
        "network": document.network_code,
        "month": show_month(document.month),
        "currency": document.currency,
        "version": document.version,
        "state": document.state,
        "model": document.model,
        "proposed_by": document.proposed_by,
        "approved_by": document.approved_by,
        "issued": totals.issued,
        "recovered": totals.recovered,
        "expired": totals.expired,
        "borne": totals.borne,
        "opening_outstanding": totals.opening_outstanding,
        "closing_outstanding": totals.closing_outstanding,
        "hq_net": document.hq_net,
        "hq_direction": direction_of(document.hq_net),
        "closed_at": document.closed_at.isoformat(timespec="seconds"),
        "day_close_differences": day_close_differences,
    }


def position_as_json(line: StoreLine) -> dict[str, Any]:
    return {
        "store": line.store_code,
        "name": line.store_name,
        "participant": line.participant_name,
        **dict(zip(POINT_COLUMNS, line.points, strict=True)),
        **dict(zip(MONEY_COLUMNS, line.money, strict=True)),
        "direction": line.position.direction,
    }


def settlement_as_json(document: SettlementDocument, day_close_differences: int) -> dict[str, Any]:
    return {
        **totals_as_json(document, day_close_differences),
        "identities": [show_identity(identity) for identity in document.identities],
        "positions": [position_as_json(line) for line in document.stores],
    }


def lines_as_json(document: SettlementDocument, store_code: str | None) -> dict[str, Any]:
    """Of one store, or all. Raises `NotFound` for a store without a position in the month."""
    codes = document.codes()
    lines = document.lines
    if store_code is not None:
        ids_by_code = {code: party for party, code in codes.items()}
        if store_code not in ids_by_code:
            raise NotFound(f"No store {store_code!r} in {show_month(document.month)}.", code="store_unknown")
        lines = tuple(document.lines_of(ids_by_code[store_code]))
    shown = [show_line(line, codes) for line in lines]
    return {"month": show_month(document.month), "version": document.version, "lines": shown}
