from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import click

from clearinghouse.directory.service import (
    member_with_cards,
    show_card,
    show_key,
    show_member,
    show_participant,
    show_rotation,
    show_store,
    show_terminal,
)
from clearinghouse.erasure.commands import erase, erase_inactive
from clearinghouse.members.commands import ask_for_contact, contact_options, export, find
from clearinghouse.merges.service import merge_members
from clearinghouse.sequences.service import sequence_of_terminal, show_ranges
from clearinghouse.verification.commands import pin, wallet
from tenants.credentials.rules import HQ, OVERLAP_DEFAULT, OVERLAP_MAX, RATE_MAX, SCOPES, STAFF, TERMINAL
from tenants.credentials.service import (
    change_credential,
    create_credential,
    list_credentials,
    revoke_credential,
    rotate_credential,
)
from tenants.foundation import ids
from tenants.foundation.console import (
    MOMENT,
    err,
    json_option,
    network_option,
    print_fields,
    print_rows,
    with_app,
)
from tenants.members.service import (
    COMMAND_LINE,
    change_card,
    create_member,
    list_members,
    replace_card,
    update_member,
)
from tenants.networks.service import find_network_id
from tenants.staff.service import find_staff
from tenants.stores.service import (
    close_store,
    create_participant,
    create_store,
    find_store_and_owner,
    list_participants,
    list_stores,
)
from tenants.terminals.service import create_terminal, list_terminals

HOUR = timedelta(hours=1)
LISTED_KEY_FIELDS = ("key_id", "role", "label", "hint", "scopes", "last_used_at", "expires_at", "revoked_at")
SCOPES_HELP = f"A terminal: {', '.join(SCOPES[TERMINAL])}. Head office: {', '.join(SCOPES[HQ])}."

rate_limit_option = click.option(
    "--rate-limit", type=click.IntRange(1, RATE_MAX), help="Requests per second.  [default: what its role may send]"
)
reason_option = click.option("--reason", help="Why; kept with what was done.")


@click.group()
def participant() -> None:
    """Participants: the legal entities that own stores and settle."""


@participant.command("list")
@network_option
@json_option
@with_app
def list_all_participants(network: str, as_json: bool) -> None:
    """List the participants, by code."""
    print_rows([show_participant(p) for p in list_participants(find_network_id(network))], as_json)


@participant.command("create")
@click.argument("code")
@click.option("--name", required=True, help="As it stands on statements.")
@network_option
@json_option
@with_app
def create_one_participant(code: str, name: str, network: str, as_json: bool) -> None:
    """Add a participant, for stores that share an owner.

    A store that is its own legal entity needs none: `store create` makes it.
    """
    print_fields(show_participant(create_participant(find_network_id(network), code, name)), as_json)


@click.group()
def store() -> None:
    """Stores: the outlets that issue and redeem points."""


@store.command("list")
@network_option
@json_option
@with_app
def list_all_stores(network: str, as_json: bool) -> None:
    """List the stores, by code, with the participant that owns each."""
    rows = list_stores(find_network_id(network))
    print_rows([show_store(row, owner.code) for row, owner in rows], as_json)


@store.command("create")
@click.argument("code")
@click.option("--name", required=True, help="As it stands on statements.")
@click.option("--participant", "owner", help="Code of its owner.  [default: the store itself]")
@network_option
@json_option
@with_app
def create_one_store(code: str, name: str, owner: str | None, network: str, as_json: bool) -> None:
    """Add a store.

    Then give it a till with `clearinghouse terminal create`.
    """
    new = create_store(find_network_id(network), code, name, owner)
    print_fields(show_store(new, owner or code), as_json)


@store.command("close")
@click.argument("code")
@network_option
@json_option
@with_app
def close_one_store(code: str, network: str, as_json: bool) -> None:
    """Close a store for good.

    Its terminals are refused within seconds. What it issued and recovered stays and settles.
    """
    tenant_id = find_network_id(network)
    close_store(tenant_id, code)
    closed, owner = find_store_and_owner(tenant_id, code)
    print_fields(show_store(closed, owner.code), as_json)


@click.group()
def terminal() -> None:
    """Terminals: the tills of the stores."""


@terminal.command("list")
@click.option("--store", "store_code", help="Only those of the store with this code.")
@network_option
@json_option
@with_app
def list_all_terminals(store_code: str | None, network: str, as_json: bool) -> None:
    """List the terminals, by store."""
    rows = list_terminals(find_network_id(network), store_code)
    print_rows([show_terminal(row, owner.code) for row, owner in rows], as_json)


@terminal.command("create")
@click.argument("store")
@click.argument("code")
@network_option
@json_option
@with_app
def create_one_terminal(store: str, code: str, network: str, as_json: bool) -> None:
    """Add a terminal to a store and make its key.

    STORE is the code of the store, CODE that of the terminal within it, like 1.
    """
    tenant_id = find_network_id(network)
    new = create_terminal(tenant_id, store, code)
    credential, key = create_credential(tenant_id, TERMINAL, "till", new.terminal_id)
    print_key({**show_terminal(new, store), "key_id": show_key(credential)["key_id"], "key": key}, as_json)


