from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from settlement.bank_files.camt import BYTES_MAX
from settlement.bank_files.rules import OUTCOMES
from settlement.bank_files.service import read_bank_file
from settlement.legs import service as legs
from settlement.legs.queries import ShownLeg
from settlement.legs.show import show_leg
from settlement.payments.rules import FORMATS
from settlement.payments.service import export_payment_files, instruct, list_payment_files
from settlement.payments.show import show_file, show_instruction, show_reading
from settlement.statements.commands import month_option
from tenants.foundation import ids
from tenants.foundation.console import err, json_option, network_option, print_fields, print_rows, with_app
from tenants.foundation.months import parse_month
from tenants.networks.service import find_network_id
from tenants.staff.commands import actor_option
from tenants.staff.rules import TREASURER
from tenants.staff.service import act_as

LISTED_FILE_FIELDS = ("file_id", "direction", "format", "scheme", "due_on", "payments", "total", "made_by")
LISTED_LEG_FIELDS = ("leg_id", "store", "month", "direction", "amount", "due_on", "state", "reason")

optional_reason = click.option("--reason", help="Why; kept with what was done.")


@click.group()
def payments() -> None:
    """Payments: files for the bank, what the bank says, what becomes of each leg of a settlement."""


@payments.command("instruct")
@network_option
@month_option
@click.option("--format", "format", type=click.Choice(FORMATS), help="[default: sepa where it is possible]")
@actor_option
@json_option
@with_app
def instruct_command(network: str, month: str, format: str | None, actor_code: str, as_json: bool) -> None:
    """Make the files for the bank of what is pending.

    Legs that lack something wait, and say what. `payments export` writes the files.
    """
    tenant_id, day = find_network_id(network), parse_month(month)
    made = instruct(tenant_id, day, act_as(tenant_id, actor_code, TREASURER), format)
    shown = show_instruction(made, day)
    if as_json:
        print_fields(shown, as_json)
        return
    print_files(shown["payment_files"], as_json)
    if made.waiting:
        err.print("Legs that wait:")
        print_rows([{name: row[name] for name in ("store", "amount", "because")} for row in shown["waiting"]], False)


def print_files(rows: list[dict[str, Any]], as_json: bool) -> None:
    print_rows(rows if as_json else [{name: row[name] for name in LISTED_FILE_FIELDS} for row in rows], as_json)


@payments.command("list")
@network_option
@month_option
@json_option
@with_app
def list_command(network: str, month: str, as_json: bool) -> None:
    """List the files that were made for a month, oldest first."""
    day = parse_month(month)
    print_files([show_file(file, day) for file in list_payment_files(find_network_id(network), day)], as_json)


@payments.command("export")
@network_option
@month_option
@actor_option
@json_option
@with_app
def export_command(network: str, month: str, actor_code: str, as_json: bool) -> None:
    """Write the files of a month, to be handed to the bank."""
    tenant_id = find_network_id(network)
    act_as(tenant_id, actor_code, TREASURER)
    paths = export_payment_files(tenant_id, network, parse_month(month))
    print_rows([{"file": str(path)} for path in paths], as_json)


@payments.command("read")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@network_option
@click.option("--month", "-m", help="Refuse a file that tells of another month's legs.")
@actor_option
@json_option
@with_app
def read_command(file: Path, network: str, month: str | None, actor_code: str, as_json: bool) -> None:
    """Read what the bank sent: a camt.053 or camt.054.

    It confirms and fails legs by EndToEndId and amount. A file that is wrong, of another account or network, or was
    read before is refused, and changes nothing.
    """
    tenant_id = find_network_id(network)
    actor = act_as(tenant_id, actor_code, TREASURER)
    with file.open("rb") as opened:
        content = opened.read(BYTES_MAX + 1)
    reading = read_bank_file(tenant_id, actor, content, file.name, parse_month(month) if month else None)
    shown = show_reading(reading)
    counts = ("bank_file_id", "kind", "message_id", *OUTCOMES, "not_booked", "others")
    print_fields(shown if as_json else {name: shown[name] for name in counts}, as_json)


@payments.command("legs")
@network_option
@click.option("--month", "-m", help="An approved month, like 2026-11.  [default: failed legs of all months]")
@json_option
@with_app
def legs_command(network: str, month: str | None, as_json: bool) -> None:
    """List what each store remits or receives, and what has become of it.

    Without a month, what is still owed: the failed legs of all months.
    """
    tenant_id = find_network_id(network)
    rows = legs.list_legs(tenant_id, parse_month(month)) if month else legs.list_receivables(tenant_id)
    shown = [show_leg(row) for row in rows]
    print_rows(shown if as_json else [{name: row[name] for name in LISTED_LEG_FIELDS} for row in shown], as_json)


@payments.command("confirm")
@click.argument("leg_id")
@click.option("--reference", required=True, help="Where its payment has been seen.")
@network_option
@actor_option
@json_option
@with_app
def confirm_command(leg_id: str, reference: str, network: str, actor_code: str, as_json: bool) -> None:
    """Confirm a leg by hand.

    LEG_ID starts with leg_; `clearinghouse payments legs` shows it.
    """
    tenant_id = find_network_id(network)
    actor = act_as(tenant_id, actor_code, TREASURER)
    print_leg(legs.confirm_leg(tenant_id, ids.parse(ids.LEG, leg_id), actor, reference), as_json)


@payments.command("fail")
@click.argument("leg_id")
@click.option("--reason", required=True, help="Why it is not paid.")
@network_option
@actor_option
@json_option
@with_app
def fail_command(leg_id: str, reason: str, network: str, actor_code: str, as_json: bool) -> None:
    """Mark a leg as not paid: it becomes a receivable."""
    tenant_id = find_network_id(network)
    actor = act_as(tenant_id, actor_code, TREASURER)
    print_leg(legs.fail_leg(tenant_id, ids.parse(ids.LEG, leg_id), actor, reason), as_json)


@payments.command("retry")
@click.argument("leg_id")
@optional_reason
@network_option
@actor_option
@json_option
@with_app
def retry_command(leg_id: str, reason: str | None, network: str, actor_code: str, as_json: bool) -> None:
    """Have a failed leg paid again: it is in the next payment file."""
    tenant_id = find_network_id(network)
    actor = act_as(tenant_id, actor_code, TREASURER)
    print_leg(legs.retry_leg(tenant_id, ids.parse(ids.LEG, leg_id), actor, reason), as_json)


@payments.command("carry")
@click.argument("leg_id")
@optional_reason
@network_option
@actor_option
@json_option
@with_app
def carry_command(leg_id: str, reason: str | None, network: str, actor_code: str, as_json: bool) -> None:
    """Settle what a failed leg leaves owed with the open month."""
    tenant_id = find_network_id(network)
    actor = act_as(tenant_id, actor_code, TREASURER)
    print_leg(legs.carry_leg(tenant_id, ids.parse(ids.LEG, leg_id), actor, reason), as_json)


def print_leg(row: ShownLeg, as_json: bool) -> None:
    print_fields(show_leg(row), as_json)
