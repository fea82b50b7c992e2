from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import click

from clearinghouse.directory.schemas import VelocityLimitsSchema
from clearinghouse.directory.service import show_version
from clearinghouse.programme.rules import CHARGED_TO, RETURN_POLICIES
from clearinghouse.programme.service import add_version, list_versions, terms_of
from tenants.foundation import clock
from tenants.foundation.console import (
    DAY,
    DECIMAL,
    Command,
    json_option,
    network_option,
    print_fields,
    print_rows,
    with_app,
)
from tenants.foundation.database import unit_of_work
from tenants.foundation.web import load, parse_json
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


class AmountOrNever(click.ParamType):
    name = "amount"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        if value != "never" and not str(value).isdecimal():
            self.fail(f"{value!r} is neither minor units nor never.", param, ctx)
        return value if value == "never" else int(value)


class LimitsType(click.ParamType):
    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        return load(VelocityLimitsSchema(), {"velocity_limits": parse_json(value.encode())})["velocity_limits"]


TERMS_OPTIONS = (
    click.option("--minimum-points", type=int, help="The least that can be redeemed at once."),
    click.option("--step-points", type=int, help="Redemptions are multiples of it."),
    click.option("--maximum-share", type=DECIMAL, help="Of a bill, that points may pay: 0.5 is half."),
    click.option(
        "--return-policy",
        type=click.Choice(RETURN_POLICIES),
        help="Spent points that a return would take back: the member owes them, or the store bears them.",
    ),
    click.option("--return-grace-days", type=int, help="For points given back to a lot that has expired."),
    click.option("--offline-limit", type=int, help="Points that an offline redemption is good for."),
    click.option("--offline-charged-to", type=click.Choice(CHARGED_TO), help="For what the balance does not cover."),
    click.option("--pin-from", type=AmountOrNever(), help="Minor units from which a PIN is asked for, or never."),
    click.option(
        "--code-from", type=AmountOrNever(), help="Minor units from which a wallet code is asked for, or never."
    ),
    click.option(
        "--velocity-limits", type=LimitsType(), help='Such as {"member": {"day": {"count": 5, "points": 5000}}}.'
    ),
)


def terms_options(command: Command) -> Command:
    """What a network may choose besides its rates; what is not given is None."""
    for option in reversed(TERMS_OPTIONS):
        command = option(command)
    return command


def chosen_terms(terms: dict[str, Any]) -> dict[str, Any]:
    """Those of the options that were given, as `Terms` has them."""
    chosen = {name: term for name, term in terms.items() if term is not None}
    return chosen | {name: None for name in ("pin_from", "code_from") if terms[name] == "never"}


@programme.command()
@network_option
@click.option("--base-rate", type=DECIMAL, help="Points a purchase earns per currency unit spent.")
@click.option("--redemption-value", type=DECIMAL, help="Points that pay for one currency unit.")
@click.option("--expiry-policy", help="P12M: end of the twelfth month after; P90D: 90 days later; or never.")
@terms_options
@click.option(
    "--effective-from",
    type=DAY,
    help="First day of the new version, in the network's time zone.  [default: tomorrow]",
)
@json_option
@with_app
def add(network: str, effective_from: date | None, as_json: bool, **terms: Any) -> None:
    """Announce a new version of the programme.

    What you leave out stays as it is in the newest version. A version is never changed once it is made.
    """
    tenant_id = find_network_id(network)
    newest = terms_of(list_versions(tenant_id)[-1])
    add_version(tenant_id, replace(newest, **chosen_terms(terms)), beginning_of(tenant_id, effective_from))
    print_fields(show_version(list_versions(tenant_id)[-1]), as_json)


def beginning_of(tenant_id: UUID, day: date | None) -> datetime:
    """The moment at which `day`, or tomorrow, begins in the network's time zone."""
    with unit_of_work(tenant_id):
        time_zone = get_network(tenant_id).time_zone
    first_day = day or clock.business_date(clock.now(), time_zone) + timedelta(days=1)
    return datetime.combine(first_day, datetime.min.time(), ZoneInfo(time_zone)).astimezone(UTC)
