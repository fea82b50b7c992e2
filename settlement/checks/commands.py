from __future__ import annotations

import sys

import click

from clearinghouse.ledger.checks import check_ledger, count_checked
from settlement.checks.service import check_settlement
from tenants.foundation.console import err, json_option, network_option, out, print_rows, with_app
from tenants.networks.service import find_network_id


@click.group()
def ledger() -> None:
    """The books: check that they are right."""


@ledger.command()
@network_option
@json_option
@with_app
def check(network: str, as_json: bool) -> None:
    """Recompute wallets, lots, chains, the matrix and every published month from the postings.

    Names every difference and exits with status 1 if there is one.
    """
    tenant_id = find_network_id(network)
    with err.status("checking"):
        counts = count_checked(tenant_id)
        findings = [*check_ledger(tenant_id), *check_settlement(tenant_id)]
    if findings or as_json:
        print_rows([vars(finding) for finding in findings], as_json, "Differences")
    if not as_json:
        told = ", ".join(f"{count:,} {table}" for table, count in counts.items())
        out.print(f"{len(findings)} differences in {told}")
    if findings:
        sys.exit(1)
