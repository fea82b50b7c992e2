"""The one payment of a store: who pays, how banks name it, when nothing more is expected of it.

A collection is paid by the store to head office (its leg is positive), a payout the other way.
"""

from __future__ import annotations

from uuid import UUID

from settlement.states.rules import CARRIED, CONFIRMED, FAILED
from tenants.foundation import ids
from tenants.foundation.errors import InvalidInput

COLLECTION, PAYOUT = "collection", "payout"

# Nothing more happens to these by itself: a failed leg is a receivable until somebody decides.
DONE = (CONFIRMED, FAILED, CARRIED)


def direction_of(amount: int) -> str:
    return COLLECTION if amount > 0 else PAYOUT


def end_to_end_id(leg_id: UUID) -> str:
    """The leg's id in characters that every bank lets through: 30 of the 35 that there may be."""
    return ids.show(ids.LEG, leg_id).replace("_", "-")


def leg_of(text: str) -> UUID | None:
    """The leg that an EndToEndId names; None for what is no id of ours. Some banks write capitals."""
    prefix, dash, body = text.strip().lower().partition("-")
    if prefix != ids.LEG or not dash:
        return None
    try:
        return ids.parse(ids.LEG, f"{prefix}_{body}")
    except InvalidInput:
        return None
