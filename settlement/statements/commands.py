from __future__ import annotations

import click

from settlement.languages.commands import language_option
from settlement.statements.advices import render_advice
from settlement.statements.items import render_items
from settlement.statements.service import load_settlement, render_statements
from settlement.statements.show import print_settlement
from settlement.windows.service import count_day_close_differences
from tenants.foundation.console import json_option, network_option, print_rows, progress, with_app
from tenants.foundation.months import parse_month
from tenants.networks.service import find_network_id

month_option = click.option("--month", "-m", required=True, help="A closed month, like 2026-11.")


@click.group()
def settlement() -> None:
    """Settlements: what closed months come to in money. Propose, check, approve; write statements."""


@settlement.command()
@network_option
@month_option
@json_option
@with_app
def show(network: str, month: str, as_json: bool) -> None:
    """Show totals, identities and the largest payers and receivers (--json: every position)."""
    tenant_id, day = find_network_id(network), parse_month(month)
    document = load_settlement(tenant_id, day)
    print_settlement(document, count_day_close_differences(tenant_id, day), as_json)


@settlement.command()
@network_option
@month_option
@click.option("--store", "stores", multiple=True, help="Code of a store; repeatable.  [default: all stores]")
@click.option("--version", type=int, help="[default: the one that is not rejected]")
@language_option
@json_option
@with_app
def statement(
    network: str, month: str, stores: tuple[str, ...], version: int | None, language: str, as_json: bool
) -> None:
    """Write the PDF statement of each store."""
    document = load_settlement(find_network_id(network), parse_month(month), version)
    codes = set(stores) or {line.store_code for line in document.stores}
    with progress("statements", len(codes)) as advance:
        paths = render_statements(document, codes, advance, language)
    print_rows([{"file": str(path)} for path in paths], as_json)


@settlement.command()
@network_option
@month_option
@click.option(
    "--store", "stores", multiple=True, help="Code of a store; repeatable.  [default: all that pay or are paid]"
)
@language_option
@json_option
@with_app
def advice(network: str, month: str, stores: tuple[str, ...], language: str, as_json: bool) -> None:
    """Write the remittance advice of each store, once the month is approved."""
    tenant_id, day = find_network_id(network), parse_month(month)
    codes = stores or [line.store_code for line in load_settlement(tenant_id, day).stores if line.position.net]
    with progress("remittance advices", len(codes)) as advance:
        paths = []
        for code in codes:
            paths.append(render_advice(tenant_id, day, code, language))
            advance(1)
    print_rows([{"file": str(path)} for path in paths], as_json)


@settlement.command()
@network_option
@month_option
@click.option("--store", required=True, help="Code of the store.")
@json_option
@with_app
def items(network: str, month: str, store: str, as_json: bool) -> None:
    """Write every transfer behind a store's statement as CSV, with what it comes to."""
    path = render_items(find_network_id(network), parse_month(month), store)
    print_rows([{"file": str(path)}], as_json)
