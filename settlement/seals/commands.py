"""`clearinghouse window seal`."""

from __future__ import annotations

import click

from settlement.seals.service import list_seals, prove_store
from settlement.seals.show import show_seals, show_store_proof
from tenants.foundation.console import json_option, network_option, out, print_fields, print_rows, with_app
from tenants.foundation.months import parse_month
from tenants.networks.service import find_network_id


@click.command()
@click.argument("month")
@network_option
@click.option("--store", help="Prove that the root holds all transfers of this store (HQ: those of none).")
@json_option
@with_app
def seal(month: str, network: str, store: str | None, as_json: bool) -> None:
    """Show what the transfers of a closed MONTH hash to, store by store, and the root over all."""
    tenant_id, day = find_network_id(network), parse_month(month)
    if store is not None:
        print_fields(show_store_proof(prove_store(tenant_id, day, store)), as_json)
        return
    shown = show_seals(list_seals(tenant_id, day))
    if as_json:
        print_fields(shown, as_json)
        return
    print_rows(shown["stores"], as_json)
    out.print(f"root {shown['root']}", soft_wrap=True)
