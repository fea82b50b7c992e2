"""Adjustments as head office makes and lists them, under /v1/settlement/adjustments."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint
from apiflask.scaffold import _annotate
from flask import Response, request

from clearinghouse.pos.service import check_idempotency_key
from settlement.adjustments.schemas import (
    AdjustmentPageSchema,
    AdjustmentQuerySchema,
    AdjustmentSchema,
    NewAdjustmentSchema,
    PersonsIdempotencyHeaderSchema,
)
from settlement.adjustments.service import adjust, list_adjustments
from settlement.adjustments.show import show_adjustment
from tenants.credentials.rules import HQ, PREPARE, READ, SETTLEMENT, STAFF
from tenants.credentials.service import Principal
from tenants.credentials.web import authenticated
from tenants.foundation import ids
from tenants.foundation.months import parse_month
from tenants.foundation.openapi import refusals, replays
from tenants.foundation.web import answer, answer_page, body, id_cursor, query
from tenants.staff.service import actor_of

adjustments = APIBlueprint(
    "adjustments", __name__, url_prefix="/v1/settlement/adjustments", tag="Adjustments and disputes"
)


@adjustments.post("")
@authenticated(STAFF, scope=PREPARE)
@body(NewAdjustmentSchema)
@adjustments.output(AdjustmentSchema, status_code=201)
@refusals(also={404})
@replays
def post_adjustment(principal: Principal, body: dict[str, Any]) -> Response:
    """Have one party owe another an amount, in the open month

    A wrong adjustment is put right by one in the opposite direction.
    """
    key = request.headers.get("Idempotency-Key")
    check_idempotency_key(key)
    month = body.get("origin_month")
    made, is_repeated = adjust(
        principal.tenant_id,
        actor_of(principal),
        body["payer"],
        body["payee"],
        body["amount"],
        body["reason"],
        body.get("note", ""),
        month and parse_month(month),
        key,
    )
    codes = {made.payer_id: body["payer"], made.payee_id: body["payee"]}
    return answer(show_adjustment(made, codes), 201, {"Idempotent-Replayed": "true"} if is_repeated else None)


_annotate(post_adjustment, args=[(PersonsIdempotencyHeaderSchema(), "headers")])


@adjustments.get("")
@authenticated(HQ, STAFF, scope=(READ, SETTLEMENT))
@query(AdjustmentQuerySchema)
@adjustments.output(AdjustmentPageSchema)
def get_adjustments(principal: Principal, query: dict[str, Any]) -> Response:
    """List the adjustments, oldest first"""
    limit, month = query["limit"], query.get("month")
    rows, codes = list_adjustments(
        principal.tenant_id, month and parse_month(month), id_cursor(ids.ADJUSTMENT, query), limit + 1
    )
    return answer_page("adjustments", [show_adjustment(row, codes) for row in rows], limit, "adjustment_id")
