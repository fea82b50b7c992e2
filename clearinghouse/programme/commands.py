from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

import click

from clearinghouse.directory.service import show_version
from clearinghouse.programme.service import NewProgramme, add_version, list_versions
from tenants.foundation import clock
from tenants.foundation.console import (
    DAY,
    DECIMAL,
    json_option,
    network_option,
    print_fields,
    print_rows,
    with_app,
)
from tenants.foundation.database import unit_of_work
from tenants.networks.service import find_network_id, get_network


@click.group()
def programme() -> None:
    """What purchases earn, what points are worth, when they expire."""


@programme.command("list")
@network_option
@json_option
@with_app
def list_all(network: str, as_json: bool) -> None:
    """List the versions of the programme, oldest first."""
    print_rows([show_version(version) for version in list_versions(find_network_id(network))], as_json)


@programme.command()
@network_option
@click.option("--base-rate", type=DECIMAL, help="Points a purchase earns per currency unit spent.")
@click.option("--redemption-value", type=DECIMAL, help="Points that pay for one currency unit.")
@click.option("--expiry-policy", help="P12M: end of the twelfth month after; P90D: 90 days later; or never.")
@click.option(
    "--effective-from",
    type=DAY,
    help="First day of the new version, in the network's time zone.  [default: tomorrow]",
)
@json_option
@with_app
def add(
    network: str,
    base_rate: Decimal | None,
    redemption_value: Decimal | None,
    expiry_policy: str | None,
    effective_from: date | None,
    as_json: bool,
) -> None:
    """Announce a new version of the programme.

    What you leave out stays as it is in the newest version. A version is never changed once it is made.
    """
    tenant_id = find_network_id(network)
    newest = list_versions(tenant_id)[-1]
    rates = (
        newest.base_rate if base_rate is None else base_rate,
        newest.redemption_value if redemption_value is None else redemption_value,
    )
    begin = beginning_of(tenant_id, effective_from)
    add_version(tenant_id, NewProgramme(*rates, expiry_policy or newest.expiry_policy), begin)
    print_fields(show_version(list_versions(tenant_id)[-1]), as_json)


def beginning_of(tenant_id: UUID, day: date | None) -> datetime:
    """The moment at which `day`, or tomorrow, begins in the network's time zone."""
    with unit_of_work(tenant_id):
        time_zone = get_network(tenant_id).time_zone
    first_day = day or clock.business_date(clock.now(), time_zone) + timedelta(days=1)
    return datetime.combine(first_day, datetime.min.time(), ZoneInfo(time_zone)).astimezone(UTC)
