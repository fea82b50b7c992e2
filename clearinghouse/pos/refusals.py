"""What the ledger's refusals mean for a till: HTTP status and a sentence that says what to do."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from tenants.foundation import clock, ids
from tenants.foundation.errors import ClearinghouseError, Conflict, Forbidden, InvalidInput, NotFound

REFUSALS: dict[str, tuple[type[ClearinghouseError], str]] = {
    "idempotency_key_reused": (
        Conflict,
        "This Idempotency-Key was used for another request; use a new key for each new event.",
    ),
    "card_unknown": (NotFound, "There is no such card in this network."),
    "payment_token_unknown": (
        NotFound,
        "No member has bound this payment card; ask for the loyalty card.",
    ),
    "transfer_unknown": (NotFound, "There is no such transfer in this network."),
    "store_unknown": (NotFound, "There is no such store in this network."),
    "wrong_currency": (InvalidInput, "This network settles in another currency."),
    "occurred_at_in_future": (
        InvalidInput,
        "occurred_at lies in the future; now is the time here.",
    ),
    "occurred_at_too_old": (
        InvalidInput,
        "occurred_at is older than the network accepts; head office can import it.",
    ),
    "order_already_posted": (
        Conflict,
        "This store has posted this order_ref already; transfer_id names the earlier transfer.",
    ),
    "card_blocked": (Forbidden, "This card is blocked; the member should call head office."),
    "card_replaced": (Forbidden, "This card has been replaced; ask the member for the new one."),
    "not_reversible": (Conflict, "Only accruals and redemptions can be reversed."),
    "already_reversed": (
        Conflict,
        "This transfer has been reversed already; transfer_id names the reversal.",
    ),
    "insufficient_points": (Conflict, "The member has too few points; missing says how many."),
    "nothing_to_redeem": (Conflict, "The member has no points to redeem."),
    "not_postable": (InvalidInput, "This event can't be posted; it has been logged. Ask head office."),
    "nothing_to_expire": (InvalidInput, "Nothing is left to expire."),
}


def refusal(code: str | None, detail: dict[str, Any] | None) -> ClearinghouseError:
    assert code is not None
    kind, message = REFUSALS[code]
    members = dict(detail or {})
    if "transfer_id" in members:
        members["transfer_id"] = ids.show(ids.TRANSFER, UUID(members["transfer_id"]))
    if code == "occurred_at_in_future":
        members["now"] = clock.now().isoformat(timespec="seconds")
    return kind(message, code=code, **members)
