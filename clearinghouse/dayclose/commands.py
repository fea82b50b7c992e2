from __future__ import annotations

import getpass
from datetime import date
from typing import Any

import click

from clearinghouse.dayclose.rules import GROUPS, STATUSES
from clearinghouse.dayclose.service import (
    accept_day,
    find_day,
    list_days,
    parse_day,
    show_compared_day,
    show_day,
)
from tenants.foundation import ids
from tenants.foundation.console import DAY, json_option, network_option, print_fields, print_rows, with_app
from tenants.networks.service import find_network_id


@click.group("day-close")
def day_close() -> None:
    """Days of tills beside the ledger: list them, look at one, accept a difference."""


@day_close.command("list")
@click.option("--from", "first", type=DAY, help="[default: six days before the last]")
@click.option("--to", "last", type=DAY, help="[default: today in the network's time zone]")
@click.option("--status", type=click.Choice(STATUSES), help="Only days that compare like this.")
@click.option("--terminal", "terminal_id", help="Only those of this terminal (trm_...).")
@network_option
@json_option
@with_app
def list_command(
    first: date | None, last: date | None, status: str | None, terminal_id: str | None, network: str, as_json: bool
) -> None:
    """List the days of terminals as they compare with the ledger now.

    A day with transfers and no close is missing one, from the first day on that its terminal closed.
    """
    only = ids.parse(ids.TERMINAL, terminal_id) if terminal_id else None
    days = [show_day(day) for day in list_days(find_network_id(network), first, last, status, only)]
    print_rows(days if as_json else [in_one_row(day) for day in days], as_json)


@day_close.command()
@click.argument("terminal_id")
@click.argument("business_date")
@network_option
@json_option
@with_app
def show(terminal_id: str, business_date: str, network: str, as_json: bool) -> None:
    """Show a terminal's day: its newest close beside the ledger, and the orders that differ.

    TERMINAL_ID starts with trm_; BUSINESS_DATE is like 2026-11-30.
    """
    day = find_day(find_network_id(network), ids.parse(ids.TERMINAL, terminal_id), parse_day(business_date))
    print_day(show_compared_day(day), as_json)


@day_close.command()
@click.argument("terminal_id")
@click.argument("business_date")
@click.option("--reason", required=True, help="Why the ledger's word is taken; kept for auditors.")
@network_option
@json_option
@with_app
def accept(terminal_id: str, business_date: str, reason: str, network: str, as_json: bool) -> None:
    """Accept a day that differs or was not closed.

    Another close of it, or an event that comes late, opens it again.
    """
    day = accept_day(
        find_network_id(network),
        ids.parse(ids.TERMINAL, terminal_id),
        parse_day(business_date),
        reason,
        f"command line: {getpass.getuser()}",
    )
    print_day(show_compared_day(day), as_json)


def print_day(day: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_fields(day, as_json)
        return
    print_fields(in_one_row(day) | {"entries_needed": day["entries_needed"]}, as_json)
    if day["differences"]:
        rows = [
            {
                "order_ref": each["order_ref"] or each["transfer_id"],
                "kind": each["kind"],
                "till": show_side(each["till"]),
                "ledger": show_side(each["ledger"]),
            }
            for each in day["differences"]
        ]
        print_rows(rows, as_json, f"Orders that differ: {day['differences_count']} (points / minor units)")
    if day["acceptances"]:
        print_rows(day["acceptances"], as_json, "Accepted")


def in_one_row(day: dict[str, Any]) -> dict[str, Any]:
    """Totals as `count: points / minor units`, the till's first."""
    names = ("terminal_id", "store", "terminal", "business_date", "status", "attempt", "submitted_at")
    totals = {
        f"{side}_{group}": f"{day[side][group]['count']}: {show_side(day[side][group])}" if day[side] else None
        for group in GROUPS
        for side in ("till", "ledger")
    }
    return {name: day[name] for name in names} | totals


def show_side(figures: dict[str, int] | None) -> str | None:
    return f"{figures['points']:,} / {figures['amount']:,}" if figures else None
