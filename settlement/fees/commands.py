from __future__ import annotations

from datetime import date
from decimal import Decimal

import click

from settlement.fees.rules import BASES
from settlement.fees.service import end_fee, list_fees, set_fee, withdraw_fee
from settlement.fees.show import show_fee
from settlement.validity.commands import (
    days_options,
    in_one_row,
    last_day_argument,
    participant_filter,
    withdrawn_option,
)
from tenants.foundation import ids
from tenants.foundation.console import DECIMAL, json_option, network_option, print_fields, print_rows, with_app
from tenants.networks.service import find_network_id
from tenants.staff.commands import actor_option
from tenants.staff.rules import PREPARER
from tenants.staff.service import act_as

BASES_HELP = "; ".join(f"{basis}: {meaning}" for basis, meaning in BASES.items())


@click.group()
def fee() -> None:
    """Fees: what head office charges the stores for."""


@fee.command("set")
@click.argument("code")
@click.option("--basis", type=click.Choice(list(BASES)), required=True, help=f"What it is for. {BASES_HELP}.")
@click.option("--rate", type=DECIMAL, required=True, help="Minor units for each, or a share of the volume.")
@click.option("--tax-rate", type=DECIMAL, default="0", show_default=True, help="On top of it: 0.21 is 21 %.")
@days_options
@actor_option
@network_option
@json_option
@with_app
def set_one_fee(
    code: str,
    basis: str,
    rate: Decimal,
    tax_rate: Decimal,
    valid_from: date,
    valid_until: date | None,
    participant: str | None,
    confirmed: bool,
    actor_code: str,
    network: str,
    as_json: bool,
) -> None:
    """Set the fee of this CODE from a day on, of no approved month.

    A fee of the same code without an end that began earlier ends the day before; a participant's own counts before
    everybody's.
    """
    tenant_id = find_network_id(network)
    by = act_as(tenant_id, actor_code, PREPARER).shown
    row = set_fee(tenant_id, code, basis, rate, tax_rate, valid_from, by, valid_until, participant, confirmed)
    print_fields(show_fee(*row), as_json)


@fee.command("withdraw")
@click.argument("fee_id")
@actor_option
@network_option
@json_option
@with_app
def withdraw_one_fee(fee_id: str, actor_code: str, network: str, as_json: bool) -> None:
    """Withdraw a fee that should never have been set.

    FEE_ID starts with fee_; `clearinghouse fee list` shows it.
    """
    tenant_id = find_network_id(network)
    by = act_as(tenant_id, actor_code, PREPARER).shown
    print_fields(show_fee(*withdraw_fee(tenant_id, ids.parse(ids.FEE, fee_id), by)), as_json)


@fee.command("end")
@click.argument("fee_id")
@last_day_argument
@actor_option
@network_option
@json_option
@with_app
def end_one_fee(fee_id: str, last_day: date, actor_code: str, network: str, as_json: bool) -> None:
    """Give a fee its last day, like 2026-12-31."""
    tenant_id = find_network_id(network)
    by = act_as(tenant_id, actor_code, PREPARER).shown
    print_fields(show_fee(*end_fee(tenant_id, ids.parse(ids.FEE, fee_id), last_day, by)), as_json)


@fee.command("list")
@participant_filter
@withdrawn_option
@network_option
@json_option
@with_app
def list_all_fees(participant: str | None, withdrawn: bool, network: str, as_json: bool) -> None:
    """List the fees, everybody's first, by code."""
    rows = [show_fee(*row) for row in list_fees(find_network_id(network), participant, withdrawn)]
    print_rows(rows if as_json else [in_one_row(row) for row in rows], as_json)
