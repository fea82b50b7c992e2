from __future__ import annotations

from typing import Any
from uuid import UUID

import click

from clearinghouse.directory.service import (
    card_with_balance,
    member_with_cards,
    show_card,
    show_key,
    show_member,
    show_participant,
    show_store,
    show_terminal,
)
from clearinghouse.verification.commands import pin, wallet
from tenants.credentials.service import (
    HQ,
    TERMINAL,
    create_credential,
    list_credentials,
    revoke_credential,
)
from tenants.foundation import ids
from tenants.foundation.console import err, json_option, network_option, print_fields, print_rows, with_app
from tenants.members.service import (
    change_card,
    create_member,
    issue_card,
    list_members,
    replace_card,
)
from tenants.networks.service import find_network_id
from tenants.stores.service import (
    close_store,
    create_participant,
    create_store,
    find_store_and_owner,
    list_participants,
    list_stores,
)
from tenants.terminals.service import create_terminal, list_terminals


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


def print_key(fields: dict[str, Any], as_json: bool) -> None:
    print_fields(fields, as_json)
    err.print("Keep the key: it is shown only now.")


@click.group()
def key() -> None:
    """API keys of terminals and of head office."""


@key.command("list")
@network_option
@json_option
@with_app
def list_all_keys(network: str, as_json: bool) -> None:
    """List the keys, oldest first, revoked ones too.

    The keys themselves are not kept; hint is the last four characters of each.
    """
    print_rows([show_key(credential) for credential in list_credentials(find_network_id(network))], as_json)


@key.command("create")
@click.option("--label", required=True, help="Who or what uses it.")
@click.option("--terminal", "terminal_id", help="Id of a terminal (trm_...).  [default: a head office key]")
@network_option
@json_option
@with_app
def create_one_key(label: str, terminal_id: str | None, network: str, as_json: bool) -> None:
    """Make one more key, of head office or of a terminal.

    Earlier keys stay valid until they are revoked.
    """
    role = TERMINAL if terminal_id else HQ
    owner = ids.parse(ids.TERMINAL, terminal_id) if terminal_id else None
    credential, secret = create_credential(find_network_id(network), role, label, owner)
    print_key({**show_key(credential), "key": secret}, as_json)


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
@network_option
@json_option
@with_app
def create_one_member(reference: str | None, name: str | None, network: str, as_json: bool) -> None:
    """Add a member.

    Then give out a card with `clearinghouse card issue MEMBER_ID`.
    """
    print_fields(show_member(create_member(find_network_id(network), reference, name)), as_json)


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


@card.command("issue")
@click.argument("member_id")
@click.option("--number", help="8 to 19 digits with a Luhn check digit.  [default: made up]")
@network_option
@json_option
@with_app
def issue_one_card(member_id: str, number: str | None, network: str, as_json: bool) -> None:
    """Give a member one more card.

    All cards of a member spend from the same points.
    """
    new = issue_card(find_network_id(network), ids.parse(ids.MEMBER, member_id), number)
    print_fields(show_card(new), as_json)


@card.command("block")
@click.argument("number")
@network_option
@json_option
@with_app
def block_card(number: str, network: str, as_json: bool) -> None:
    """Block a card: tills refuse it until it is unblocked."""
    print_fields(show_card(change_card(find_network_id(network), number, "block")), as_json)


@card.command("unblock")
@click.argument("number")
@network_option
@json_option
@with_app
def unblock_card(number: str, network: str, as_json: bool) -> None:
    """Let a blocked card work again."""
    print_fields(show_card(change_card(find_network_id(network), number, "unblock")), as_json)


@card.command("replace")
@click.argument("number")
@click.option("--new-number", help="8 to 19 digits with a Luhn check digit.  [default: made up]")
@network_option
@json_option
@with_app
def replace_one_card(number: str, new_number: str | None, network: str, as_json: bool) -> None:
    """Replace a card and show the new one.

    The old card never works again; the points stay with the member.
    """
    print_fields(show_card(replace_card(find_network_id(network), number, new_number)), as_json)


@card.command("show")
@click.argument("number")
@network_option
@json_option
@with_app
def show_one_card(number: str, network: str, as_json: bool) -> None:
    """Show a card and the points of its member."""
    tenant_id: UUID = find_network_id(network)
    print_fields(card_with_balance(tenant_id, number), as_json)
