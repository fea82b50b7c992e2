from __future__ import annotations

import click

from clearinghouse.erasure.rules import REASONS
from clearinghouse.erasure.service import erase_inactive as erase_inactive_members
from clearinghouse.erasure.service import erase_member, list_inactive, show_erasure
from tenants.foundation import ids
from tenants.foundation.console import json_option, network_option, print_fields, progress, with_app
from tenants.members.service import COMMAND_LINE
from tenants.networks.service import find_network_id


@click.command()
@click.argument("member_id")
@click.option("--reason", required=True, type=click.Choice(list(REASONS)), help="Why; stands in the certificate.")
@click.option("--forfeit-points", is_flag=True, help="Let the points that are left expire.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@network_option
@json_option
@with_app
def erase(member_id: str, reason: str, forfeit_points: bool, yes: bool, network: str, as_json: bool) -> None:
    """Erase a member, for good, and print the certificate.

    Transfers and lots stay; nobody can tell any more whose they were. Refused while the member has points that are
    not to be forfeited, holds or debts.
    """
    tenant_id, parsed = find_network_id(network), ids.parse(ids.MEMBER, member_id)
    if not yes:
        click.confirm(f"Erase {member_id}? It can't be undone", abort=True, err=True)
    erased = erase_member(tenant_id, parsed, reason, COMMAND_LINE, forfeit_points)
    print_fields(show_erasure(erased.erasure), as_json)


@click.command("erase-inactive")
@click.option("--dry-run", is_flag=True, help="Only tell how many members, and since when they did nothing.")
@network_option
@json_option
@with_app
def erase_inactive(dry_run: bool, network: str, as_json: bool) -> None:
    """Erase the members whom the network's retention_months ask to be forgotten.

    Those without points who have done nothing for so long. The scheduler does it every night; `network set
    --retention-months` sets the rule.
    """
    tenant_id = find_network_id(network)
    inactive = list_inactive(tenant_id)
    erased = 0
    if not dry_run:
        with progress("erasing", len(inactive.member_ids)) as advance:
            erased = erase_inactive_members(tenant_id, advance)
    shown = {"inactive_since": inactive.since, "members": len(inactive.member_ids), "erased": erased}
    print_fields(shown, as_json)
