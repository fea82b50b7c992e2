"""Valuations for HQ finance.

The method is loaded when the first valuation is asked for, as numpy would cost every worker of the HTTP server
eleven megabytes.
"""

from __future__ import annotations

import importlib
from typing import Any

from apiflask import APIBlueprint
from flask import Response

from settlement.valuation.assumptions import Assumptions
from settlement.valuation.schemas import AssumptionsQuerySchema, ValuationSchema
from tenants.credentials.rules import HQ, READ, SETTLEMENT, STAFF
from tenants.credentials.service import Principal
from tenants.credentials.web import authenticated
from tenants.foundation.months import parse_month
from tenants.foundation.openapi import refusals
from tenants.foundation.web import answer, query

valuations = APIBlueprint("valuations", __name__, url_prefix="/v1/settlement/valuations", tag="Accounting")


@valuations.get("/<month>")
@authenticated(HQ, STAFF, scope=(READ, SETTLEMENT))
@query(AssumptionsQuerySchema)
@valuations.output(ValuationSchema)
@refusals(also={409})
def get_valuation(principal: Principal, month: str, query: dict[str, Any]) -> Response:
    """What the points outstanding at the end of a published month will cost, and what they have earned

    Computed when asked for: the same month and assumptions give the same figures again.
    """
    service, show = (importlib.import_module(f"settlement.valuation.{name}") for name in ("service", "show"))
    valued = service.value_month(principal.tenant_id, parse_month(month), Assumptions(**query))
    return answer(show.valuation_as_json(valued))
