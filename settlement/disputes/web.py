"""Disputes as head office sees and decides them, under /v1/settlement/disputes."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response

from settlement.disputes import service
from settlement.disputes.schemas import (
    DecisionSchema,
    DisputePageSchema,
    DisputeQuerySchema,
    DisputeWithChangesSchema,
)
from settlement.disputes.show import show_dispute, show_dispute_with_changes
from tenants.credentials.rules import HQ, PREPARE, READ, SETTLEMENT, STAFF
from tenants.credentials.service import Principal
from tenants.credentials.web import authenticated
from tenants.foundation import ids
from tenants.foundation.months import parse_month
from tenants.foundation.web import answer, answer_page, body, id_cursor, query
from tenants.staff.service import actor_of

disputes = APIBlueprint("disputes", __name__, url_prefix="/v1/settlement/disputes", tag="Adjustments and disputes")


@disputes.get("")
@authenticated(HQ, STAFF, scope=(READ, SETTLEMENT))
@query(DisputeQuerySchema)
@disputes.output(DisputePageSchema)
def get_disputes(principal: Principal, query: dict[str, Any]) -> Response:
    """List the disputes, oldest first"""
    limit, month = query["limit"], query.get("month")
    rows = service.list_disputes(
        principal.tenant_id,
        month and parse_month(month),
        query.get("state"),
        id_cursor(ids.DISPUTE, query),
        limit + 1,
    )
    return answer_page("disputes", [show_dispute(row) for row in rows], limit, "dispute_id")


@disputes.get("/<dispute_id>")
@authenticated(HQ, STAFF, scope=(READ, SETTLEMENT))
@disputes.output(DisputeWithChangesSchema)
def get_dispute(principal: Principal, dispute_id: str) -> Response:
    """A dispute and what happened to it"""
    return answer_dispute(principal, ids.parse(ids.DISPUTE, dispute_id))


def answer_dispute(principal: Principal, dispute_id: UUID) -> Response:
    return answer(show_dispute_with_changes(*service.find_dispute(principal.tenant_id, dispute_id)))


@disputes.post("/<dispute_id>/accept")
@authenticated(STAFF, scope=PREPARE)
@body(DecisionSchema)
@disputes.output(DisputeWithChangesSchema)
def post_acceptance(principal: Principal, dispute_id: str, body: dict[str, Any]) -> Response:
    """Accept a dispute: what is disputed is owed no more

    While its month is not approved, propose the month again.
    """
    parsed = ids.parse(ids.DISPUTE, dispute_id)
    service.accept(principal.tenant_id, parsed, actor_of(principal), body["reason"])
    return answer_dispute(principal, parsed)


@disputes.post("/<dispute_id>/reject")
@authenticated(STAFF, scope=PREPARE)
@body(DecisionSchema)
@disputes.output(DisputeWithChangesSchema)
def post_refusal(principal: Principal, dispute_id: str, body: dict[str, Any]) -> Response:
    """Reject a dispute: the line stands

    While its month is not approved, propose the month again; afterwards, what was disputed joins the open month.
    """
    parsed = ids.parse(ids.DISPUTE, dispute_id)
    service.reject(principal.tenant_id, parsed, actor_of(principal), body["reason"])
    return answer_dispute(principal, parsed)
