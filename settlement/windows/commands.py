from __future__ import annotations

import getpass
from datetime import date
from uuid import UUID

import click

from settlement.windows.service import close_month, day_close_differences_of, identities_of, list_windows
from settlement.windows.show import print_identities, show_closed_window
from settlement.windows.tables import Window
from tenants.foundation.console import err, json_option, network_option, print_fields, print_rows, with_app
from tenants.foundation.months import parse_month, show_month
from tenants.networks.service import find_network_id


@click.group()
def window() -> None:
    """Windows: the months of a network, which are closed in turn and then settled."""


@window.command("list")
@network_option
@json_option
@with_app
def list_command(network: str, as_json: bool) -> None:
    """List the closed months and the first open one."""
    tenant_id = find_network_id(network)
    windows, first_open = list_windows(tenant_id)
    differences = day_close_differences_of(tenant_id, windows)
    rows = [show_row(w, differences.get(w.month)) for w in windows]
    rows.append(
        dict.fromkeys(rows[0] if rows else ("month", "state")) | {"month": show_month(first_open), "state": "open"}
    )
    print_rows(rows, as_json)


def show_row(window: Window, day_close_differences: int | None) -> dict[str, object]:
    return {
        "month": show_month(window.month),
        "state": window.state,
        "issued": window.issued,
        "recovered": window.recovered,
        "expired": window.expired,
        "outstanding": window.closing_outstanding,
        "closed_by": window.closed_by,
        "day_close_differences": day_close_differences,
    }


@window.command()
@click.argument("month")
@network_option
@json_option
@with_app
def close(month: str, network: str, as_json: bool) -> None:
    """Close MONTH (like 2026-11) and publish what each store issued and recovered.

    Months close in turn. Run it again after an interruption: it goes on where it was.
    """
    tenant_id, day = find_network_id(network), parse_month(month)
    with err.status(f"closing {month}"):
        close_month(tenant_id, day, closed_by=f"command line: {getpass.getuser()}")
    print_window(tenant_id, day, as_json)


@window.command()
@click.argument("month")
@network_option
@json_option
@with_app
def show(month: str, network: str, as_json: bool) -> None:
    """Show a closed MONTH: its points, what was proven of them, its calendar and its states."""
    print_window(find_network_id(network), parse_month(month), as_json)


def print_window(tenant_id: UUID, month: date, as_json: bool) -> None:
    shown = show_closed_window(tenant_id, month)
    if as_json:
        print_fields(shown, as_json)
        return
    identities, changes = shown.pop("identities"), shown.pop("changes")
    print_fields(shown, as_json)
    print_identities(identities_of(identities))
    print_rows(changes, as_json, "What happened")
