"""`clearinghouse settlement propose|approve|reject|versions|lines` and `clearinghouse window postpone`."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

import click

from settlement.approvals.postponing import postpone
from settlement.approvals.service import approve
from settlement.proposals.service import propose, reject
from settlement.proposals.show import show_versions
from settlement.statements.commands import month_option, settlement
from settlement.statements.service import load_settlement
from settlement.statements.show import lines_as_json, print_settlement
from settlement.windows.commands import print_window
from settlement.windows.service import count_day_close_differences
from tenants.foundation.console import err, json_option, network_option, print_rows, with_app
from tenants.foundation.months import parse_month
from tenants.networks.service import find_network_id
from tenants.staff.commands import actor_option
from tenants.staff.rules import APPROVER, PREPARER
from tenants.staff.service import act_as


@settlement.command("propose")
@network_option
@month_option
@actor_option
@json_option
@with_app
def propose_command(network: str, month: str, actor_code: str, as_json: bool) -> None:
    """Propose what a closed month comes to in money. Done again, it replaces the version before."""
    tenant_id, day = find_network_id(network), parse_month(month)
    actor = act_as(tenant_id, actor_code, PREPARER)
    with err.status(f"proposing {month}"):
        propose(tenant_id, day, actor)
    print_settlement(load_settlement(tenant_id, day), count_day_close_differences(tenant_id, day), as_json)


@settlement.command("approve")
@network_option
@month_option
@actor_option
@json_option
@with_app
def approve_command(network: str, month: str, actor_code: str, as_json: bool) -> None:
    """Approve what another person has proposed; from then on it never changes."""
    tenant_id, day = find_network_id(network), parse_month(month)
    actor = act_as(tenant_id, actor_code, APPROVER)
    with err.status(f"checking {month}"):
        approve(tenant_id, day, actor)
    print_settlement(load_settlement(tenant_id, day), count_day_close_differences(tenant_id, day), as_json)


@settlement.command("reject")
@network_option
@month_option
@actor_option
@click.option("--reason", required=True, help="Why; kept in its history.")
@json_option
@with_app
def reject_command(network: str, month: str, actor_code: str, reason: str, as_json: bool) -> None:
    """Reject what is proposed, and say why."""
    tenant_id, day = find_network_id(network), parse_month(month)
    reject(tenant_id, day, act_as(tenant_id, actor_code, APPROVER, PREPARER), reason)
    print_rows(rows_of_versions(tenant_id, day), as_json)


def rows_of_versions(tenant_id: UUID, month: date) -> list[dict[str, Any]]:
    return [{**shown, "changes": len(shown["changes"])} for shown in show_versions(tenant_id, month)]


@settlement.command()
@network_option
@month_option
@json_option
@with_app
def versions(network: str, month: str, as_json: bool) -> None:
    """List every version that was proposed, and what became of it."""
    tenant_id, day = find_network_id(network), parse_month(month)
    print_rows(show_versions(tenant_id, day) if as_json else rows_of_versions(tenant_id, day), as_json)


@settlement.command()
@network_option
@month_option
@click.option("--store", help="Code of a store; all when left out.")
@json_option
@with_app
def lines(network: str, month: str, store: str | None, as_json: bool) -> None:
    """List every amount of a month: who owes it to whom, and why."""
    document = load_settlement(find_network_id(network), parse_month(month))
    shown = lines_as_json(document, store)["lines"]
    print_rows([{name: value for name, value in line.items() if name != "key"} for line in shown], as_json)


@click.command("postpone")
@click.argument("month")
@click.option("--days", type=int, required=True, help="By how many days every day of its calendar moves.")
@click.option("--reason", default="", help="Why; kept in its history.")
@actor_option
@network_option
@json_option
@with_app
def postpone_window(month: str, days: int, reason: str, actor_code: str, network: str, as_json: bool) -> None:
    """Give a closed MONTH that is not approved more time."""
    tenant_id, day = find_network_id(network), parse_month(month)
    postpone(tenant_id, day, days, act_as(tenant_id, actor_code, PREPARER).shown, reason)
    print_window(tenant_id, day, as_json)
