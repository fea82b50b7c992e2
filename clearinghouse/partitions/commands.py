"""`clearinghouse partition`."""

from __future__ import annotations

import click

from clearinghouse.partitions.service import attach_month, detach_month, list_partitions
from tenants.audit.service import record_act
from tenants.foundation import ids
from tenants.foundation.console import err, json_option, print_fields, print_rows, with_app
from tenants.foundation.months import parse_month, show_month


@click.group()
def partition() -> None:
    """The monthly partitions of the ledger. The scheduler makes them a year ahead."""


@partition.command("list")
@json_option
@with_app
def list_all(as_json: bool) -> None:
    """List the months, their sizes, how many networks may still post into each, and whether it is attached."""
    rows = [
        {
            "month": show_month(each.month),
            "rows": each.rows,
            "bytes": each.bytes,
            "open_in": each.open_in,
            "attached": each.attached,
        }
        for each in list_partitions()
    ]
    print_rows(rows, as_json)


@partition.command()
@click.argument("month")
@json_option
@with_app
def detach(month: str, as_json: bool) -> None:
    """Take an old MONTH, like 2024-01, out of the way.

    Its table stays where it is, to be dumped and dropped. Until it is attached again, what has to read it refuses.
    """
    change(month, detach_month(parse_month(month)), "detached", as_json)


@partition.command()
@click.argument("month")
@json_option
@with_app
def attach(month: str, as_json: bool) -> None:
    """Put a MONTH back, after the hash of each of its transfers has been computed again from its lines."""
    with err.status(f"checking {month}"):
        table = attach_month(parse_month(month))
    change(month, table, "attached", as_json)


def change(month: str, table: str, done: str, as_json: bool) -> None:
    record_act(ids.INSTALLATION, ("partition", month))
    print_fields({"month": month, "table": f"ledger.{table}", "is": done}, as_json)
