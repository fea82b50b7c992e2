"""What a store is told of a month, under /v1/settlement: to head office, and to the store's owner."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint, FileSchema
from flask import Response, send_file

from settlement.statements.advices import render_advice
from settlement.statements.items import render_items
from settlement.statements.schemas import (
    AdviceQuerySchema,
    StatementQuerySchema,
)
from settlement.statements.service import load_heading, render_statements
from tenants.credentials.rules import HQ, OWN, READ, SETTLEMENT, STAFF
from tenants.credentials.service import Principal
from tenants.credentials.web import authenticated
from tenants.foundation.months import parse_month
from tenants.foundation.openapi import refusals
from tenants.foundation.web import query
from tenants.stores.service import check_own

statements = APIBlueprint("statements", __name__, url_prefix="/v1/settlement/windows/<month>", tag="Documents")

PDF, CSV = "application/pdf", "text/csv"


@statements.get("/statements/<store>")
@authenticated(HQ, STAFF, scope=(READ, SETTLEMENT, OWN))
@query(StatementQuerySchema)
@statements.output(FileSchema, content_type=PDF)
@refusals(also={409})
def get_statement(principal: Principal, month: str, store: str, query: dict[str, Any]) -> Response:
    """A store's statement as PDF

    An owner gets those of his own stores.
    """
    check_own(principal.tenant_id, principal.participant_id, store)
    heading = load_heading(principal.tenant_id, parse_month(month), query.get("version"))
    [path] = render_statements(heading, [store], language=query["language"])
    return send_file(path, mimetype=PDF, conditional=False)


@statements.get("/statements/<store>/items")
@authenticated(HQ, STAFF, scope=(READ, SETTLEMENT, OWN))
@statements.output(FileSchema, content_type=CSV)
@refusals(also={409})
def get_items(principal: Principal, month: str, store: str) -> Response:
    """Every transfer behind a store's statement as CSV

    A row for each way that points of a transfer moved, with the rate of its day; sums by flow at the end.
    """
    check_own(principal.tenant_id, principal.participant_id, store)
    path = render_items(principal.tenant_id, parse_month(month), store)
    return send_file(path, mimetype=CSV, as_attachment=True, conditional=False)


@statements.get("/advices/<store>")
@authenticated(HQ, STAFF, scope=(READ, SETTLEMENT, OWN))
@query(AdviceQuerySchema)
@statements.output(FileSchema, content_type=PDF)
@refusals(also={409})
def get_advice(principal: Principal, month: str, store: str, query: dict[str, Any]) -> Response:
    """A store's remittance advice as PDF, once the month is approved

    Who pays whom how much by when, and the reference to write on the payment.
    """
    check_own(principal.tenant_id, principal.participant_id, store)
    path = render_advice(principal.tenant_id, parse_month(month), store, query["language"])
    return send_file(path, mimetype=PDF, conditional=False)
