"""The end of a till's day, under /v1."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response

from clearinghouse.dayclose import service
from clearinghouse.dayclose.queries import BEGINNING, Place
from clearinghouse.dayclose.schemas import (
    AcceptanceSchema,
    ComparedDaySchema,
    DayClosePageSchema,
    DayCloseQuerySchema,
    NewDayCloseSchema,
)
from clearinghouse.dayclose.service import parse_day, show_compared_day, show_day
from tenants.credentials.rules import CLOSE, HQ, PREPARE, READ, SETTLEMENT, STAFF, TERMINAL
from tenants.credentials.service import Principal, show_caller
from tenants.credentials.web import authenticated
from tenants.foundation import ids
from tenants.foundation.errors import Forbidden, InvalidInput
from tenants.foundation.openapi import refusals, replays
from tenants.foundation.web import answer, body, query

day_closes = APIBlueprint("day_closes", __name__, url_prefix="/v1", tag="Day closes")


@day_closes.post("/day-closes")
@authenticated(TERMINAL, scope=CLOSE)
@body(NewDayCloseSchema)
@day_closes.output(ComparedDaySchema, status_code=201)
@refusals(never={409})
@replays
def post_day_close(principal: Principal, body: dict[str, Any]) -> Response:
    """Close this terminal's business day

    Compares the till's totals with what the ledger has of this terminal and day, and its entries order by order.
    Close a day again as often as you like: the newest close counts. The same close sent again is answered with
    `Idempotent-Replayed: true`; no Idempotency-Key is needed.
    """
    day, is_repeat = service.close_day(principal, body)
    return answer(show_compared_day(day), 201, {"Idempotent-Replayed": "true"} if is_repeat else None)


@day_closes.get("/day-closes")
@authenticated(TERMINAL, HQ, STAFF, scope=(CLOSE, READ, SETTLEMENT))
@query(DayCloseQuerySchema)
@day_closes.output(DayClosePageSchema)
def get_day_closes(principal: Principal, query: dict[str, Any]) -> Response:
    """List the days of terminals as they compare with the ledger now

    A terminal sees its own, head office all. A day with transfers and no close is listed as missing, from the first
    day on that its terminal closed. Go on with `next_cursor` until it is null.
    """
    limit = query["limit"]
    terminal_id = only_own(principal, query["terminal_id"]) if "terminal_id" in query else principal.terminal_id
    days = service.list_days(
        principal.tenant_id,
        query.get("first"),
        query.get("last"),
        query.get("status"),
        terminal_id,
        parse_cursor(query["cursor"]) if "cursor" in query else BEGINNING,
        limit + 1,
    )
    page = [show_day(day) for day in days[:limit]]
    next_cursor = f"{page[-1]['business_date']}_{page[-1]['terminal_id']}" if len(days) > limit else None
    return answer({"day_closes": page, "next_cursor": next_cursor})


@day_closes.get("/day-closes/<terminal_id>/<business_date>")
@authenticated(TERMINAL, HQ, STAFF, scope=(CLOSE, READ, SETTLEMENT))
@day_closes.output(ComparedDaySchema)
def get_day_close(principal: Principal, terminal_id: str, business_date: str) -> Response:
    """A terminal's day: its newest close beside the ledger as it is now"""
    day = service.find_day(principal.tenant_id, only_own(principal, terminal_id), parse_day(business_date))
    return answer(show_compared_day(day))


@day_closes.post("/day-closes/<terminal_id>/<business_date>/acceptance")
@authenticated(HQ, STAFF, scope=(SETTLEMENT, PREPARE))
@body(AcceptanceSchema)
@day_closes.output(ComparedDaySchema, status_code=201)
def post_acceptance(principal: Principal, terminal_id: str, business_date: str, body: dict[str, Any]) -> Response:
    """Accept a day that differs or was not closed

    For the close and the ledger as they are now: another close, or an event that comes late, opens the day again.
    """
    day = service.accept_day(
        principal.tenant_id,
        ids.parse(ids.TERMINAL, terminal_id),
        parse_day(business_date),
        body["reason"],
        show_caller(principal),
    )
    return answer(show_compared_day(day), 201)


def only_own(principal: Principal, terminal_id: str) -> UUID:
    parsed = ids.parse(ids.TERMINAL, terminal_id)
    if principal.terminal_id not in (None, parsed):
        raise Forbidden("A terminal sees its own days only.", code="not_your_terminal")
    return parsed


def parse_cursor(text: str) -> Place:
    day, separator, terminal_id = text.partition("_")
    if not separator:
        raise InvalidInput(f"{text!r} is not a next_cursor of this list.", code="invalid_cursor")
    return parse_day(day), ids.parse(ids.TERMINAL, terminal_id)
