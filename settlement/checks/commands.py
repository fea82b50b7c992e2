"""`clearinghouse ledger check` and `clearinghouse settlement check`."""

from __future__ import annotations

import sys

import click

from clearinghouse.audit.checks import check_audit_log
from clearinghouse.ledger.checks import check_ledger, count_checked
from settlement.checks.schemas import FINDINGS_SHOWN, FINDINGS_SHOWN_MAX
from settlement.checks.service import check_month, check_settlement
from settlement.checks.show import print_checks, show_checks
from settlement.statements.commands import month_option
from tenants.foundation.console import err, json_option, network_option, out, print_fields, print_rows, with_app
from tenants.foundation.months import parse_month
from tenants.networks.service import find_network_id


@click.group()
def ledger() -> None:
    """The books: check that they are right."""


@ledger.command()
@network_option
@json_option
@with_app
def check(network: str, as_json: bool) -> None:
    """Recompute wallets, lots, chains, the matrix, every published and every approved month from the postings.

    Recomputes the chain of the audit log as well. Names every difference and exits with status 1 if there is one.
    """
    tenant_id = find_network_id(network)
    with err.status("checking"):
        counts = count_checked(tenant_id)
        found = [*check_ledger(tenant_id), *check_settlement(tenant_id), *check_audit_log(tenant_id)]
        # A month that is away keeps both of them from checking.
        findings = list(dict.fromkeys(found))
    if findings or as_json:
        print_rows([vars(finding) for finding in findings], as_json, "Differences")
    if not as_json:
        told = ", ".join(f"{count:,} {table}" for table, count in counts.items())
        out.print(f"{len(findings)} differences in {told}")
    if findings:
        sys.exit(1)


@click.command("check")
@network_option
@month_option
@click.option(
    "--limit",
    type=click.IntRange(0, FINDINGS_SHOWN_MAX),
    default=FINDINGS_SHOWN,
    show_default=True,
    help="Findings shown of each check.",
)
@json_option
@with_app
def check_of_month(network: str, month: str, limit: int, as_json: bool) -> None:
    """Run every check that an approval runs; exits with status 1 while one is red."""
    with err.status(f"checking {month}"):
        checked, results = check_month(find_network_id(network), parse_month(month))
    shown = show_checks(checked, results, limit)
    if as_json:
        print_fields(shown, as_json)
    else:
        print_checks(shown)
    if not shown["all_green"]:
        sys.exit(1)
