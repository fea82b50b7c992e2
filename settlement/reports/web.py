"""Reports of a network: a month beside those before it, and what has not been paid."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint
from flask import Response

from settlement.reports.schemas import AgeingQuerySchema, AgeingSchema, NetworkReportSchema
from settlement.reports.service import load_ageing, load_report
from settlement.reports.show import ageing_as_json, report_as_json
from settlement.statements.service import load_settlement
from tenants.credentials.rules import HQ, READ, SETTLEMENT, STAFF
from tenants.credentials.service import Principal
from tenants.credentials.web import authenticated
from tenants.foundation.months import parse_month
from tenants.foundation.openapi import refusals
from tenants.foundation.web import answer, query

reports = APIBlueprint("reports", __name__, url_prefix="/v1/settlement", tag="Documents")


@reports.get("/windows/<month>/report")
@authenticated(HQ, STAFF, scope=(READ, SETTLEMENT))
@reports.output(NetworkReportSchema)
@refusals(also={409})
def get_report(principal: Principal, month: str) -> Response:
    """What netting saves in a month, its largest flows, and the twelve months up to it side by side"""
    document = load_settlement(principal.tenant_id, parse_month(month))
    return answer(report_as_json(load_report(document)))


@reports.get("/legs/ageing")
@authenticated(HQ, STAFF, scope=(READ, SETTLEMENT))
@query(AgeingQuerySchema)
@reports.output(AgeingSchema)
def get_ageing(principal: Principal, query: dict[str, Any]) -> Response:
    """What stores have not paid or been paid, by how long it has been due"""
    return answer(ageing_as_json(load_ageing(principal.tenant_id, query.get("as_of"))))
