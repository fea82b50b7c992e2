from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import click

from clearinghouse.members.service import export_member, show_found
from tenants.foundation import ids
from tenants.foundation.console import json_option, network_option, print_rows, with_app
from tenants.members.service import find_by_phone
from tenants.networks.service import find_network_id

country_option = click.option("--country", help="Of a phone that names none itself, like DE.")


def contact_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Flags, not values: everybody on a machine sees the arguments of its commands. `ask_for_contact` asks."""
    asks = "which is then asked for (a line of standard input: others can see arguments). Empty: none."
    for option in (
        country_option,
        click.option("--email", is_flag=True, help=f"With an email, {asks}"),
        click.option("--phone", is_flag=True, help=f"With a phone, {asks}"),
    ):
        command = option(command)
    return command


def ask_for_contact(phone: bool, email: bool) -> dict[str, str | None]:
    """None for what is not to be asked for, an empty text for what has been answered with none."""
    return {"phone": ask("Phone") if phone else None, "email": ask("Email") if email else None}


def ask(what: str) -> str:
    answer: str = click.prompt(what, default="", show_default=False, err=True)
    return answer.strip()


@click.command()
@country_option
@network_option
@json_option
@with_app
def find(country: str | None, network: str, as_json: bool) -> None:
    """Find members by their phone number, which is asked for.

    It is read from standard input, as others on this machine can see arguments. A household may share a number.
    """
    found = find_by_phone(find_network_id(network), ask("Phone"), country)
    shown = [show_found(member, cards, in_full=True) for member, cards in found]
    if not as_json:
        shown = [{**row, "cards": ", ".join(card["card"] for card in row["cards"])} for row in shown]
    print_rows(shown, as_json)


@click.command()
@click.argument("member_id")
@network_option
@with_app
def export(member_id: str, network: str) -> None:
    """Print all that is kept of a member, as JSON: what the member may ask for."""
    exported = export_member(find_network_id(network), ids.parse(ids.MEMBER, member_id))
    click.echo(json.dumps(exported, ensure_ascii=False, indent=2))
