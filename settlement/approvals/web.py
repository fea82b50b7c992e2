"""Proposing, approving and reading settlements, under /v1/settlement/windows/<month>; postponing a month."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response

from settlement.approvals.postponing import postpone
from settlement.approvals.service import approve
from settlement.proposals.schemas import (
    LinesQuerySchema,
    PositionsSchema,
    SettlementLinesSchema,
    SettlementRejectionSchema,
    SettlementSchema,
    SettlementVersionsSchema,
    VersionQuerySchema,
)
from settlement.proposals.service import propose, reject
from settlement.proposals.show import show_versions
from settlement.statements.service import load_settlement
from settlement.statements.show import lines_as_json, position_as_json, settlement_as_json, totals_as_json
from settlement.terms.schemas import PostponementSchema
from settlement.windows.schemas import ClosedWindowSchema
from settlement.windows.service import count_day_close_differences
from settlement.windows.show import show_closed_window
from tenants.credentials.rules import APPROVE, HQ, PREPARE, READ, SETTLEMENT, STAFF
from tenants.credentials.service import Principal
from tenants.credentials.web import authenticated
from tenants.foundation.months import parse_month
from tenants.foundation.openapi import refusals
from tenants.foundation.web import answer, body, query
from tenants.staff.service import actor_of

settlements = APIBlueprint("settlements", __name__, url_prefix="/v1/settlement/windows", tag="Settlement")


@settlements.get("/<month>/settlement")
@authenticated(HQ, STAFF, scope=(READ, SETTLEMENT))
@query(VersionQuerySchema)
@settlements.output(SettlementSchema)
@refusals(also={409})
def get_settlement(principal: Principal, month: str, query: dict[str, Any]) -> Response:
    """A month in money: totals, identities, every position"""
    return answer(show_settlement(principal.tenant_id, parse_month(month), query.get("version")))


@settlements.get("/<month>/positions")
@authenticated(HQ, STAFF, scope=(READ, SETTLEMENT))
@settlements.output(PositionsSchema)
@refusals(also={409})
def get_positions(principal: Principal, month: str) -> Response:
    """What each store remits or receives"""
    day = parse_month(month)
    document = load_settlement(principal.tenant_id, day)
    totals = totals_as_json(document, count_day_close_differences(principal.tenant_id, day))
    return answer({**totals, "positions": [position_as_json(line) for line in document.stores]})


@settlements.get("/<month>/settlement/lines")
@authenticated(HQ, STAFF, scope=(READ, SETTLEMENT))
@query(LinesQuerySchema)
@settlements.output(SettlementLinesSchema)
@refusals(also={409})
def get_lines(principal: Principal, month: str, query: dict[str, Any]) -> Response:
    """Every amount of a month: who owes it to whom, and why"""
    document = load_settlement(principal.tenant_id, parse_month(month), query.get("version"))
    return answer(lines_as_json(document, query.get("store")))


@settlements.get("/<month>/settlement/versions")
@authenticated(HQ, STAFF, scope=(READ, SETTLEMENT))
@settlements.output(SettlementVersionsSchema)
@refusals(never={404})
def get_versions(principal: Principal, month: str) -> Response:
    """Every version that was proposed, and what became of it"""
    return answer({"settlements": show_versions(principal.tenant_id, parse_month(month))})


@settlements.post("/<month>/settlement")
@authenticated(STAFF, scope=PREPARE)
@settlements.output(SettlementSchema, status_code=201)
@refusals(also={409, 500})
def post_settlement(principal: Principal, month: str) -> Response:
    """Propose what the month comes to

    Months are settled in turn. A version that is proposed already becomes rejected.
    """
    day = parse_month(month)
    propose(principal.tenant_id, day, actor_of(principal))
    return answer(show_settlement(principal.tenant_id, day), 201)


@settlements.post("/<month>/settlement/approve")
@authenticated(STAFF, scope=APPROVE)
@settlements.output(SettlementSchema)
@refusals(also={409, 500})
def post_approval(principal: Principal, month: str) -> Response:
    """Approve what another person has proposed; from then on it never changes"""
    day = parse_month(month)
    approve(principal.tenant_id, day, actor_of(principal))
    return answer(show_settlement(principal.tenant_id, day))


@settlements.post("/<month>/settlement/reject")
@authenticated(STAFF, scope=(APPROVE, PREPARE))
@body(SettlementRejectionSchema)
@settlements.output(SettlementVersionsSchema)
@refusals(also={409})
def post_rejection(principal: Principal, month: str, body: dict[str, Any]) -> Response:
    """Reject what is proposed, and say why"""
    day = parse_month(month)
    reject(principal.tenant_id, day, actor_of(principal), body["reason"])
    return answer({"settlements": show_versions(principal.tenant_id, day)})


@settlements.post("/<month>/postpone")
@authenticated(STAFF, scope=PREPARE)
@body(PostponementSchema)
@settlements.output(ClosedWindowSchema)
@refusals(also={409})
def post_postponement(principal: Principal, month: str, body: dict[str, Any]) -> Response:
    """Give a closed month that is not approved more time: every day of its calendar moves"""
    day = parse_month(month)
    postpone(principal.tenant_id, day, body["days"], actor_of(principal).shown, body.get("reason", ""))
    return answer(show_closed_window(principal.tenant_id, day))


def show_settlement(tenant_id: UUID, month: date, version: int | None = None) -> dict[str, Any]:
    document = load_settlement(tenant_id, month, version)
    return settlement_as_json(document, count_day_close_differences(tenant_id, month))
