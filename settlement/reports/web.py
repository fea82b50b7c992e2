"""Reports of a network: a month beside those before it, what has not been paid, and a month's files."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint
from flask import Response, send_file

from settlement.reports.exports import render_export
from settlement.reports.jobs import enqueue_documents
from settlement.reports.schemas import (
    AgeingQuerySchema,
    AgeingSchema,
    DocumentsQuerySchema,
    ExportQuerySchema,
    FlowsSchema,
    NetworkReportSchema,
    RenderingSchema,
)
from settlement.reports.service import load_ageing, load_report
from settlement.reports.show import ageing_as_json, report_as_json
from settlement.statements.service import load_flows, load_settlement
from settlement.windows.service import get_published_window
from tenants.credentials.rules import HQ, PREPARE, READ, SETTLEMENT, STAFF
from tenants.credentials.service import Principal
from tenants.credentials.web import authenticated
from tenants.foundation.months import parse_month, show_month
from tenants.foundation.openapi import refusals
from tenants.foundation.web import answer, query

reports = APIBlueprint("reports", __name__, url_prefix="/v1/settlement", tag="Documents")

PDF = "application/pdf"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
CSV = "text/csv"
A_FILE: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
EXPORTED: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file", "content": {XLSX: A_FILE, CSV: A_FILE, PDF: A_FILE}}
}


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


@reports.get("/windows/<month>/flows")
@authenticated(HQ, STAFF, scope=(READ, SETTLEMENT))
@reports.output(FlowsSchema)
@refusals(also={409})
def get_flows(principal: Principal, month: str) -> Response:
    """The issuing x redeeming matrix: its cells that are not zero"""
    day = parse_month(month)
    get_published_window(principal.tenant_id, day)
    flows = [
        {"issuing_store": f.issuing_code, "redeeming_store": f.redeeming_code, "points": f.points}
        for f in load_flows(principal.tenant_id, day)
    ]
    return answer({"month": show_month(day), "flows": flows})


@reports.get("/windows/<month>/exports/<name>")
@authenticated(HQ, STAFF, scope=(READ, SETTLEMENT))
@query(ExportQuerySchema)
@reports.doc(responses=EXPORTED)
@refusals(also={409})
def get_export(principal: Principal, month: str, name: str, query: dict[str, Any]) -> Response:
    """settlement.xlsx, report.pdf, positions.csv, lines.csv, flows.csv or ageing.csv"""
    document = load_settlement(principal.tenant_id, parse_month(month))
    return send_file(render_export(document, name, query["language"]), as_attachment=True, conditional=False)


@reports.post("/windows/<month>/documents")
@authenticated(HQ, STAFF, scope=(SETTLEMENT, PREPARE))
@query(DocumentsQuerySchema)
@reports.output(RenderingSchema, status_code=202)
def post_documents(principal: Principal, month: str, query: dict[str, Any]) -> Response:
    """Have the workers write every document of a month"""
    document = load_settlement(principal.tenant_id, parse_month(month))
    return answer({"jobs": enqueue_documents(principal.tenant_id, document, query["language"])}, 202)
