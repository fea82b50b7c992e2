from __future__ import annotations

import getpass

import click

from settlement.statements.service import load_settlement
from settlement.statements.show import print_settlement
from settlement.windows.service import (
    close_month,
    count_day_close_differences,
    day_close_differences_of,
    list_windows,
)
from settlement.windows.tables import Window
from tenants.foundation.console import err, json_option, network_option, print_rows, with_app
from tenants.foundation.months import parse_month, show_month
from tenants.networks.service import find_network_id


@click.group()
def window() -> None:
    """Settlement windows: list them, close a month."""


@window.command("list")
@network_option
@json_option
@with_app
def list_command(network: str, as_json: bool) -> None:
    """List the closed months and the first open one."""
    tenant_id = find_network_id(network)
    windows, first_open = list_windows(tenant_id)
    differences = day_close_differences_of(tenant_id, windows)
    rows = [show_window(w, differences.get(w.month)) for w in windows]
    rows.append(
        dict.fromkeys(rows[0] if rows else ("month", "state")) | {"month": show_month(first_open), "state": "open"}
    )
    print_rows(rows, as_json)


def show_window(window: Window, day_close_differences: int | None) -> dict[str, object]:
    return {
        "month": show_month(window.month),
        "state": "published" if window.published_at else "closed",
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
    """Close MONTH (like 2026-11), net it and publish what each store remits or receives.

    Months close in turn. Run it again after an interruption: it goes on where it was.
    """
    tenant_id, day = find_network_id(network), parse_month(month)
    with err.status(f"closing {month}"):
        close_month(tenant_id, day, closed_by=f"command line: {getpass.getuser()}")
    print_settlement(load_settlement(tenant_id, day), count_day_close_differences(tenant_id, day), as_json)
