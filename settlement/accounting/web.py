"""Head office's journal, under /v1/settlement."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint
from flask import Response

from settlement.accounting.documents import Journal
from settlement.accounting.schemas import JSON, BookQuerySchema, JournalQuerySchema, JournalSchema
from settlement.accounting.service import BEANCOUNT, CSV, WRITERS, book_through, journal_of
from settlement.accounting.show import journal_as_json
from tenants.credentials.rules import HQ, READ, SETTLEMENT, STAFF
from tenants.credentials.service import Principal
from tenants.credentials.web import authenticated
from tenants.foundation.months import parse_month
from tenants.foundation.openapi import refusals
from tenants.foundation.web import answer, query

journals = APIBlueprint("journals", __name__, url_prefix="/v1/settlement", tag="Accounting")

MEDIA_TYPES = {CSV: "text/csv", BEANCOUNT: "text/plain"}
A_TEXT: dict[str, Any] = {"schema": {"type": "string"}}
AS_TEXT: dict[int | str, dict[str, Any]] = {200: {"content": dict.fromkeys(MEDIA_TYPES.values(), A_TEXT)}}


@journals.get("/windows/<month>/journal")
@authenticated(HQ, STAFF, scope=(READ, SETTLEMENT))
@query(JournalQuerySchema)
@journals.output(JournalSchema)
@journals.doc(responses=AS_TEXT)
@refusals(also={409})
def get_journal(principal: Principal, month: str, query: dict[str, Any]) -> Response:
    """What an approved settlement is booked as, in double entry

    Dated the last day of the month. It never changes.
    """
    return in_format(journal_of(principal.tenant_id, parse_month(month), query["breakage_to"]), query["format"])


@journals.get("/journal")
@authenticated(HQ, STAFF, scope=(READ, SETTLEMENT))
@query(BookQuerySchema)
@journals.output(JournalSchema)
@journals.doc(responses=AS_TEXT)
@refusals(also={409})
def get_book(principal: Principal, query: dict[str, Any]) -> Response:
    """All entries until a day: approved settlements, payments, and disputes that were accepted afterwards"""
    return in_format(book_through(principal.tenant_id, query.get("to"), query["breakage_to"]), query["format"])


def in_format(journal: Journal, format: str) -> Response:
    if format == JSON:
        return answer(journal_as_json(journal))
    return Response(WRITERS[format](journal), mimetype=MEDIA_TYPES[format])
