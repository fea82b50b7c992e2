"""What has to be true once the dust has settled: every answer that a till got is in the ledger, once, and nothing
else is."""

from __future__ import annotations

from collections import Counter, defaultdict

from sqlalchemy import text

from clearinghouse.ledger.checks import check_ledger
from settlement.checks.service import check_settlement
from tenants.foundation import ids
from tenants.foundation.database import unit_of_work
from tests.crash.driver import Driver, Event
from tests.crash.installation import Installation

# How a transfer changes what its member can redeem, by what the ledger calls it; a capture releases what it leaves.
SIGNS = {"accrual": 1, "redemption": -1, "hold": -1, "void": 1, "accrual_reversal": -1, "redemption_reversal": 1}


def find_losses(driver: Driver, installation: Installation) -> list[str]:
    """Each names the transfer, the key, and what the driver saw. Tills must have nothing left to send."""
    found = list(driver.wrong)
    found += compare_with_ledger(driver)
    found += driver.ask_all_again()
    found += compare_balances(driver)
    found += [str(finding) for finding in check_ledger(driver.network.tenant_id)]
    found += [str(finding) for finding in check_settlement(driver.network.tenant_id)]
    return found


def compare_with_ledger(driver: Driver) -> list[str]:
    with unit_of_work(driver.network.tenant_id) as session:
        rows = session.execute(
            text("SELECT idempotency_key, transfer_id FROM ledger.transfers WHERE idempotency_key IS NOT NULL")
        ).all()
    posted: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        posted[row.idempotency_key].append(ids.show(ids.TRANSFER, row.transfer_id))
    events = {event.key: event for event in driver.events}
    found = [f"{key} is nobody's, and in the ledger as {transfers}" for key, transfers in posted.items()
             if key not in events]  # fmt: skip
    for key, event in events.items():
        expected = [event.transfer["transfer_id"]] if event.transfer else []
        if posted.get(key, []) != expected:
            found.append(f"the ledger has {posted.get(key, [])} of {event.told()}")
    return found


def compare_balances(driver: Driver) -> list[str]:
    available, held = Counter[str](), Counter[str]()
    for event in driver.events:
        if event.transfer:
            points, change = effect_of(event)
            available[event.card] += points
            held[event.card] += change
    found = []
    for card, told in driver.balances().items():
        if (told["available"], told["held"], told["deficit"]) != (available[card], held[card], 0):
            found.append(f"{card} has {told}, and by the tills' books {available[card]} and {held[card]} held")
    return found


def effect_of(event: Event) -> tuple[int, int]:
    """On what is available, and on what is held."""
    assert event.transfer is not None
    points = int(event.transfer["points"])
    if event.kind == "hold":
        return -points, points
    if event.hold is None:
        return SIGNS[event.transfer["kind"]] * points, 0
    assert event.hold.transfer is not None
    whole = int(event.hold.transfer["points"])
    return whole - (points if event.kind == "capture" else 0), -whole
