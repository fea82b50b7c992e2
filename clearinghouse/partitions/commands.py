"""`clearinghouse partition`."""

from __future__ import annotations

import click

from clearinghouse.partitions.service import list_partitions
from tenants.foundation.console import json_option, print_rows, with_app
from tenants.foundation.months import show_month


@click.group()
def partition() -> None:
    """The monthly partitions of the ledger. The scheduler makes them a year ahead."""


@partition.command("list")
@json_option
@with_app
def list_all(as_json: bool) -> None:
    """List the months, their sizes, and how many networks may still post into each."""
    rows = [
        {"month": show_month(each.month), "rows": each.rows, "bytes": each.bytes, "open_in": each.open_in}
        for each in list_partitions()
    ]
    print_rows(rows, as_json)
