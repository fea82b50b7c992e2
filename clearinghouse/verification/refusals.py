"""What a till is told of whoever may not redeem: HTTP status and a sentence that says what to do."""

from __future__ import annotations

from tenants.foundation.errors import ClearinghouseError, Conflict, Forbidden

VERIFICATION_REFUSALS: dict[str, tuple[type[ClearinghouseError], str]] = {
    "code_required": (
        Forbidden,
        "So much is redeemed only with a one-time code: scan the code of the wallet on the member's phone.",
    ),
    "code_wrong": (
        Forbidden,
        "This code is not right now: scan the code that the member's phone shows at this moment. "
        "If it is refused again, let the phone set its clock by the network.",
    ),
    "code_used": (Conflict, "This code has been used: wait for the next one, at most 30 seconds, and scan that."),
    "code_locked": (
        Forbidden,
        "Too many wrong codes: no code of this member is accepted until locked_until, "
        "unless head office gives the member a new wallet.",
    ),
    "pin_required": (Forbidden, "So much is redeemed only with a PIN: ask the member to enter it."),
    "pin_wrong": (
        Forbidden,
        "The PIN is wrong: ask the member to enter it again; tries_left says how often until it is locked.",
    ),
    "pin_locked": (
        Forbidden,
        "The PIN is locked after three wrong tries: the member should call head office; "
        "a code of the wallet on the phone is accepted instead.",
    ),
    "pin_not_set": (
        Forbidden,
        "The member has no PIN yet: let the member set one here, or scan the code of the wallet on the phone.",
    ),
    "current_pin_required": (Forbidden, "The member has a PIN already: send it as current_pin to change it."),
}
