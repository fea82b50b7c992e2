from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import click

from clearinghouse.directory.service import show_network
from clearinghouse.health.service import newest_revision
from clearinghouse.networks.service import open_network
from clearinghouse.networks.setup import set_up_database
from clearinghouse.programme.commands import chosen_terms, terms_options
from clearinghouse.programme.rules import Terms
from migrations.patience import STATEMENT_SECONDS_MAX
from tenants.data_keys.service import count_plain
from tenants.foundation import clock, ids
from tenants.foundation.console import DAY, DECIMAL, err, json_option, print_fields, print_rows, with_app
from tenants.foundation.database import unit_of_work
from tenants.networks.service import (
    NewNetwork,
    change_network,
    check_time_zone,
    find_network_id,
    get_network,
    list_networks,
)
from tenants.networks.tables import Network

LISTED_FIELDS = ("code", "name", "time_zone", "currency", "opened_on", "network_id")


@click.command()
@click.option(
    "--statement-seconds",
    type=click.IntRange(min=1),
    default=STATEMENT_SECONDS_MAX,
    show_default=True,
    help="A step that takes longer is undone, as tills may have to wait for it.",
)
@with_app
def init(statement_seconds: int) -> None:
    """Set up the database, or bring it to this release, while the tills go on.

    Safe to run again: it does what is missing and leaves the rest. It says on which process of PostgreSQL it waits.
    """
    made = set_up_database(statement_seconds)
    click.echo(f"The database is at revision {newest_revision()}; {made} monthly partitions were made.")
    plain = count_plain()
    if plain:
        click.echo(f"Personal data of {plain:,} rows are not encrypted yet: once all processes are of this release, "
                   "run `clearinghouse data-key encrypt`, or leave it to the scheduler.")  # fmt: skip
    if not list_networks():
        click.echo("Next: make a network; `clearinghouse network create --help` says how.")


@click.group()
def network() -> None:
    """Franchise networks: each has its own stores, members and points."""


@network.command("create")
@click.argument("code")
@click.option("--name", required=True, help="As it stands on statements.")
@click.option("--time-zone", required=True, help="Whose days are business days, like America/New_York.")
@click.option("--currency", required=True, help="ISO 4217 code, like USD; it can't be changed later.")
@click.option(
    "--funding-rate",
    type=DECIMAL,
    default="1",
    show_default=True,
    help="First rate: what a store pays for a point it issued, in minor units: 1 is a cent in USD; later `rate set`.",
)
@click.option(
    "--redemption-rate",
    type=DECIMAL,
    default="1",
    show_default=True,
    help="First rate: what a store receives for a point redeemed in it, in minor units.",
)
@click.option("--opened-on", type=DAY, help="First business day, like 2026-11-30.  [default: today]")
@click.option(
    "--base-rate",
    type=DECIMAL,
    default="1",
    show_default=True,
    help="Points a purchase earns per currency unit (dollar, euro) spent.",
)
@click.option(
    "--redemption-value",
    type=DECIMAL,
    default="100",
    show_default=True,
    help="Points that pay for one currency unit.",
)
@click.option(
    "--expiry-policy",
    default="P12M",
    show_default=True,
    help="When points expire: P12M is the end of the twelfth month after, P90D 90 days later, or never.",
)
@click.option(
    "--days-accepted-late", default=35, show_default=True, help="How old a purchase may be that a till sends."
)
@click.option(
    "--close-grace-days",
    default=3,
    show_default=True,
    help="Days after the end of a month after which it closes by itself.",
)
@terms_options
@json_option
@with_app
def create_network(
    code: str,
    name: str,
    time_zone: str,
    currency: str,
    funding_rate: Decimal,
    redemption_rate: Decimal,
    opened_on: date | None,
    base_rate: Decimal,
    redemption_value: Decimal,
    expiry_policy: str,
    days_accepted_late: int,
    close_grace_days: int,
    as_json: bool,
    **terms: Any,
) -> None:
    """Make a network with its programme and its first head office key.

    CODE is how you name it from now on: lower case letters, digits and dashes.

    Example: clearinghouse network create burgers --name "Burger House" --time-zone America/New_York
    --currency USD
    """
    check_time_zone(time_zone)
    new = NewNetwork(
        code,
        name,
        time_zone,
        currency,
        funding_rate,
        redemption_rate,
        opened_on or clock.business_date(clock.now(), time_zone),
        days_accepted_late,
        close_grace_days,
    )
    tenant_id, key = open_network(new, Terms(base_rate, redemption_value, expiry_policy, **chosen_terms(terms)))
    print_fields({"network_id": ids.show(ids.NETWORK, tenant_id), "code": code, "hq_key": key}, as_json)
    err.print("Keep the hq key: it is shown only now. It opens the whole network to whoever has it.", soft_wrap=True)


@network.command("list")
@json_option
@with_app
def list_all(as_json: bool) -> None:
    """List the networks of this database."""
    networks = [show_network(load(code)) for _, code in list_networks()]
    print_rows([{field: shown[field] for field in LISTED_FIELDS} for shown in networks], as_json)


@network.command()
@click.argument("code", envvar="CLEARINGHOUSE_NETWORK")
@json_option
@with_app
def show(code: str, as_json: bool) -> None:
    """Show everything that is set for a network."""
    print_fields(show_network(load(code)), as_json)


@network.command("set")
@click.argument("code", envvar="CLEARINGHOUSE_NETWORK")
@click.option("--phone-region", help="Country of phone numbers that name none themselves, like DE. Empty: none.")
@click.option(
    "--retention-months",
    type=click.IntRange(0),
    help="Months without activity and points after which members are erased. 0: never.",
)
@json_option
@with_app
def change(code: str, phone_region: str | None, retention_months: int | None, as_json: bool) -> None:
    """Say how phone numbers are read, and how long members are remembered.

    What is not given stays as it is. `clearinghouse member erase-inactive --dry-run` tells who would be erased.
    """
    changes: dict[str, str | int | None] = {}
    if phone_region is not None:
        changes["phone_region"] = phone_region or None
    if retention_months is not None:
        changes["retention_months"] = retention_months or None
    print_fields(show_network(change_network(find_network_id(code), changes)), as_json)


def load(code: str) -> Network:
    tenant_id = find_network_id(code)
    with unit_of_work(tenant_id):
        return get_network(tenant_id)
