"""How a network settles, under /v1/settlement/terms, and a closed month's calendar."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint
from flask import Response

from settlement.terms.schemas import NewTermsSchema, PostponementSchema, SettlementTermsSchema, TermsListSchema
from settlement.terms.service import list_terms, postpone, set_terms, terms_in_force
from settlement.terms.show import show_in_force, show_terms
from settlement.windows.schemas import ClosedWindowSchema
from settlement.windows.show import show_closed_window
from tenants.credentials.rules import HQ, PREPARE, READ, SETTLEMENT, STAFF
from tenants.credentials.service import Principal, show_caller
from tenants.credentials.web import authenticated
from tenants.foundation.months import parse_month
from tenants.foundation.openapi import refusals
from tenants.foundation.web import answer, body
from tenants.staff.service import actor_of

terms = APIBlueprint("terms", __name__, url_prefix="/v1/settlement", tag="Rates, fees and terms")


@terms.get("/terms")
@authenticated(HQ, STAFF, scope=(READ, SETTLEMENT))
@terms.output(TermsListSchema)
def get_terms(principal: Principal) -> Response:
    """Every version of the terms, by month, and those in force in the first open month"""
    shown = [show_terms(row) for row in list_terms(principal.tenant_id)]
    return answer({"terms": shown, "in_force": show_in_force(*terms_in_force(principal.tenant_id))})


@terms.post("/terms")
@authenticated(HQ, STAFF, scope=(SETTLEMENT, PREPARE))
@body(NewTermsSchema)
@terms.output(SettlementTermsSchema, status_code=201)
def post_terms(principal: Principal, body: dict[str, Any]) -> Response:
    """Set terms from a month on

    What is left out stays as it is in that month. The model changes only while no points are outstanding.
    """
    from_month = parse_month(body.pop("from_month"))
    return answer(show_terms(set_terms(principal.tenant_id, from_month, show_caller(principal), **body)), 201)


@terms.post("/windows/<month>/postpone")
@authenticated(STAFF, scope=PREPARE)
@body(PostponementSchema)
@terms.output(ClosedWindowSchema)
@refusals(also={409})
def post_postponement(principal: Principal, month: str, body: dict[str, Any]) -> Response:
    """Give a closed month that is not approved more time: every day of its calendar moves"""
    day = parse_month(month)
    postpone(principal.tenant_id, day, body["days"], actor_of(principal).shown, body.get("reason", ""))
    return answer(show_closed_window(principal.tenant_id, day))
