"""The main job on a year of real retail data: purchases become points, months close, stores settle.

Safe to run again: what is in the ledger stays, and what a run that was interrupted left out is done.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from uuid import UUID

from flask import current_app

from clearinghouse.imports.service import import_purchases
from clearinghouse.networks.service import open_network
from clearinghouse.networks.setup import set_up_database
from clearinghouse.programme.rules import Terms
from settlement.approvals.service import approve
from settlement.demo import dataset
from settlement.demo.payments import name_accounts, pay_month
from settlement.proposals.service import list_settlements, propose
from settlement.proposals.tables import Settlement
from settlement.states.rules import FINAL, PROPOSED, SETTLED
from settlement.windows.service import close_month, find_window, list_windows
from settlement.windows.tables import Window
from tenants.foundation.errors import IntegrityFailure
from tenants.foundation.months import parse_month
from tenants.members.service import create_members_with_cards
from tenants.networks.service import NewNetwork, list_networks
from tenants.staff.rules import APPROVER, PREPARER, TREASURER
from tenants.staff.service import act_as, create_staff, list_staff
from tenants.stores.service import create_stores

NETWORK = NewNetwork(
    code="demo",
    name="Complete Journey Grocers",
    time_zone=dataset.TIME_ZONE,
    currency="USD",
    funding_rate=Decimal(1),
    redemption_rate=Decimal(1),
    opened_on=date(2017, 1, 1),
)
# 1 point for each whole dollar, 100 points pay for one dollar.
PROGRAMME = Terms(base_rate=Decimal(1), redemption_value=Decimal(100), expiry_policy="P6M")
PREPARER_CODE, APPROVER_CODE, TREASURER_CODE = "ana", "ben", "tess"
PEOPLE = (
    (PREPARER_CODE, "Ana Prieto", PREPARER),
    (APPROVER_CODE, "Ben Abara", APPROVER),
    (TREASURER_CODE, "Tess Lin", TREASURER),
)


def prepare_demo() -> tuple[UUID, dict[date, Path], int]:
    """The network, each month's file of purchases, and the number of purchases."""
    set_up_database()
    baskets = dataset.load_baskets()
    existing = {code: tenant_id for tenant_id, code in list_networks()}
    tenant_id = existing.get(NETWORK.code) or open_network(NETWORK, PROGRAMME)[0]
    create_stores(tenant_id, dataset.stores(baskets))
    create_members_with_cards(tenant_id, dataset.households(baskets))
    add_people(tenant_id)
    name_accounts(tenant_id)
    folder: Path = current_app.config["SETTINGS"].var / "demo"
    files = {parse_month(month): path for month, path in dataset.write_purchases(baskets, folder).items()}
    return tenant_id, files, baskets.num_rows


def run_month(tenant_id: UUID, month: date, purchases: Path, on_progress: Callable[[int], None]) -> None:
    """Import a month's purchases, close it, settle it; what an interrupted run has done of that is not done again."""
    report = import_purchases(tenant_id, purchases, since=None, redeem_up_to_available=True, on_progress=on_progress)
    if report.rejected:
        raise IntegrityFailure(
            f"{report.rejected} purchases were rejected; {report.rejected_path} says why.", code="demo_rejected"
        )
    window = find_window(tenant_id, month)
    if window is None or window.published_at is None:
        close_month(tenant_id, month, closed_by="demo")
    settle_month(tenant_id, month)


def settle_month(tenant_id: UUID, month: date) -> None:
    """Three people: one proposes, another approves, the third pays."""
    if not is_approved(tenant_id, month):
        if not proposed_versions(tenant_id, month):
            propose(tenant_id, month, act_as(tenant_id, PREPARER_CODE))
        approve(tenant_id, month, act_as(tenant_id, APPROVER_CODE))
    pay_month(tenant_id, month, act_as(tenant_id, TREASURER_CODE))


def proposed_versions(tenant_id: UUID, month: date) -> list[Settlement]:
    return [settlement for settlement in list_settlements(tenant_id, month) if settlement.state == PROPOSED]


def is_approved(tenant_id: UUID, month: date) -> bool:
    return any(settlement.state in FINAL for settlement in list_settlements(tenant_id, month))


def is_settled(tenant_id: UUID, month: date) -> bool:
    return any(settlement.state == SETTLED for settlement in list_settlements(tenant_id, month))


def closed_windows(tenant_id: UUID) -> list[Window]:
    return list_windows(tenant_id)[0]


def add_people(tenant_id: UUID) -> None:
    known = {person.code for person, _ in list_staff(tenant_id)}
    for code, name, role in PEOPLE:
        if code not in known:
            create_staff(tenant_id, code, name, [role])
