"""What a basket would earn and how much of it points may pay, now. Nothing is written."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from clearinghouse.ledger.queries import Balance
from clearinghouse.pos.balances import card_balance
from clearinghouse.pos.refusals import refusal
from clearinghouse.programme.rules import Programme
from tenants.members.service import ACTIVE


def usable_balance(tenant_id: UUID, card: str, on_date: date) -> Balance:
    """Raises the refusal that a posting with this card would get."""
    found = card_balance(tenant_id, card, on_date)
    if found.status != ACTIVE:
        raise refusal(f"card_{found.status}", None)
    return found.balance


def redeemable(programme: Programme, bill: int, points: Balance) -> tuple[int, int]:
    """(points, minor units that they pay for)."""
    most = programme.maximum_points(bill, points.available)
    return most, programme.amount_redeemed(most)
