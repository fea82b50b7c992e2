from __future__ import annotations

import time
from datetime import date
from pathlib import Path
from uuid import UUID

import click

from settlement.demo.service import NETWORK, closed_windows, is_settled, prepare_demo, run_month
from settlement.reports.exports import render_exports
from settlement.statements.documents import SettlementDocument
from settlement.statements.service import load_settlement, output_folder, render_statements
from settlement.statements.show import print_settlement
from settlement.valuation.assumptions import Assumptions
from settlement.valuation.service import export_valuation, value_month
from settlement.valuation.show import print_cohorts
from settlement.windows.service import count_day_close_differences
from settlement.windows.tables import Window
from tenants.foundation.console import err, out, print_rows, progress, with_app
from tenants.foundation.months import show_month

NEXT = """[bold]Next[/bold]
  make serve                                                  serve the API; http://127.0.0.1:8080/docs/
  .venv/bin/clearinghouse window list -n demo                 every month
  .venv/bin/clearinghouse settlement show -n demo -m {month}  this settlement again
  .venv/bin/clearinghouse valuation show -n demo              what the points will cost
  .venv/bin/clearinghouse ledger check -n demo                recompute everything
  .venv/bin/clearinghouse --help                              all commands"""


@click.command()
@with_app
def demo() -> None:
    """Run the main job on a year of real retail data."""
    with err.status("Preparing: 1,469,307 lines of real purchases"):
        tenant_id, files, purchases = prepare_demo()
    run_year(tenant_id, files, purchases)
    windows = closed_windows(tenant_id)
    print_rows([show_month_row(window) for window in windows], False, "Twelve months, in points")
    document = load_settlement(tenant_id, windows[-1].month)
    render_documents(document)
    out.print()
    print_settlement(document, count_day_close_differences(tenant_id, document.month), False)
    out.print()
    print_cohorts(value_month(tenant_id, document.month, Assumptions()))
    export_valuation(tenant_id, document.month, Assumptions())
    out.print()
    print_files(document)
    out.print(NEXT.format(month=show_month(document.month)), soft_wrap=True)


def run_year(tenant_id: UUID, files: dict[date, Path], purchases: int) -> None:
    started = time.monotonic()
    todo = {month: path for month, path in files.items() if not is_settled(tenant_id, month)}
    if not todo:
        out.print("The year is in the ledger already.")
        return
    with progress("purchases through the ledger, months closing in turn", purchases) as advance:
        for month, path in todo.items():
            run_month(tenant_id, month, path, advance)
    out.print(f"{purchases:,} purchases of twelve months, in {time.monotonic() - started:.0f} s")


def show_month_row(window: Window) -> dict[str, object]:
    return {
        "month": show_month(window.month),
        "issued": window.issued,
        "recovered": window.recovered,
        "expired": window.expired,
        "outstanding": window.closing_outstanding,
    }


def render_documents(document: SettlementDocument) -> None:
    codes = {line.store_code for line in document.stores}
    with progress(f"statements of {show_month(document.month)}", len(codes)) as advance:
        render_statements(document, codes, advance)
    render_exports(document)


def print_files(document: SettlementDocument) -> None:
    folder = output_folder(NETWORK.code, document.month)
    out.print("[bold]Files[/bold]")
    for name in ("settlement.xlsx", "positions.csv", "flows.csv", "valuation.pdf", "valuation.xlsx", "statements/"):
        out.print(f"  {folder / name}", soft_wrap=True)
