"""Legs as they are answered and as `--json` prints them."""

from __future__ import annotations

from typing import Any

from clearinghouse.directory.service import show_moment
from settlement.legs.queries import ShownLeg
from settlement.legs.rules import direction_of, end_to_end_id
from tenants.foundation import ids
from tenants.foundation.months import show_month


def show_leg(row: ShownLeg) -> dict[str, Any]:
    """`amount` is in minor units and has the leg's sign; what happened to it last is `reason`, by whom and when."""
    leg, change = row.leg, row.change
    return {
        "leg_id": ids.show(ids.LEG, leg.leg_id),
        "end_to_end_id": end_to_end_id(leg.leg_id),
        "store": row.store_code,
        "month": show_month(row.month),
        "direction": direction_of(leg.amount),
        "amount": leg.amount,
        "due_on": leg.due_on.isoformat(),
        "state": leg.state,
        "reason": change.reason,
        "changed_by": change.changed_by,
        "changed_at": show_moment(change.changed_at),
    }
