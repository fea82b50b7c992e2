"""A closed month as others see it: in JSON and on the console."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any
from uuid import UUID

from settlement.netting.rules import Identity
from settlement.states.service import history
from settlement.states.tables import StateChange
from settlement.windows.service import count_day_close_differences, get_window, identities_of
from settlement.windows.tables import Window
from tenants.foundation.console import out
from tenants.foundation.database import unit_of_work
from tenants.foundation.months import show_month

POINTS = ("issued", "recovered", "expired", "borne", "opening_outstanding", "closing_outstanding")


def show_window(window: Window, day_close_differences: int | None) -> dict[str, Any]:
    return {
        "month": show_month(window.month),
        "state": window.state,
        "closed_at": window.closed_at.isoformat(),
        "closed_by": window.closed_by,
        "published_at": window.published_at.isoformat() if window.published_at else None,
        "dispute_until": window.dispute_until.isoformat(),
        "approve_by": window.approve_by.isoformat(),
        "collect_on": window.collect_on.isoformat(),
        "pay_on": window.pay_on.isoformat(),
        "day_close_differences": day_close_differences,
    }


def show_closed_window(tenant_id: UUID, month: date) -> dict[str, Any]:
    window = get_window(tenant_id, month)
    differences = count_day_close_differences(tenant_id, month)
    with unit_of_work(tenant_id) as session:
        changes = [show_change(change) for change in history(session, window.window_id)]
    return {
        **show_window(window, differences),
        **{name: getattr(window, name) for name in POINTS},
        "identities": [show_identity(identity) for identity in identities_of(window.identities)],
        "merkle_root": window.merkle_root and window.merkle_root.hex(),
        "changes": changes,
    }


def show_change(change: StateChange) -> dict[str, str]:
    return {
        "from_state": change.from_state,
        "to_state": change.to_state,
        "changed_by": change.changed_by,
        "changed_at": change.changed_at.isoformat(timespec="seconds"),
        "reason": change.reason,
    }


def show_identity(identity: Identity) -> dict[str, Any]:
    return {
        "name": identity.name,
        "left": str(identity.left),
        "right": str(identity.right),
        "holds": identity.holds,
    }


def print_identities(identities: Iterable[Identity]) -> None:
    for identity in identities:
        mark = "[green]holds[/green]" if identity.holds else "[red]FAILS[/red]"
        sign = "=" if identity.holds else "is not"
        sides = f"{identity.left.normalize():,f} {sign} {identity.right.normalize():,f}"
        out.print(f"{mark}  {identity.name}: {sides}", soft_wrap=True)
