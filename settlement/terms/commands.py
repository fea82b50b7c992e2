from __future__ import annotations

from typing import Any

import click

from settlement.terms.rules import MODELS
from settlement.terms.schemas import DAYS, MINIMUM, MODEL
from settlement.terms.service import list_terms, set_terms, terms_in_force
from settlement.terms.show import show_in_force, show_terms
from tenants.foundation.console import err, json_option, network_option, print_fields, print_rows, with_app
from tenants.foundation.months import parse_month
from tenants.networks.service import find_network_id
from tenants.staff.commands import actor_option
from tenants.staff.rules import PREPARER
from tenants.staff.service import act_as


@click.group()
def terms() -> None:
    """Terms: how a network settles, and the calendar of its months."""


@terms.command("set")
@click.argument("month")
@click.option("--model", type=click.Choice(MODELS), help=f"{MODEL}.")
@click.option("--minimum-payout", type=int, help=f"{MINIMUM}.")
@click.option("--dispute-days", type=int, help=f"{DAYS['dispute_days']}.")
@click.option("--approval-days", type=int, help=f"{DAYS['approval_days']}.")
@click.option("--collection-days", type=int, help=f"{DAYS['collection_days']}.")
@click.option("--payout-days", type=int, help=f"{DAYS['payout_days']}.")
@actor_option
@network_option
@json_option
@with_app
def set_new_terms(month: str, actor_code: str, network: str, as_json: bool, **parts: Any) -> None:
    """Set terms from MONTH (like 2026-12) on, which is not closed yet.

    What is left out stays as it is in that month.
    """
    tenant_id = find_network_id(network)
    by = act_as(tenant_id, actor_code, PREPARER).shown
    changes = {name: value for name, value in parts.items() if value is not None}
    print_fields(show_terms(set_terms(tenant_id, parse_month(month), by, **changes)), as_json)


@terms.command("list")
@network_option
@json_option
@with_app
def list_all_terms(network: str, as_json: bool) -> None:
    """List every version of the terms, by month; of a month the newest counts."""
    tenant_id = find_network_id(network)
    print_rows([show_terms(row) for row in list_terms(tenant_id)], as_json)
    if not as_json:
        err.print("[bold]In force in the first open month:[/bold]")
        print_fields(show_in_force(*terms_in_force(tenant_id)), as_json)
