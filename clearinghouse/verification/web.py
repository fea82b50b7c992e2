"""PINs and wallets over HTTP, under /v1. Nothing of it may be kept by a cache."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint, FileSchema
from apiflask.scaffold import _annotate
from flask import Response, request

from clearinghouse.pos.schemas import IdempotencyHeaderSchema
from clearinghouse.pos.service import check_idempotency_key
from clearinghouse.verification.schemas import (
    NewPinSchema,
    PinChangeSchema,
    PinStateSchema,
    WalletCodeSchema,
    WalletSchema,
)
from clearinghouse.verification.service import change_pin_by_card, qr_code, show_code, show_pin, show_wallet
from tenants.credentials.rules import DIRECTORY, HQ, READ, REGISTER, STAFF, TERMINAL
from tenants.credentials.service import Principal
from tenants.credentials.web import authenticated
from tenants.foundation import ids
from tenants.foundation.openapi import refusals
from tenants.foundation.web import answer, body
from tenants.verification.service import (
    find_pin,
    find_wallet,
    remove_pin,
    rotate_wallet,
    set_pin,
    unlock_pin,
    wallet_code,
)

verification = APIBlueprint("verification", __name__, url_prefix="/v1", tag="Verification")

SVG = "image/svg+xml"


@verification.get("/members/<member_id>/wallet")
@authenticated(HQ, scope=DIRECTORY)
@verification.output(WalletSchema)
@refusals(also={409})
def get_wallet(principal: Principal, member_id: str) -> Response:
    """The wallet of a member, for the member's phone

    With the secret from which the phone makes its codes (RFC 6238): hand it to nobody else. Made when it is first
    asked for.
    """
    return answer(show_wallet(find_wallet(principal.tenant_id, ids.parse(ids.MEMBER, member_id))))


@verification.post("/members/<member_id>/wallet/rotate")
@authenticated(HQ, scope=DIRECTORY)
@verification.output(WalletSchema)
def post_wallet_rotate(principal: Principal, member_id: str) -> Response:
    """Give a member a new wallet

    The old phone's codes are refused from now on. Lifts a lock after wrong codes.
    """
    return answer(show_wallet(rotate_wallet(principal.tenant_id, ids.parse(ids.MEMBER, member_id))))


@verification.get("/members/<member_id>/wallet/code")
@authenticated(HQ, scope=DIRECTORY)
@verification.output(WalletCodeSchema)
@refusals(also={409})
def get_wallet_code(principal: Principal, member_id: str) -> Response:
    """The code of now, for a wallet on a web page"""
    return answer(show_code(wallet_code(principal.tenant_id, ids.parse(ids.MEMBER, member_id))))


@verification.get("/members/<member_id>/wallet/code.svg")
@authenticated(HQ, scope=DIRECTORY)
@verification.output(FileSchema, content_type=SVG)
@refusals(also={409})
def get_wallet_picture(principal: Principal, member_id: str) -> Response:
    """The code of now as a QR code"""
    code = wallet_code(principal.tenant_id, ids.parse(ids.MEMBER, member_id))
    return Response(qr_code(code.text), mimetype=SVG)


@verification.get("/members/<member_id>/pin")
@authenticated(HQ, STAFF, scope=(READ, DIRECTORY))
@verification.output(PinStateSchema)
def get_pin(principal: Principal, member_id: str) -> Response:
    """Whether a member has a PIN and whether it is locked"""
    return answer(show_pin(find_pin(principal.tenant_id, ids.parse(ids.MEMBER, member_id))))


@verification.put("/members/<member_id>/pin")
@authenticated(HQ, scope=DIRECTORY)
@body(NewPinSchema)
@verification.output(PinStateSchema)
def put_pin(principal: Principal, member_id: str, body: dict[str, Any]) -> Response:
    """Set a member's PIN

    Replaces the one before and unlocks.
    """
    return answer(show_pin(set_pin(principal.tenant_id, ids.parse(ids.MEMBER, member_id), body["pin"])))


@verification.post("/members/<member_id>/pin/unlock")
@authenticated(HQ, scope=DIRECTORY)
@verification.output(PinStateSchema)
def post_pin_unlock(principal: Principal, member_id: str) -> Response:
    """Unlock a member's PIN

    It stays the same and has all its tries again.
    """
    return answer(show_pin(unlock_pin(principal.tenant_id, ids.parse(ids.MEMBER, member_id))))


@verification.delete("/members/<member_id>/pin")
@authenticated(HQ, scope=DIRECTORY)
@verification.output(PinStateSchema)
def delete_pin(principal: Principal, member_id: str) -> Response:
    """Remove a member's PIN

    The next one can be set at any till with the card alone.
    """
    return answer(show_pin(remove_pin(principal.tenant_id, ids.parse(ids.MEMBER, member_id))))


@verification.post("/cards/<number>/pin")
@authenticated(TERMINAL, scope=REGISTER)
@body(PinChangeSchema)
@verification.output(PinStateSchema)
def post_card_pin(principal: Principal, number: str, body: dict[str, Any]) -> Response:
    """Let a member choose a PIN at the till

    The first one needs the card alone, another one `current_pin`. Send the same request again when no answer came.
    """
    key = request.headers.get("Idempotency-Key")
    check_idempotency_key(key)
    attempt_key = f"{principal.terminal_id}:{key}"
    pin, current_pin = body["pin"], body.get("current_pin")
    return answer(show_pin(change_pin_by_card(principal.tenant_id, number, pin, current_pin, attempt_key)))


_annotate(post_card_pin, args=[(IdempotencyHeaderSchema(), "headers")])