@terminal.command("sequence")
@click.argument("terminal_id")
@network_option
@json_option
@with_app
def show_sequence(terminal_id: str, network: str, as_json: bool) -> None:
    """Show which of its own sequence numbers a terminal has sent, and which are missing.

    TERMINAL_ID starts with trm_; `clearinghouse terminal list` shows it.
    """
    shown = sequence_of_terminal(find_network_id(network), ids.parse(ids.TERMINAL, terminal_id))
    if not as_json:
        ranges = ("received_sequences", "missing_sequences", "repeated_sequences")
        shown |= {name: show_ranges(shown[name]) for name in ranges}
    print_fields(shown, as_json)


def print_key(fields: dict[str, Any], as_json: bool) -> None:
    print_fields(fields, as_json)
    err.print("Keep the key: it is shown only now.")


@click.group()
def key() -> None:
    """API keys of terminals, of head office and of people."""


@key.command("list")
@network_option
@json_option
@with_app
def list_all_keys(network: str, as_json: bool) -> None:
    """List the keys, oldest first, revoked ones too; with --json, all that is known of them.

    The keys themselves are not kept; hint is the last four characters of each.
    """
    rows = [show_key(credential) for credential in list_credentials(find_network_id(network))]
    print_rows(rows if as_json else [{name: row[name] for name in LISTED_KEY_FIELDS} for row in rows], as_json)


@key.command("create")
@click.option("--label", required=True, help="Who or what uses it.")
@click.option("--terminal", "terminal_id", help="Id of a terminal (trm_...).  [default: a head office key]")
@click.option("--staff", "staff_code", help="Code of a person, whose roles say what the key may do.")
@click.option("--scope", "scopes", multiple=True, help=f"What it may do; repeatable. {SCOPES_HELP}  [default: all]")
@click.option("--expires-at", type=MOMENT, help="When it stops by itself, like 2027-01-31T12:00+01:00.")
@rate_limit_option
@network_option
@json_option
@with_app
def create_one_key(
    label: str,
    terminal_id: str | None,
    staff_code: str | None,
    scopes: tuple[str, ...],
    expires_at: datetime | None,
    rate_limit: int | None,
    network: str,
    as_json: bool,
) -> None:
    """Make one more key: of head office, of a terminal or of a person.

    Earlier keys stay valid until they are revoked; to replace one, rotate it.
    """
    if terminal_id and staff_code:
        raise click.UsageError("Give either --terminal or --staff.")
    tenant_id = find_network_id(network)
    role = TERMINAL if terminal_id else STAFF if staff_code else HQ
    terminal = ids.parse(ids.TERMINAL, terminal_id) if terminal_id else None
    staff_id = find_staff(tenant_id, staff_code).staff_id if staff_code else None
    credential, secret = create_credential(
        tenant_id, role, label, terminal, scopes or None, expires_at, rate_limit, staff_id=staff_id
    )
    print_key({**show_key(credential), "key": secret}, as_json)


@key.command("set")
@click.argument("key_id")
@rate_limit_option
@click.option("--default-rate", is_flag=True, help="As many requests as keys of its role may send.")
@network_option
@json_option
@with_app
def change_key(key_id: str, rate_limit: int | None, default_rate: bool, network: str, as_json: bool) -> None:
    """Change how often a key may ask; it counts within seconds.

    KEY_ID starts with key_; `clearinghouse key list` shows it.
    """
    if default_rate == (rate_limit is not None):
        raise click.UsageError("Give either --rate-limit or --default-rate.")
    credential = change_credential(find_network_id(network), ids.parse(ids.KEY, key_id), rate_limit)
    print_fields(show_key(credential), as_json)


@key.command("rotate")
@click.argument("key_id")
@click.option(
    "--overlap-hours",
    type=click.IntRange(0, OVERLAP_MAX // HOUR),
    default=OVERLAP_DEFAULT // HOUR,
    show_default=True,
    help="How much longer the old key works.",
)
@network_option
@json_option
@with_app
def rotate_key(key_id: str, overlap_hours: int, network: str, as_json: bool) -> None:
    """Replace a key by a new one with the same holder, label, scopes and rate.

    KEY_ID starts with key_; `clearinghouse key list` shows it.
    """
    rotated = rotate_credential(find_network_id(network), ids.parse(ids.KEY, key_id), overlap_hours * HOUR)
    shown = show_rotation(*rotated)
    if as_json:
        print_key(shown, as_json)
        return
    print_key(shown["new_key"], as_json)
    err.print(f"{shown['old_key']['key_id']} stops at {shown['old_key']['expires_at']}.", soft_wrap=True)


@key.command("revoke")
@click.argument("key_id")
@network_option
@json_option
@with_app
def revoke_key(key_id: str, network: str, as_json: bool) -> None:
    """Revoke a key: it is refused within seconds.

    KEY_ID starts with key_; `clearinghouse key list` shows it.
    """
    credential = revoke_credential(find_network_id(network), ids.parse(ids.KEY, key_id))
    print_fields(show_key(credential), as_json)


@click.group()
def member() -> None:
    """Members: who collects points."""


member.add_command(pin)
member.add_command(wallet)
member.add_command(find)
member.add_command(export)
member.add_command(erase)
member.add_command(erase_inactive)


@member.command("list")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="How many at most.")
@click.option("--after", metavar="MEMBER_ID", help="Go on after this member, the last one of a list.")
@click.option("--reference", help="Only the member with this reference.")
@network_option
@json_option
@with_app
def list_some_members(limit: int, after: str | None, reference: str | None, network: str, as_json: bool) -> None:
    """List the members, oldest first."""
    last = ids.parse(ids.MEMBER, after) if after else None
    members = list_members(find_network_id(network), last, limit, reference)
    print_rows([show_member(row) for row in members], as_json)


