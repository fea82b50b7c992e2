"""`clearinghouse settlement verify`."""

from __future__ import annotations

import json
import sys

import click

from settlement.proofs.service import prove_all, prove_month
from settlement.proofs.show import print_proof, show_proofs
from tenants.foundation.console import err, json_option, network_option, with_app
from tenants.foundation.months import parse_month
from tenants.networks.service import find_network_id


@click.command()
@network_option
@click.option("--month", "-m", help="An approved month, like 2026-11.")
@click.option("--all", "every", is_flag=True, help="Every approved month.")
@json_option
@with_app
def verify(network: str, month: str | None, every: bool, as_json: bool) -> None:
    """Derive an approved month from the postings again and compare it, byte for byte.

    Names the lines that only one of the two has, and exits with status 1 if there is one.
    """
    if (month is None) != every:
        raise click.UsageError("Name a month with --month, or say --all.")
    tenant_id = find_network_id(network)
    with err.status("deriving"):
        proofs = prove_all(tenant_id) if month is None else [prove_month(tenant_id, parse_month(month))]
    shown = show_proofs(tenant_id, proofs)
    if as_json:
        click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
    else:
        for each in shown:
            print_proof(each)
    if not all(proof.holds for proof in proofs):
        sys.exit(1)
