from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import UUID

import click

from settlement.rates.service import end_rate, list_gaps, list_rates, set_rate, withdraw_rate
from settlement.rates.show import show_rate_row
from settlement.validity.commands import (
    days_options,
    in_one_row,
    last_day_argument,
    participant_filter,
    withdrawn_option,
)
from tenants.foundation import ids
from tenants.foundation.console import DECIMAL, err, json_option, network_option, print_fields, print_rows, with_app
from tenants.networks.service import find_network_id
from tenants.staff.commands import actor_option
from tenants.staff.rules import PREPARER
from tenants.staff.service import act_as
from tenants.validity.rules import show_days


@click.group()
def rate() -> None:
    """Rates: what a point costs its issuer and pays its redeemer."""


@rate.command("set")
@click.option("--funding", type=DECIMAL, required=True, help="Charged to the issuer: minor units a point.")
@click.option("--redemption", type=DECIMAL, required=True, help="Paid to the redeemer: minor units a point.")
@days_options
@actor_option
@network_option
@json_option
@with_app
def set_one_rate(
    funding: Decimal,
    redemption: Decimal,
    valid_from: date,
    valid_until: date | None,
    participant: str | None,
    confirmed: bool,
    actor_code: str,
    network: str,
    as_json: bool,
) -> None:
    """Set a rate from a day on, of no approved month.

    A rate without an end that began earlier ends the day before.
    """
    tenant_id = find_network_id(network)
    by = act_as(tenant_id, actor_code, PREPARER).shown
    row = set_rate(tenant_id, funding, redemption, valid_from, by, valid_until, participant, confirmed)
    print_fields(show_rate_row(*row), as_json)
    warn_of_gaps(tenant_id)


@rate.command("withdraw")
@click.argument("rate_id")
@actor_option
@network_option
@json_option
@with_app
def withdraw_one_rate(rate_id: str, actor_code: str, network: str, as_json: bool) -> None:
    """Withdraw a rate that should never have been set.

    RATE_ID starts with rat_; `clearinghouse rate list` shows it. What it had ended stays ended: set another rate for
    its days.
    """
    tenant_id = find_network_id(network)
    by = act_as(tenant_id, actor_code, PREPARER).shown
    print_fields(show_rate_row(*withdraw_rate(tenant_id, ids.parse(ids.RATE, rate_id), by)), as_json)
    warn_of_gaps(tenant_id)


@rate.command("end")
@click.argument("rate_id")
@last_day_argument
@actor_option
@network_option
@json_option
@with_app
def end_one_rate(rate_id: str, last_day: date, actor_code: str, network: str, as_json: bool) -> None:
    """Give a rate its last day, like 2026-12-31.

    After a participant's own rate the network's holds for it again.
    """
    tenant_id = find_network_id(network)
    by = act_as(tenant_id, actor_code, PREPARER).shown
    print_fields(show_rate_row(*end_rate(tenant_id, ids.parse(ids.RATE, rate_id), last_day, by)), as_json)
    warn_of_gaps(tenant_id)


@rate.command("list")
@participant_filter
@withdrawn_option
@network_option
@json_option
@with_app
def list_all_rates(participant: str | None, withdrawn: bool, network: str, as_json: bool) -> None:
    """List the rates, the network's own first, by first day."""
    tenant_id = find_network_id(network)
    rows = [show_rate_row(*row) for row in list_rates(tenant_id, participant, withdrawn)]
    print_rows(rows if as_json else [in_one_row(row) for row in rows], as_json)
    warn_of_gaps(tenant_id)


def warn_of_gaps(tenant_id: UUID) -> None:
    for gap in list_gaps(tenant_id):
        err.print(f"[yellow]The network has no rate {show_days(*gap)}.[/yellow]", soft_wrap=True)
