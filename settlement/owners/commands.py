"""`clearinghouse dispute lines`."""

from __future__ import annotations

import click

from settlement.owners.service import own_lines
from settlement.owners.show import show_own_lines
from settlement.statements.commands import month_option
from tenants.foundation.console import json_option, network_option, print_fields, print_rows, with_app
from tenants.foundation.months import parse_month
from tenants.networks.service import find_network_id
from tenants.staff.commands import actor_option
from tenants.staff.rules import OWNER
from tenants.staff.service import act_as

LISTED_LINE_FIELDS = ("key", "payer", "payee", "amount", "disputed", "disputable", "origin_month", "note")


@click.command()
@click.argument("store")
@month_option
@network_option
@actor_option
@json_option
@with_app
def lines(store: str, month: str, network: str, actor_code: str, as_json: bool) -> None:
    """List the lines of STORE that its owner can dispute, with the key of each."""
    tenant_id = find_network_id(network)
    shown = show_own_lines(own_lines(tenant_id, act_as(tenant_id, actor_code, OWNER), parse_month(month), store))
    if as_json:
        print_fields(shown, as_json)
        return
    print_rows([{name: line[name] for name in LISTED_LINE_FIELDS} for line in shown["lines"]], as_json)
