from __future__ import annotations

from datetime import date

import click

from settlement.languages.commands import language_option
from settlement.reports.exports import render_exports
from settlement.reports.service import MONTHS_COMPARED, MONTHS_COMPARED_MAX, compare_months, load_ageing, load_report
from settlement.reports.show import (
    ageing_as_json,
    months_as_json,
    print_ageing,
    print_months,
    print_report,
    report_as_json,
)
from settlement.statements.commands import month_option
from settlement.statements.service import load_settlement
from tenants.foundation.console import DAY, json_option, network_option, print_fields, print_rows, with_app
from tenants.foundation.database import unit_of_work
from tenants.foundation.months import parse_month
from tenants.networks.service import find_network_id, get_network


@click.group()
def report() -> None:
    """Reports: what netting saves, unpaid legs by age, months side by side."""


@report.command("month")
@network_option
@click.option("--month", "-m", required=True, help="A month that is proposed or approved, like 2026-11.")
@json_option
@with_app
def month_command(network: str, month: str, as_json: bool) -> None:
    """Show what netting saves in a month, its largest flows, and the twelve months up to it."""
    found = load_report(load_settlement(find_network_id(network), parse_month(month)))
    if as_json:
        print_fields(report_as_json(found), as_json)
    else:
        print_report(found)


@report.command()
@network_option
@click.option("--as-of", type=DAY, help="At the end of this day.  [default: today]")
@json_option
@with_app
def ageing(network: str, as_of: date | None, as_json: bool) -> None:
    """Show what stores have not paid or been paid, by how long it has been due."""
    found = load_ageing(find_network_id(network), as_of)
    if as_json:
        print_fields(ageing_as_json(found), as_json)
    else:
        print_ageing(found)


@report.command()
@network_option
@click.option("--month", "-m", help="The last of the months; the newest published one when left out.")
@click.option(
    "--months",
    "count",
    type=click.IntRange(1, MONTHS_COMPARED_MAX),
    default=MONTHS_COMPARED,
    show_default=True,
    help="How many.",
)
@json_option
@with_app
def compare(network: str, month: str | None, count: int, as_json: bool) -> None:
    """Show published months side by side, with their changes."""
    tenant_id = find_network_id(network)
    months = compare_months(tenant_id, parse_month(month) if month else None, count)
    if as_json:
        print_rows(months_as_json(months), as_json)
        return
    with unit_of_work(tenant_id):
        currency = get_network(tenant_id).currency
    print_months(months, currency)


@click.command()
@network_option
@month_option
@language_option
@json_option
@with_app
def export(network: str, month: str, language: str, as_json: bool) -> None:
    """Write the month's workbook, the network's report as PDF, and positions, lines, flows and ageing as CSV."""
    document = load_settlement(find_network_id(network), parse_month(month))
    print_rows([{"file": str(path)} for path in render_exports(document, language)], as_json)
