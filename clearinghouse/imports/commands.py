from __future__ import annotations

import sys
from contextlib import closing
from datetime import date
from pathlib import Path

import click

from clearinghouse.imports.readers import open_source
from clearinghouse.imports.service import import_purchases
from tenants.foundation.console import json_option, network_option, print_fields, progress, with_app
from tenants.foundation.errors import InvalidInput
from tenants.networks.service import find_network_id

SOME_REJECTED = 2


@click.group("import")
def import_() -> None:
    """Post what other systems have recorded."""


@import_.command("purchases")
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@network_option
@click.option("--since", metavar="DATE", help="Reject rows before this day.  [default: the day the network opened]")
@click.option(
    "--redeem-up-to-available",
    is_flag=True,
    help="When a member has fewer points than a row redeems, redeem those; none at all is no error.",
)
@json_option
@with_app
def purchases(path: Path, network: str, since: str | None, redeem_up_to_available: bool, as_json: bool) -> None:
    """Post the purchases of FILE, a CSV (UTF-8, commas) or Parquet file.

    \b
    Columns, in any order:
      order_ref      the store's number for the purchase, 1 to 64 characters
      store          code of the store
      card           card number
      occurred_at    ISO 8601 date and time with UTC offset, or a timestamp; without offset it is
                     local time of the network, the first of the two when the clocks went back;
                     a local time that the clocks skipped is rejected
      amount         what was paid, integer, in MINOR UNITS of the currency (cents)
      redeem_points  points redeemed before the purchase earns any; empty or left out: none

    Rows of a member are posted in the order of the file. A purchase is posted even if its redemption is
    refused. Rows that are not (wholly) posted go to FILE.rejected.csv with line number and reason. It is safe
    to run again, after a crash too: what is in the ledger is not posted twice.

    Exit status: 0 every row is in the ledger, 1 FILE can't be used or the import broke off, 2 rows were
    rejected.
    """
    tenant_id = find_network_id(network)
    first_day = parse_day(since) if since else None
    with closing(open_source(path)) as source:
        total = source.total
    with progress("importing", total) as advance:
        report = import_purchases(
            tenant_id,
            path,
            since=first_day,
            redeem_up_to_available=redeem_up_to_available,
            on_progress=advance,
        )
    print_fields(vars(report), as_json)
    if report.rejected:
        sys.exit(SOME_REJECTED)


def parse_day(text: str) -> date:
    """Not an option type of click, whose errors exit with 2."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidInput(
            f"--since {text!r} is not a date: write it like 2026-11-21.", code="invalid_date"
        ) from None
