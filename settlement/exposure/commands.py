from __future__ import annotations

import click

from settlement.exposure.rules import LEVELS, POLICIES
from settlement.exposure.service import (
    MINOR_UNITS_MAX,
    get_exposure,
    list_caps,
    list_exposures,
    list_policies,
    set_cap,
    set_policy,
    update_exposures,
)
from settlement.exposure.show import show_cap, show_exposure, show_policies, show_policy
from tenants.foundation.console import err, json_option, network_option, print_fields, print_rows, with_app
from tenants.networks.service import find_network_id
from tenants.staff.commands import actor_option
from tenants.staff.rules import TREASURER
from tenants.staff.service import act_as


@click.group()
def exposure() -> None:
    """Exposure: what stores have issued and not settled, and how much they may."""


@exposure.command("list")
@network_option
@click.option("--level", type=click.Choice(LEVELS), help="Only stores of this level.")
@json_option
@with_app
def list_all(network: str, level: str | None, as_json: bool) -> None:
    """List every store with its cap, its exposure, and what it is made of, in minor units."""
    found = list_exposures(find_network_id(network), level=level)
    print_rows([show_exposure(one) for one in found], as_json)


@exposure.command()
@click.argument("store")
@click.argument("amount", required=False, type=click.IntRange(0, MINOR_UNITS_MAX))
@click.option("--none", "without", is_flag=True, help="The store may issue as much as it likes.")
@network_option
@actor_option
@json_option
@with_app
def cap(store: str, amount: int | None, without: bool, network: str, actor_code: str, as_json: bool) -> None:
    """Set how much STORE may have issued and not settled: AMOUNT in minor units, or --none."""
    if (amount is None) != without:
        raise click.UsageError("Give an AMOUNT or --none.")
    tenant_id = find_network_id(network)
    actor = act_as(tenant_id, actor_code, TREASURER)
    with err.status("summing the postings"):
        set_cap(tenant_id, store, amount, actor.shown)
    print_fields(show_exposure(get_exposure(tenant_id, store)), as_json)


@exposure.command()
@click.argument("store")
@network_option
@json_option
@with_app
def caps(store: str, network: str, as_json: bool) -> None:
    """List every cap that STORE has had, newest first."""
    print_rows([show_cap(row) for row in list_caps(find_network_id(network), store)], as_json)


@exposure.command()
@click.argument("policy", type=click.Choice(POLICIES))
@network_option
@actor_option
@json_option
@with_app
def policy(policy: str, network: str, actor_code: str, as_json: bool) -> None:
    """Say what happens to a store that has reached its cap.

    block: its tills may issue no points until it has settled. hq_funded: they may, and head office funds them.
    """
    tenant_id = find_network_id(network)
    row = set_policy(tenant_id, policy, act_as(tenant_id, actor_code, TREASURER).shown)
    print_fields(show_policy(row), as_json)


@exposure.command()
@network_option
@json_option
@with_app
def policies(network: str, as_json: bool) -> None:
    """List every policy that there was, newest first; block until one is set."""
    print_rows(show_policies(list_policies(find_network_id(network)))["versions"], as_json)


@exposure.command()
@network_option
@json_option
@with_app
def recompute(network: str, as_json: bool) -> None:
    """Sum all postings of the months that are not settled again, and measure every store."""
    tenant_id = find_network_id(network)
    with err.status("summing the postings"):
        changed = update_exposures(tenant_id, anew=True)
    print_fields({"levels_changed": changed}, as_json)
