"""What a basket would earn and how much of it points may pay, now. Nothing is written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from clearinghouse.pos.refusals import refusal
from clearinghouse.programme.rules import Programme
from tenants.foundation.calls import Statement, calls
from tenants.members.service import ACTIVE

CARD_POINTS_NOW = Statement("card_points_now", "uuid, text, date", "SELECT * FROM ledger.card_points_now($1, $2, $3)")


@dataclass(frozen=True)
class CardPoints:
    """Points of the card's member: what can be redeemed, what is held, what is owed."""

    available: int
    held: int
    deficit: int


def card_points_now(tenant_id: UUID, card: str, on_date: date) -> CardPoints:
    """Raises the refusal that a posting with this card would get."""
    rows = calls().call(CARD_POINTS_NOW, str(tenant_id), card, on_date)
    if not rows:
        raise refusal("card_unknown", None)
    status, *points = rows[0]
    if status != ACTIVE:
        raise refusal(f"card_{status}", None)
    return CardPoints(*points)


def redeemable(programme: Programme, bill: int, points: CardPoints) -> tuple[int, int]:
    """(points, minor units that they pay for)."""
    most = programme.maximum_points(bill, points.available)
    return most, programme.amount_redeemed(most)
