from __future__ import annotations

from typing import Any

from clearinghouse.holds.service import PlacedHold
from tenants.foundation import ids


def show_hold(found: PlacedHold, currency: str) -> dict[str, Any]:
    """A hold as JSON, in the shape of `HoldAnswerSchema`."""
    hold, placed = found.hold, found.placed
    return {
        "hold_id": ids.show(ids.HOLD, hold.hold_id),
        "state": hold.state,
        "card": found.card_number,
        "store": found.store_code,
        "order_ref": placed.order_ref,
        "points": placed.points,
        "amount": placed.amount,
        "currency": currency,
        "expires_at": hold.expires_at.isoformat(),
        "resolved_by": ids.show(ids.TRANSFER, hold.resolved_by) if hold.resolved_by else None,
    }
