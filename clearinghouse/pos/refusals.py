"""What the ledger's refusals mean for a till: HTTP status and a sentence that says what to do."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from clearinghouse.verification.refusals import VERIFICATION_REFUSALS
from tenants.foundation import clock, ids
from tenants.foundation.errors import ClearinghouseError, Conflict, Forbidden, InvalidInput, NotFound

REFUSALS: dict[str, tuple[type[ClearinghouseError], str]] = {
    **VERIFICATION_REFUSALS,
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
    "same_member": (InvalidInput, "A member can't be merged into itself."),
    "member_unknown": (NotFound, "There is no such member in this network."),
    "member_merged": (Conflict, "One of the two has been merged into another member already; name that one."),
    "member_has_holds": (Conflict, "The member has points on hold; capture or void the holds first, or wait."),
    "order_already_posted": (
        Conflict,
        "This store has posted this order_ref already; transfer_id names the earlier transfer.",
    ),
    "issuing_blocked": (
        Forbidden,
        "This store may issue no points at present; sell without points, and have the store ask head office.",
    ),
    "card_blocked": (Forbidden, "This card is blocked; the member should call head office."),
    "card_replaced": (Forbidden, "This card has been replaced; ask the member for the new one."),
    "hold_unknown": (NotFound, "There is no such hold in this network."),
    "hold_captured": (Conflict, "This hold has been captured already; transfer_id names the capture."),
    "hold_voided": (Conflict, "This hold has been voided; place a new one."),
    "hold_expired": (Conflict, "This hold has expired and its points were released; place a new one."),
    "more_than_held": (Conflict, "The hold is for less: points_held and amount_held say how much."),
    "several_transfers": (
        Conflict,
        "This order earned and redeemed points: name original_kind, or one of these transfers.",
    ),
    "not_reversible": (Conflict, "Only accruals, redemptions and captures can be reversed."),
    "more_than_left": (
        Conflict,
        "More than what has not been reversed yet; points_left and amount_left say how much that is.",
    ),
    "line_unknown": (Conflict, "The purchase was posted without this line; reverse by amount instead."),
    "already_reversed": (
        Conflict,
        "This transfer has been reversed already; transfer_id names the reversal.",
    ),
    "month_detached": (
        Conflict,
        "Head office has put the original's month away, and can bring it back: send the same request again then.",
    ),
    "insufficient_points": (Conflict, "The member has too few points; missing says how many."),
    "offline_limit_exceeded": (
        Conflict,
        "The member has too few points, and this is more than what an offline redemption is good for.",
    ),
    "below_minimum": (InvalidInput, "Fewer points than the least that can be redeemed at once."),
    "not_in_steps": (InvalidInput, "Points are redeemed in multiples of step_points."),
    "bill_missing": (InvalidInput, "Send bill: points may pay for a share of it only."),
    "above_maximum_share": (InvalidInput, "More than points may pay of this bill; maximum_amount says how much."),
    "velocity_exceeded": (
        Forbidden,
        "Too many redemptions in a short time; the member can redeem again later, or ask head office.",
    ),
    "nothing_to_redeem": (Conflict, "The member has no points to redeem."),
    "not_postable": (InvalidInput, "This event can't be posted; it has been logged. Ask head office."),
    "nothing_to_expire": (InvalidInput, "Nothing is left to expire."),
}


def refusal(code: str | None, detail: dict[str, Any] | None) -> ClearinghouseError:
    assert code is not None
    kind, message = REFUSALS[code]
    members = dict(detail or {})
    for named in (members, *members.get("transfers", ())):
        if "transfer_id" in named:
            named["transfer_id"] = ids.show(ids.TRANSFER, UUID(named["transfer_id"]))
    if code == "occurred_at_in_future":
        members["now"] = clock.now().isoformat(timespec="seconds")
    return kind(message, code=code, **members)
