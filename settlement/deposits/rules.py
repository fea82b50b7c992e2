"""What stores lodge with head office against what they will owe."""

from __future__ import annotations

from tenants.foundation.errors import Conflict, InvalidInput

LODGED, RETURNED, USED = "lodged", "returned", "used"
KINDS = (LODGED, RETURNED, USED)

AMOUNT_MAX = 2**53


def check_amount(amount: int) -> None:
    if not 0 < amount <= AMOUNT_MAX:
        raise InvalidInput(f"An amount is 1 to {AMOUNT_MAX} minor units.", code="invalid_amount")


def signed(kind: str, amount: int) -> int:
    return amount if kind == LODGED else -amount


def balance_after(balance: int, change: int) -> int:
    """Raises `Conflict`: a store can't take out or use more than it has lodged."""
    if balance + change < 0:
        raise Conflict(
            f"The store has lodged {balance}: {-change - balance} too little.",
            code="deposit_insufficient",
            balance=balance,
            missing=-change - balance,
        )
    return balance + change
