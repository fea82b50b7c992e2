from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import click

from settlement.accounting.documents import Journal
from settlement.accounting.service import CSV, WRITERS, book_through, export_journal, journal_of
from settlement.accounting.show import journal_as_json, rows_for_people
from settlement.statements.commands import month_option
from settlement.valuation.assumptions import BREAKAGE_TO, HEAD_OFFICE
from tenants.foundation.console import DAY, json_option, network_option, print_rows, with_app
from tenants.foundation.months import parse_month
from tenants.networks.service import find_network_id

breakage_option: Callable[..., Any] = click.option(
    "--breakage-to",
    type=click.Choice(BREAKAGE_TO),
    default=HEAD_OFFICE,
    show_default=True,
    help="Who is entitled to breakage; if not hq, it stays a liability.",
)
format_option: Callable[..., Any] = click.option(
    "--format", "format_name", type=click.Choice(list(WRITERS)), default=CSV, show_default=True
)
output_option: Callable[..., Any] = click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), help="By default in the network's output folder."
)


@click.group()
def journal() -> None:
    """Journal: head office's books in double entry, of approved settlements and of what was paid of them."""


@journal.command()
@network_option
@month_option
@breakage_option
@json_option
@with_app
def show(network: str, month: str, breakage_to: str, as_json: bool) -> None:
    """Show what an approved settlement is booked as (--json: every posting)."""
    show_journal(journal_of(find_network_id(network), parse_month(month), breakage_to), as_json)


@journal.command()
@network_option
@month_option
@breakage_option
@format_option
@output_option
@json_option
@with_app
def export(network: str, month: str, breakage_to: str, format_name: str, output: Path | None, as_json: bool) -> None:
    """Write what an approved settlement is booked as."""
    day = parse_month(month)
    made = journal_of(find_network_id(network), day, breakage_to)
    path = export_journal(made, format_name, day, output)
    print_rows([{"file": str(path)}], as_json)


@journal.command()
@network_option
@click.option("--to", "through", type=DAY, help="The last day of the entries; today when left out.")
@breakage_option
@format_option
@output_option
@json_option
@with_app
def book(
    network: str, through: date | None, breakage_to: str, format_name: str, output: Path | None, as_json: bool
) -> None:
    """Write all entries from the first until a day: settlements, payments, disputes accepted afterwards."""
    made = book_through(find_network_id(network), through, breakage_to)
    path = export_journal(made, format_name, None, output)
    print_rows([{"file": str(path), "entries": len(made.entries)}], as_json)


def show_journal(made: Journal, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(journal_as_json(made), indent=2, ensure_ascii=False))
    else:
        print_rows(rows_for_people(made), False, made.title)
