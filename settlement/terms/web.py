"""How a network settles, under /v1/settlement/terms."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint
from flask import Response

from settlement.terms.schemas import NewTermsSchema, SettlementTermsSchema, TermsListSchema
from settlement.terms.service import list_terms, set_terms, terms_in_force
from settlement.terms.show import show_in_force, show_terms
from tenants.credentials.rules import HQ, PREPARE, READ, SETTLEMENT, STAFF
from tenants.credentials.service import Principal, show_caller
from tenants.credentials.web import authenticated
from tenants.foundation.months import parse_month
from tenants.foundation.web import answer, body

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
