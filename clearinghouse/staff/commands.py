from __future__ import annotations

from uuid import UUID

import click

from clearinghouse.staff.service import show_staff
from tenants.foundation.console import json_option, network_option, print_fields, print_rows, with_app
from tenants.networks.service import find_network_id
from tenants.staff.rules import ROLES
from tenants.staff.service import change_roles, create_staff, find_staff_and_participant, leave, list_staff

ROLE = click.Choice(list(ROLES))


@click.group()
def staff() -> None:
    """People who settle: preparers propose, approvers approve, treasurers pay, owners dispute, auditors read."""


@staff.command("list")
@network_option
@json_option
@with_app
def list_all_staff(network: str, as_json: bool) -> None:
    """List the people, by code, those too who have left."""
    print_rows([show_staff(*row) for row in list_staff(find_network_id(network))], as_json)


@staff.command("create")
@click.argument("code")
@click.option("--name", required=True, help="For people to read.")
@click.option("--role", "roles", multiple=True, required=True, type=ROLE, help="What the person may do; repeatable.")
@click.option("--participant", help="Code of the participant that an owner acts for.")
@network_option
@json_option
@with_app
def create_one_person(
    code: str, name: str, roles: tuple[str, ...], participant: str | None, network: str, as_json: bool
) -> None:
    """Add a person, whom records name by CODE.

    Then make a key for what the person does over HTTP: `clearinghouse key create --staff CODE`.
    """
    tenant_id = find_network_id(network)
    create_staff(tenant_id, code, name, roles, participant)
    print_one(tenant_id, code, as_json)


@staff.command("roles")
@click.argument("code")
@click.argument("roles", nargs=-1, required=True, type=ROLE, metavar="ROLES...")
@network_option
@json_option
@with_app
def change_roles_of_one(code: str, roles: tuple[str, ...], network: str, as_json: bool) -> None:
    """Give a person these ROLES and no others: `staff roles ana preparer treasurer`.

    The person's keys follow within seconds.
    """
    tenant_id = find_network_id(network)
    change_roles(tenant_id, code, roles)
    print_one(tenant_id, code, as_json)


@staff.command("leave")
@click.argument("code")
@network_option
@json_option
@with_app
def have_one_leave(code: str, network: str, as_json: bool) -> None:
    """Have a person leave for good: the person's keys are refused within seconds."""
    tenant_id = find_network_id(network)
    leave(tenant_id, code)
    print_one(tenant_id, code, as_json)


def print_one(tenant_id: UUID, code: str, as_json: bool) -> None:
    print_fields(show_staff(*find_staff_and_participant(tenant_id, code)), as_json)
