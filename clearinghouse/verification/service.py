"""The one question before a redemption: is it the member? And PINs and wallets as they are shown."""

from __future__ import annotations

from io import BytesIO
from typing import Any, NamedTuple
from uuid import UUID

import segno

from clearinghouse.directory.service import show_moment
from clearinghouse.pos.refusals import refusal
from tenants.foundation import clock, ids
from tenants.foundation.database import unit_of_work
from tenants.members.service import ACTIVE, find_card
from tenants.networks.service import get_network
from tenants.verification.rules import (
    ALGORITHM,
    CODE,
    CODE_DIGITS,
    NOTHING,
    PIN_TRIES,
    STEP,
    needed,
    provisioning_uri,
    show_secret,
)
from tenants.verification.service import (
    Refusal,
    WalletCode,
    change_pin,
    check_code,
    check_pin,
    member_of_card,
    wallet_secret,
)
from tenants.verification.tables import MobileWallet, Pin

# White space around the modules that a scanner needs (ISO/IEC 18004), and pixels a module.
QR_BORDER, QR_SCALE = 4, 8


class Verification(NamedTuple):
    """`refusal`: why not, with what goes with it. `code_step`: of the code to use up with the posting."""

    refusal: str | None = None
    detail: dict[str, Any] | None = None
    code_step: int | None = None


def verify(
    tenant_id: UUID,
    card_number: str,
    amount: int,
    pin_from: int | None,
    code_from: int | None,
    pin: str | None,
    code: str | None,
    attempt_key: str,
) -> Verification:
    """Whether a redemption worth `amount` minor units has what it asks for.

    `attempt_key` names the terminal's request, the same when it is sent again. Asks the database only when something
    has to be checked. Of a card that there is not, the ledger tells.
    """
    asked = needed(amount, pin_from, code_from)
    if code is None and asked == NOTHING:
        return Verification()
    if code is None and asked == CODE:
        return Verification("code_required")
    if code is None and pin is None:
        return Verification("pin_required")
    member_id = member_of_card(tenant_id, card_number)
    if member_id is None:
        return Verification()
    if code is not None:
        return answer_of(check_code(tenant_id, member_id, code, attempt_key, clock.now()))
    assert pin is not None
    return answer_of(check_pin(tenant_id, member_id, pin, attempt_key))


def answer_of(checked: Refusal | int | None) -> Verification:
    return Verification(*checked) if isinstance(checked, Refusal) else Verification(code_step=checked)


def show_wallet(wallet: MobileWallet) -> dict[str, Any]:
    """With the secret, for the member's phone."""
    with unit_of_work(wallet.tenant_id):
        issuer = get_network(wallet.tenant_id).name
    secret, member_id = wallet_secret(wallet), ids.show(ids.MEMBER, wallet.member_id)
    return {
        "member_id": member_id,
        "generation": wallet.generation,
        "secret": show_secret(secret),
        "uri": provisioning_uri(secret, issuer, member_id),
        "algorithm": ALGORITHM,
        "digits": CODE_DIGITS,
        "period": STEP.seconds,
        "generated_at": show_moment(wallet.generated_at),
    }


def show_code(code: WalletCode) -> dict[str, Any]:
    return {**code._asdict(), "valid_until": show_moment(code.valid_until)}


def qr_code(text: str) -> bytes:
    """An SVG picture, dark on white, whatever it is shown on."""
    picture = BytesIO()
    segno.make_qr(text, error="m").save(picture, kind="svg", scale=QR_SCALE, border=QR_BORDER, light="white")
    return picture.getvalue()


def show_pin(pin: Pin) -> dict[str, Any]:
    """Whether there is one and whether it is locked; never the PIN or its hash."""
    status = "not_set" if pin.pin_hash is None else "locked" if pin.locked_at else "set"
    return {
        "member_id": ids.show(ids.MEMBER, pin.member_id),
        "status": status,
        "tries_left": PIN_TRIES - pin.failures if pin.pin_hash else 0,
        "set_at": pin.set_at and show_moment(pin.set_at),
        "locked_at": pin.locked_at and show_moment(pin.locked_at),
    }


def change_pin_by_card(tenant_id: UUID, number: str, pin: str, current_pin: str | None, attempt_key: str) -> Pin:
    """Raises the refusal as an error; a card that is blocked or replaced changes no PIN."""
    card = find_card(tenant_id, number)
    if card.status != ACTIVE:
        raise refusal(f"card_{card.status}", None)
    changed = change_pin(tenant_id, card.member_id, pin, current_pin, attempt_key)
    if isinstance(changed, Refusal):
        raise refusal(*changed)
    return changed
