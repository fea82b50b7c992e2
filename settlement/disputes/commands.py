from __future__ import annotations

from typing import Any
from uuid import UUID

import click

from settlement.disputes.rules import DECIDED_WITHIN
from settlement.disputes.service import accept, expire_disputes, find_dispute, list_disputes, open_dispute, reject
from settlement.disputes.show import show_dispute, show_dispute_with_changes
from settlement.statements.commands import month_option
from settlement.states.rules import ACCEPTED, EXPIRED, OPENED, REJECTED
from tenants.foundation import ids
from tenants.foundation.console import json_option, network_option, print_fields, print_rows, with_app
from tenants.foundation.months import parse_month
from tenants.networks.service import find_network_id
from tenants.staff.commands import actor_option
from tenants.staff.rules import OWNER, PREPARER
from tenants.staff.service import act_as


@click.group()
def dispute() -> None:
    """Disputes: what stores do not accept of their draft statements."""


@dispute.command("open")
@click.argument("store")
@month_option
@click.option("--line", "line_key", required=True, help="Key of a line (`dispute lines`).")
@click.option("--amount", type=click.IntRange(1), help="In minor units.  [default: all that is not disputed yet]")
@click.option("--reason", required=True, help="What is wrong with it.")
@network_option
@actor_option
@json_option
@with_app
def open_command(
    store: str,
    month: str,
    line_key: str,
    amount: int | None,
    reason: str,
    network: str,
    actor_code: str,
    as_json: bool,
) -> None:
    """Dispute a line of STORE's draft statement, as its owner."""
    tenant_id = find_network_id(network)
    actor = act_as(tenant_id, actor_code, OWNER)
    dispute_id, _ = open_dispute(tenant_id, actor, parse_month(month), store, line_key, amount, reason)
    print_dispute(tenant_id, dispute_id, as_json)


@dispute.command("accept")
@click.argument("dispute_id")
@click.option("--reason", required=True, help="Why; the store reads it.")
@network_option
@actor_option
@json_option
@with_app
def accept_command(dispute_id: str, reason: str, network: str, actor_code: str, as_json: bool) -> None:
    """Accept a dispute: what is disputed is owed no more.

    While its month is not approved, propose the month again. DISPUTE_ID starts with dsp_.
    """
    tenant_id, parsed = find_network_id(network), ids.parse(ids.DISPUTE, dispute_id)
    accept(tenant_id, parsed, act_as(tenant_id, actor_code, PREPARER), reason)
    print_dispute(tenant_id, parsed, as_json)


@dispute.command("reject")
@click.argument("dispute_id")
@click.option("--reason", required=True, help="Why; the store reads it.")
@network_option
@actor_option
@json_option
@with_app
def reject_command(dispute_id: str, reason: str, network: str, actor_code: str, as_json: bool) -> None:
    """Reject a dispute: the line stands.

    While its month is not approved, propose the month again; afterwards, what was disputed joins the open month.
    DISPUTE_ID starts with dsp_.
    """
    tenant_id, parsed = find_network_id(network), ids.parse(ids.DISPUTE, dispute_id)
    reject(tenant_id, parsed, act_as(tenant_id, actor_code, PREPARER), reason)
    print_dispute(tenant_id, parsed, as_json)


@dispute.command("list")
@click.option("--month", "-m", help="Only those of this month, like 2026-11.")
@click.option("--state", type=click.Choice([OPENED, ACCEPTED, REJECTED, EXPIRED]))
@network_option
@json_option
@with_app
def list_command(month: str | None, state: str | None, network: str, as_json: bool) -> None:
    """List the disputes, oldest first."""
    found = list_disputes(find_network_id(network), parse_month(month) if month else None, state)
    rows = [show_dispute(each) for each in found]
    print_rows(rows if as_json else [in_one_row(row) for row in rows], as_json)


@dispute.command()
@click.argument("dispute_id")
@network_option
@json_option
@with_app
def show(dispute_id: str, network: str, as_json: bool) -> None:
    """Show a dispute and what happened to it."""
    print_dispute(find_network_id(network), ids.parse(ids.DISPUTE, dispute_id), as_json)


@dispute.command(
    help=f"Expire disputes that nobody has decided within {DECIDED_WITHIN.days} days of the last day for them.\n\n"
    "What they dispute stands. The scheduler does it every day."
)
@network_option
@actor_option
@json_option
@with_app
def expire(network: str, actor_code: str, as_json: bool) -> None:
    tenant_id = find_network_id(network)
    expired = expire_disputes(tenant_id, act_as(tenant_id, actor_code, PREPARER).shown)
    print_rows([{"dispute_id": ids.show(ids.DISPUTE, dispute_id)} for dispute_id in expired], as_json)


def in_one_row(row: dict[str, Any]) -> dict[str, Any]:
    names = ("dispute_id", "month", "store", "kind", "amount", "state", "reason", "decided_by", "decision")
    return {name: row[name] for name in names}


def print_dispute(tenant_id: UUID, dispute_id: UUID, as_json: bool) -> None:
    shown = show_dispute_with_changes(*find_dispute(tenant_id, dispute_id))
    if as_json:
        print_fields(shown, as_json)
        return
    changes = shown.pop("changes")
    print_fields(shown, as_json)
    print_rows(changes, as_json, "What happened")
