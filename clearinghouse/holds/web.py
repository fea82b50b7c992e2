"""Holds: placed, captured and voided through the one posting path, and looked at here."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint
from flask import Response

from clearinghouse.holds.service import find_hold, list_holds
from clearinghouse.holds.show import show_hold
from clearinghouse.ledger.service import PostingResult
from clearinghouse.pos.events import expiry_of_hold
from clearinghouse.pos.schemas import (
    CaptureSchema,
    HoldAnswerSchema,
    HoldPageSchema,
    HoldQuerySchema,
    HoldSchema,
    PlacedHoldSchema,
    TransferSchema,
    VoidSchema,
)
from clearinghouse.pos.web import idempotent, post
from tenants.credentials.rules import HQ, READ, REDEEM, STAFF, TERMINAL
from tenants.credentials.service import Principal
from tenants.credentials.web import authenticated
from tenants.foundation import ids
from tenants.foundation.web import answer, answer_page, body, id_cursor, query

holds = APIBlueprint("holds", __name__, url_prefix="/v1", tag="Points of sale")


@holds.post("/holds")
@authenticated(TERMINAL, scope=REDEEM)
@body(HoldSchema)
@holds.output(PlacedHoldSchema, status_code=201)
@idempotent
def post_hold(principal: Principal, body: dict[str, Any]) -> Response:
    """Set points aside

    For a bill that is not settled yet: nobody else can redeem them until the hold is captured, voided, or runs out.
    """

    def show_expiry(result: PostingResult) -> dict[str, Any]:
        assert result.transfer is not None
        return {"expires_at": expiry_of_hold(result.transfer.occurred_at, body["expires_in"]).isoformat()}

    return post(principal, "hold", body, show_expiry)


@holds.post("/holds/<hold_id>/capture")
@authenticated(TERMINAL, scope=REDEEM)
@body(CaptureSchema, optional=True)
@holds.output(TransferSchema, status_code=201)
@idempotent
def post_capture(principal: Principal, hold_id: str, body: dict[str, Any]) -> Response:
    """Redeem points that were set aside

    All of them, or `points` or `amount` of them; the rest is released. In any store of the network, once.
    """
    return post(principal, "capture", {**body, "hold_id": hold_id})


@holds.post("/holds/<hold_id>/void")
@authenticated(TERMINAL, scope=REDEEM)
@body(VoidSchema, optional=True)
@holds.output(TransferSchema, status_code=201)
@idempotent
def post_void(principal: Principal, hold_id: str, body: dict[str, Any]) -> Response:
    """Release points that were set aside"""
    return post(principal, "void", {**body, "hold_id": hold_id})


@holds.get("/holds/<hold_id>")
@authenticated(TERMINAL, HQ, STAFF, scope=READ)
@holds.output(HoldAnswerSchema)
def get_hold(principal: Principal, hold_id: str) -> Response:
    """A hold as it stands"""
    return answer(show_hold(find_hold(principal.tenant_id, ids.parse(ids.HOLD, hold_id)), principal.currency))


@holds.get("/holds")
@authenticated(TERMINAL, HQ, STAFF, scope=READ)
@query(HoldQuerySchema)
@holds.output(HoldPageSchema)
def get_holds(principal: Principal, query: dict[str, Any]) -> Response:
    """List holds, newest first

    Of the whole network: a hold may be captured in another store. Go on with `next_cursor` until it is null.
    """
    limit, before = query["limit"], id_cursor(ids.HOLD, query)
    found = list_holds(principal.tenant_id, limit + 1, before, query.get("state"), query.get("card"))
    return answer_page("holds", [show_hold(one, principal.currency) for one in found], limit, "hold_id")
