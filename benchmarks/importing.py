"""(d) A year of purchases from files into a new network."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import date

from benchmarks.world import FILES, World, make_network
from clearinghouse.imports.service import import_purchases
from settlement.demo import dataset
from tenants.members.service import create_members_with_cards
from tenants.stores.service import create_stores

OPENED_ON = date(2017, 1, 1)


@dataclass(frozen=True)
class ImportRun:
    seconds: float
    rows: int
    transfers: int
    rejected: int


def measure_import(world: World) -> ImportRun:
    baskets = dataset.load_baskets()
    paths = dataset.write_purchases(baskets, FILES / "purchases")
    tenant_id = make_network(world, "importing", OPENED_ON, time_zone=dataset.TIME_ZONE, currency=dataset.CURRENCY)
    create_stores(tenant_id, dataset.stores(baskets))
    create_members_with_cards(tenant_id, dataset.households(baskets))
    start = time.perf_counter()
    reports = [
        import_purchases(tenant_id, path, since=None, redeem_up_to_available=True, on_progress=lambda steps: None)
        for path in paths.values()
    ]
    seconds = time.perf_counter() - start
    return ImportRun(
        seconds,
        rows=sum(report.rows for report in reports),
        transfers=sum(report.accruals_posted + report.redemptions_posted for report in reports),
        rejected=sum(report.rejected for report in reports),
    )
