from __future__ import annotations

import click

from settlement.deposits.rules import AMOUNT_MAX
from settlement.deposits.service import list_deposits, lodge_deposit, return_deposit, use_deposit
from settlement.deposits.show import show_deposit
from tenants.foundation import ids
from tenants.foundation.console import json_option, network_option, print_fields, print_rows, with_app
from tenants.networks.service import find_network_id
from tenants.staff.commands import actor_option
from tenants.staff.rules import TREASURER
from tenants.staff.service import act_as

AMOUNT = click.IntRange(1, AMOUNT_MAX)
reference_option = click.option("--reference", required=True, help="The bank's; it is booked once.")


@click.group()
def deposit() -> None:
    """Deposits: what stores have lodged with head office against what they will owe."""


@deposit.command("list")
@click.argument("store")
@network_option
@json_option
@with_app
def list_all(store: str, network: str, as_json: bool) -> None:
    """List every movement of STORE's deposit, newest first, in minor units."""
    print_rows([show_deposit(row, store) for row in list_deposits(find_network_id(network), store)], as_json)


@deposit.command()
@click.argument("store")
@click.argument("amount", type=AMOUNT)
@reference_option
@network_option
@actor_option
@json_option
@with_app
def lodge(store: str, amount: int, reference: str, network: str, actor_code: str, as_json: bool) -> None:
    """Book AMOUNT (minor units) that STORE has lodged."""
    tenant_id = find_network_id(network)
    row = lodge_deposit(tenant_id, store, amount, reference, act_as(tenant_id, actor_code, TREASURER))
    print_fields(show_deposit(row, store), as_json)


@deposit.command("return")
@click.argument("store")
@click.argument("amount", type=AMOUNT)
@reference_option
@network_option
@actor_option
@json_option
@with_app
def return_command(store: str, amount: int, reference: str, network: str, actor_code: str, as_json: bool) -> None:
    """Book AMOUNT (minor units) that STORE was given back."""
    tenant_id = find_network_id(network)
    row = return_deposit(tenant_id, store, amount, reference, act_as(tenant_id, actor_code, TREASURER))
    print_fields(show_deposit(row, store), as_json)


@deposit.command()
@click.argument("leg")
@network_option
@actor_option
@json_option
@with_app
def use(leg: str, network: str, actor_code: str, as_json: bool) -> None:
    """Pay LEG (leg_…), which a store has failed to pay, from its deposit."""
    tenant_id = find_network_id(network)
    actor = act_as(tenant_id, actor_code, TREASURER)
    row, store = use_deposit(tenant_id, ids.parse(ids.LEG, leg), actor)
    print_fields(show_deposit(row, store), as_json)
