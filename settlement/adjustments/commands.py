from __future__ import annotations

import click

from settlement.adjustments.rules import AMOUNT_MAX, REASONS
from settlement.adjustments.service import adjust, list_adjustments
from settlement.adjustments.show import show_adjustment
from tenants.foundation.console import json_option, network_option, print_fields, print_rows, with_app
from tenants.foundation.months import parse_month
from tenants.networks.service import find_network_id
from tenants.staff.commands import actor_option
from tenants.staff.rules import PREPARER
from tenants.staff.service import act_as


@click.group()
def adjustment() -> None:
    """Adjustments: money into the open month, with a reason."""


@adjustment.command()
@click.argument("payer")
@click.argument("payee")
@click.argument("amount", type=click.IntRange(1, AMOUNT_MAX))
@click.option("--reason", type=click.Choice(REASONS), required=True, help="What kind of adjustment it is.")
@click.option("--note", default="", help="Stands on the statement.")
@click.option("--origin-month", help="The month it belongs to, like 2026-11.  [default: the open month]")
@network_option
@actor_option
@json_option
@with_app
def make(
    payer: str,
    payee: str,
    amount: int,
    reason: str,
    note: str,
    origin_month: str | None,
    network: str,
    actor_code: str,
    as_json: bool,
) -> None:
    """Have PAYER owe PAYEE an AMOUNT in minor units, in the open month.

    PAYER and PAYEE are codes of stores, or HQ. A wrong adjustment is put right by one in the opposite direction.
    """
    tenant_id = find_network_id(network)
    actor = act_as(tenant_id, actor_code, PREPARER)
    month = parse_month(origin_month) if origin_month else None
    made, _ = adjust(tenant_id, actor, payer, payee, amount, reason, note, month)
    print_fields(show_adjustment(made, {made.payer_id: payer, made.payee_id: payee}), as_json)


@adjustment.command("list")
@click.option("--month", "-m", help="Only those that this month settles, like 2026-11.")
@network_option
@json_option
@with_app
def list_command(month: str | None, network: str, as_json: bool) -> None:
    """List the adjustments, oldest first."""
    rows, codes = list_adjustments(find_network_id(network), parse_month(month) if month else None)
    print_rows([show_adjustment(row, codes) for row in rows], as_json)
