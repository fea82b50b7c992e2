from __future__ import annotations

import click

from clearinghouse.verification.service import show_code, show_pin, show_wallet
from tenants.foundation import ids
from tenants.foundation.console import json_option, network_option, print_fields, with_app
from tenants.networks.service import find_network_id
from tenants.verification.service import (
    find_pin,
    find_wallet,
    remove_pin,
    rotate_wallet,
    set_pin,
    unlock_pin,
    wallet_code,
)


@click.group()
def pin() -> None:
    """The PIN that a member enters at the till."""


@pin.command("show")
@click.argument("member_id")
@network_option
@json_option
@with_app
def show_one_pin(member_id: str, network: str, as_json: bool) -> None:
    """Show whether a member has a PIN and whether it is locked."""
    row = find_pin(find_network_id(network), ids.parse(ids.MEMBER, member_id))
    print_fields(show_pin(row), as_json)


@pin.command("set")
@click.argument("member_id")
@click.password_option("--pin", "new_pin", prompt="New PIN", help="4 to 8 digits.  [default: asked for, not shown]")
@network_option
@json_option
@with_app
def set_one_pin(member_id: str, new_pin: str, network: str, as_json: bool) -> None:
    """Set a member's PIN; replaces the one before and unlocks."""
    row = set_pin(find_network_id(network), ids.parse(ids.MEMBER, member_id), new_pin)
    print_fields(show_pin(row), as_json)


@pin.command("unlock")
@click.argument("member_id")
@network_option
@json_option
@with_app
def unlock_one_pin(member_id: str, network: str, as_json: bool) -> None:
    """Unlock a member's PIN: it stays the same."""
    row = unlock_pin(find_network_id(network), ids.parse(ids.MEMBER, member_id))
    print_fields(show_pin(row), as_json)


@pin.command("remove")
@click.argument("member_id")
@network_option
@json_option
@with_app
def remove_one_pin(member_id: str, network: str, as_json: bool) -> None:
    """Remove a member's PIN.

    The next one can be set at any till with the card alone.
    """
    row = remove_pin(find_network_id(network), ids.parse(ids.MEMBER, member_id))
    print_fields(show_pin(row), as_json)


@click.group()
def wallet() -> None:
    """The wallet on a member's phone, which shows a code for each 30 seconds."""


@wallet.command("show")
@click.argument("member_id")
@network_option
@json_option
@with_app
def show_one_wallet(member_id: str, network: str, as_json: bool) -> None:
    """Show a member's wallet with its secret, for the member's phone only."""
    row = find_wallet(find_network_id(network), ids.parse(ids.MEMBER, member_id))
    print_fields(show_wallet(row), as_json)


@wallet.command("rotate")
@click.argument("member_id")
@network_option
@json_option
@with_app
def rotate_one_wallet(member_id: str, network: str, as_json: bool) -> None:
    """Give a member a new wallet: the old phone's codes are refused from now on."""
    row = rotate_wallet(find_network_id(network), ids.parse(ids.MEMBER, member_id))
    print_fields(show_wallet(row), as_json)


@wallet.command("code")
@click.argument("member_id")
@network_option
@json_option
@with_app
def show_wallet_code(member_id: str, network: str, as_json: bool) -> None:
    """Show the code of now, as the member's phone does."""
    code = wallet_code(find_network_id(network), ids.parse(ids.MEMBER, member_id))
    print_fields(show_code(code), as_json)
