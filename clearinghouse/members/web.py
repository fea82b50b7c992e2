"""Members found by phone, and all that is kept of one, under /v1."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint
from flask import Response, current_app

from clearinghouse.members.schemas import ExportSchema, FoundSchema, SearchSchema
from clearinghouse.members.service import export_member, show_found, show_to_till
from tenants.credentials.rules import DIRECTORY, HQ, READ, REGISTER, STAFF, TERMINAL
from tenants.credentials.service import Principal
from tenants.credentials.web import authenticated
from tenants.foundation import ids
from tenants.foundation.errors import TooManyRequests
from tenants.foundation.openapi import refusals
from tenants.foundation.rate_limits import REFUSED, Limit, RateLimiter
from tenants.foundation.web import answer, body
from tenants.members.service import find_by_phone

members = APIBlueprint("members", __name__, url_prefix="/v1", tag="Directory")

# Of a till: more than any queue at a counter needs, too few to try through the numbers of a town.
SEARCHES = Limit(200, 3600)


@members.post("/member-search")
@authenticated(TERMINAL, HQ, STAFF, scope={TERMINAL: REGISTER, HQ: (READ, DIRECTORY), STAFF: READ})
@body(SearchSchema, phone="phone")
@members.output(FoundSchema)
@refusals(also={500}, never={409})
def post_search(principal: Principal, body: dict[str, Any]) -> Response:
    """Find members by phone number

    A POST, because addresses end in logs. None, one, or several: people of a household share numbers. A terminal is
    shown initials, last digits and the active cards, and may ask 200 times an hour; head office is shown all that it
    sees elsewhere.
    """
    if principal.role == TERMINAL:
        count_search(principal)
    found = find_by_phone(principal.tenant_id, body["phone"], body.get("country"))
    if principal.role == TERMINAL:
        return answer({"members": [show_to_till(member, cards) for member, cards in found]})
    in_full = DIRECTORY in principal.scopes
    return answer({"members": [show_found(member, cards, in_full) for member, cards in found]})


def count_search(principal: Principal) -> None:
    limiter: RateLimiter | None = current_app.extensions["rate_limiter"]
    if limiter is not None and limiter.take(f"{principal.credential_id.hex}:search", SEARCHES) == REFUSED:
        raise TooManyRequests(
            f"A till may search by phone {SEARCHES.quota} times an hour: wait a minute, or ask for the card.",
            code="too_many_searches",
        )


@members.get("/members/<member_id>/export")
@authenticated(HQ, scope=DIRECTORY)
@members.output(ExportSchema)
@refusals(also={500})
def get_export(principal: Principal, member_id: str) -> Response:
    """All that is kept of a member, as the member may ask for"""
    return answer(export_member(principal.tenant_id, ids.parse(ids.MEMBER, member_id)))
