"""The face that owners of stores see, under /v1/settlement/own: their own stores and nobody else's."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint, FileSchema
from apiflask.scaffold import _annotate
from flask import Response, request, send_file

from clearinghouse.pos.service import check_idempotency_key
from settlement.adjustments.schemas import PersonsIdempotencyHeaderSchema
from settlement.disputes.schemas import DisputePageSchema, DisputeQuerySchema, DisputeSchema, NewDisputeSchema
from settlement.disputes.service import find_dispute, open_dispute
from settlement.disputes.show import show_dispute
from settlement.owners.schemas import OwnLinesSchema, OwnMonthPageSchema, OwnMonthQuerySchema
from settlement.owners.service import list_own_disputes, list_own_months, own_lines, render_own_statement
from settlement.owners.show import show_own_lines, show_own_month
from tenants.credentials.rules import OWN, STAFF
from tenants.credentials.service import Principal
from tenants.credentials.web import authenticated
from tenants.foundation import ids
from tenants.foundation.months import parse_month
from tenants.foundation.openapi import refusals, replays
from tenants.foundation.web import answer, answer_page, body, id_cursor, query
from tenants.staff.service import actor_of

own = APIBlueprint("own", __name__, url_prefix="/v1/settlement/own", tag="Own stores")


@own.get("/months")
@authenticated(STAFF, scope=OWN)
@query(OwnMonthQuerySchema)
@own.output(OwnMonthPageSchema)
def get_own_months(principal: Principal, query: dict[str, Any]) -> Response:
    """List the months of your stores, newest first, as they are proposed or settled"""
    limit = query["limit"]
    before = parse_month(query["cursor"]) if "cursor" in query else None
    months = list_own_months(principal.tenant_id, actor_of(principal), before, limit + 1)
    return answer_page("months", [show_own_month(month) for month in months], limit, "month")


@own.get("/windows/<month>/stores/<store>/lines")
@authenticated(STAFF, scope=OWN)
@own.output(OwnLinesSchema)
def get_own_lines(principal: Principal, month: str, store: str) -> Response:
    """Every amount that your store owes or is owed for a month, draft or final

    `key` names a line when you dispute it.
    """
    return answer(show_own_lines(own_lines(principal.tenant_id, actor_of(principal), parse_month(month), store)))


@own.get("/windows/<month>/stores/<store>/statement")
@authenticated(STAFF, scope=OWN)
@own.output(FileSchema, content_type="application/pdf")
@refusals(also={409})
def get_own_statement(principal: Principal, month: str, store: str) -> Response:
    """Your store's statement as PDF, draft or final"""
    path = render_own_statement(principal.tenant_id, actor_of(principal), parse_month(month), store)
    return send_file(path, mimetype="application/pdf", conditional=False)


@own.post("/disputes")
@authenticated(STAFF, scope=OWN)
@body(NewDisputeSchema)
@own.output(DisputeSchema, status_code=201)
@refusals(also={404})
@replays
def post_dispute(principal: Principal, body: dict[str, Any]) -> Response:
    """Dispute a line of a draft statement, or a part of it

    Until `dispute_until`. The rest of the month settles without it.
    """
    key = request.headers.get("Idempotency-Key")
    check_idempotency_key(key)
    dispute_id, is_repeated = open_dispute(
        principal.tenant_id,
        actor_of(principal),
        parse_month(body["month"]),
        body["store"],
        body["line"],
        body.get("amount"),
        body["reason"],
        key,
    )
    dispute, _ = find_dispute(principal.tenant_id, dispute_id)
    return answer(show_dispute(dispute), 201, {"Idempotent-Replayed": "true"} if is_repeated else None)


_annotate(post_dispute, args=[(PersonsIdempotencyHeaderSchema(), "headers")])


@own.get("/disputes")
@authenticated(STAFF, scope=OWN)
@query(DisputeQuerySchema)
@own.output(DisputePageSchema)
def get_own_disputes(principal: Principal, query: dict[str, Any]) -> Response:
    """List the disputes of your stores, oldest first"""
    limit, month = query["limit"], query.get("month")
    rows = list_own_disputes(
        principal.tenant_id,
        actor_of(principal),
        month and parse_month(month),
        query.get("state"),
        id_cursor(ids.DISPUTE, query),
        limit + 1,
    )
    return answer_page("disputes", [show_dispute(row) for row in rows], limit, "dispute_id")