@member.command("create")
@click.option("--reference", help="The network's own number for the member; unique.")
@click.option("--name", help="For people to read; not needed.")
@contact_options
@network_option
@json_option
@with_app
def create_one_member(
    reference: str | None,
    name: str | None,
    phone: bool,
    email: bool,
    country: str | None,
    network: str,
    as_json: bool,
) -> None:
    """Add a member.

    Then give out a card with `clearinghouse card issue MEMBER_ID`.
    """
    contact = {field: value or None for field, value in ask_for_contact(phone, email).items()}
    made = create_member(find_network_id(network), reference, name, **contact, country=country)
    print_fields(show_member(made), as_json)


@member.command("update")
@click.argument("member_id")
@click.option("--reference", help="The network's own number for the member; unique. Empty: none.")
@click.option("--name", help="For people to read. Empty: none.")
@contact_options
@reason_option
@network_option
@json_option
@with_app
def update_one_member(
    member_id: str,
    reference: str | None,
    name: str | None,
    phone: bool,
    email: bool,
    country: str | None,
    reason: str | None,
    network: str,
    as_json: bool,
) -> None:
    """Change a member's reference, name, phone or email.

    What is not given stays as it is. A member who had none of them is registered with it.
    """
    given = {"reference": reference, "name": name, **ask_for_contact(phone, email)}
    changes = {field: value or None for field, value in given.items() if value is not None}
    parsed = ids.parse(ids.MEMBER, member_id)
    updated = update_member(find_network_id(network), parsed, changes, COMMAND_LINE, reason, country)
    print_fields(show_member(updated), as_json)


@member.command("merge")
@click.argument("member_id")
@click.option("--into", required=True, help="The member who stays.")
@reason_option
@network_option
@json_option
@with_app
def merge_two_members(member_id: str, into: str, reason: str | None, network: str, as_json: bool) -> None:
    """Merge MEMBER_ID into another member, for good.

    Cards, points, with the expiry and the funder they have, and debts become the other's; the cards go on working.
    """
    tenant_id = find_network_id(network)
    merged_id, kept_id = ids.parse(ids.MEMBER, member_id), ids.parse(ids.MEMBER, into)
    transfer = merge_members(tenant_id, merged_id, kept_id, COMMAND_LINE, reason).transfer
    assert transfer is not None
    moved = {"member_id": into, "points_moved": transfer.points, "available": transfer.available_after}
    print_fields({**moved, "deficit": transfer.deficit_after}, as_json)


@member.command("show")
@click.argument("member_id")
@network_option
@json_option
@with_app
def show_one_member(member_id: str, network: str, as_json: bool) -> None:
    """Show a member with all cards.

    MEMBER_ID starts with mem_; `clearinghouse member list` shows it.
    """
    shown = member_with_cards(find_network_id(network), ids.parse(ids.MEMBER, member_id))
    if as_json:
        print_fields(shown, as_json)
        return
    cards = shown.pop("cards")
    print_fields(shown, as_json)
    print_rows([{name: row[name] for name in ("card", "status", "replaced_by")} for row in cards], as_json)


@click.group()
def card() -> None:
    """Cards: how a member is named at the till."""


@card.command("block")
@click.argument("number")
@reason_option
@network_option
@json_option
@with_app
def block_card(number: str, reason: str | None, network: str, as_json: bool) -> None:
    """Block a card: tills refuse it until it is unblocked."""
    blocked = change_card(find_network_id(network), number, "block", COMMAND_LINE, reason)
    print_fields(show_card(blocked), as_json)


@card.command("unblock")
@click.argument("number")
@reason_option
@network_option
@json_option
@with_app
def unblock_card(number: str, reason: str | None, network: str, as_json: bool) -> None:
    """Let a blocked card work again."""
    unblocked = change_card(find_network_id(network), number, "unblock", COMMAND_LINE, reason)
    print_fields(show_card(unblocked), as_json)


@card.command("replace")
@click.argument("number")
@click.option("--new-number", help="8 to 19 digits with a Luhn check digit.  [default: made up]")
@reason_option
@network_option
@json_option
@with_app
def replace_one_card(number: str, new_number: str | None, reason: str | None, network: str, as_json: bool) -> None:
    """Replace a card and show the new one.

    The old card never works again; the points stay with the member.
    """
    new = replace_card(find_network_id(network), number, COMMAND_LINE, new_number, reason)
    print_fields(show_card(new), as_json)
