"""What a card's member has, for a till that asks: one call."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from clearinghouse.ledger.queries import Balance
from clearinghouse.pos.refusals import refusal
from tenants.foundation.calls import Statement, calls
from tenants.members.service import check_card_number

CARD_BALANCE = Statement("card_balance", "uuid, text, date", "SELECT * FROM ledger.card_balance($1, $2, $3)")


@dataclass(frozen=True)
class CardBalance:
    """`is_registered`: the network knows who holds the card."""

    status: str
    is_registered: bool
    balance: Balance


def card_balance(tenant_id: UUID, card: str, on_date: date) -> CardBalance:
    """Of any card of the network, blocked and replaced ones too. Raises a refusal for an unknown one."""
    check_card_number(card)
    rows = calls().call(CARD_BALANCE, str(tenant_id), card, on_date)
    if not rows:
        raise refusal("card_unknown", None)
    status, is_registered, *balance = rows[0]
    return CardBalance(status, is_registered, Balance(*balance))
