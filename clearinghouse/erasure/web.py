"""Members erased, and the certificates of it, under /v1."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint
from flask import Response

from clearinghouse.directory.service import show_who
from clearinghouse.erasure.rules import check_confirmation
from clearinghouse.erasure.schemas import ErasureSchema, NewErasureSchema
from clearinghouse.erasure.service import erase_member, find_erasure, show_erasure
from tenants.credentials.rules import DIRECTORY, HQ, READ, STAFF
from tenants.credentials.service import Principal
from tenants.credentials.web import authenticated
from tenants.foundation import ids
from tenants.foundation.openapi import replays
from tenants.foundation.web import answer, body

erasure = APIBlueprint("erasure", __name__, url_prefix="/v1", tag="Directory")


@erasure.post("/members/<member_id>/erasure")
@authenticated(HQ, scope=DIRECTORY)
@body(NewErasureSchema)
@erasure.output(ErasureSchema, status_code=201)
@replays
def post_erasure(principal: Principal, member_id: str, body: dict[str, Any]) -> Response:
    """Erase a member, for good

    Reference, name, phone, email, PIN, wallet and payment cards are gone, and the cards have other numbers, which no
    till takes; transfers and lots stay, and nobody can tell whose they were. Refused while the member has points
    (unless they are to be forfeited: they expire then), holds or debts. Erasing again answers with the certificate of
    the first time.
    """
    parsed = ids.parse(ids.MEMBER, member_id)
    check_confirmation(member_id, body["confirm"])
    erased = erase_member(principal.tenant_id, parsed, body["reason"], show_who(principal), body["forfeit_points"])
    headers = {"Idempotent-Replayed": "true"} if erased.is_repeated else None
    return answer(show_erasure(erased.erasure), 201, headers)


@erasure.get("/members/<member_id>/erasure")
@authenticated(HQ, STAFF, scope=(READ, DIRECTORY))
@erasure.output(ErasureSchema)
def get_erasure(principal: Principal, member_id: str) -> Response:
    """The certificate of a member who was erased: by whom, when, why, and how much of what"""
    return answer(show_erasure(find_erasure(principal.tenant_id, ids.parse(ids.MEMBER, member_id))))
