"""The face that HQ finance sees, under /v1/settlement."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response

from settlement.windows.schemas import (
    ClosedWindowSchema,
    WindowListSchema,
)
from settlement.windows.service import close_month, day_close_differences_of, list_windows
from settlement.windows.show import show_closed_window, show_window
from tenants.credentials.rules import HQ, PREPARE, READ, SETTLEMENT, STAFF
from tenants.credentials.service import Principal, show_caller
from tenants.credentials.web import authenticated
from tenants.foundation.months import parse_month, show_month
from tenants.foundation.openapi import refusals
from tenants.foundation.web import answer

settlement = APIBlueprint("settlement", __name__, url_prefix="/v1/settlement", tag="Settlement")


@settlement.get("/windows")
@authenticated(HQ, STAFF, scope=(READ, SETTLEMENT))
@settlement.output(WindowListSchema)
def get_windows(principal: Principal) -> Response:
    """List the closed months, oldest first, and the first open one"""
    windows, first_open = list_windows(principal.tenant_id)
    differences = day_close_differences_of(principal.tenant_id, windows)
    shown = [show_window(w, differences.get(w.month)) for w in windows]
    return answer({"windows": shown, "first_open_month": show_month(first_open)})


@settlement.get("/windows/<month>")
@authenticated(HQ, STAFF, scope=(READ, SETTLEMENT))
@settlement.output(ClosedWindowSchema)
def get_window(principal: Principal, month: str) -> Response:
    """A closed month: its points, what was proven of them, its calendar and its states"""
    return answer(show_closed_window(principal.tenant_id, parse_month(month)))


@settlement.post("/windows/<month>/close")
@authenticated(HQ, STAFF, scope=(SETTLEMENT, PREPARE))
@settlement.output(ClosedWindowSchema)
@refusals(also={500}, never={404})
def post_close(principal: Principal, month: str) -> Response:
    """Close a month and publish its points

    Months close in turn, once they are over. Send it again after an interruption: it goes on where it was.
    """
    day = parse_month(month)
    close_month(principal.tenant_id, day, show_caller(principal))
    return answer(show_closed_window(principal.tenant_id, day))
