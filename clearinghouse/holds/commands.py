from __future__ import annotations

import click

from clearinghouse.holds.service import list_holds, release_overdue
from clearinghouse.holds.show import show_hold
from clearinghouse.pos.schemas import HOLD_STATES
from tenants.audit.service import record_act
from tenants.foundation.console import json_option, network_option, print_fields, print_rows, with_app
from tenants.foundation.database import unit_of_work
from tenants.networks.service import find_network_id, get_network


@click.group()
def hold() -> None:
    """Points set aside for a while."""


@hold.command("list")
@network_option
@click.option("--state", type=click.Choice(HOLD_STATES))
@click.option("--card", help="Only those of this card.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@json_option
@with_app
def list_all(network: str, state: str | None, card: str | None, limit: int, as_json: bool) -> None:
    """List holds, newest first."""
    tenant_id = find_network_id(network)
    with unit_of_work(tenant_id):
        currency = get_network(tenant_id).currency
    found = list_holds(tenant_id, limit, state=state, card_number=card)
    print_rows([show_hold(one, currency) for one in found], as_json)


@hold.command()
@network_option
@json_option
@with_app
def release(network: str, as_json: bool) -> None:
    """Release the holds that have run out, as a job does every minute."""
    tenant_id = find_network_id(network)
    record_act(tenant_id)
    print_fields({"holds_released": release_overdue(tenant_id)}, as_json)
