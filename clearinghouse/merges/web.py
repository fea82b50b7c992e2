from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint, Schema
from flask import Response
from marshmallow import fields

from clearinghouse.directory.schemas import reason_field
from clearinghouse.directory.service import show_who
from clearinghouse.ledger.service import REPLAYED
from clearinghouse.merges.service import merge_members
from clearinghouse.pos.schemas import TransferSchema
from clearinghouse.pos.service import show_transfer
from tenants.credentials.rules import DIRECTORY, HQ
from tenants.credentials.service import Principal
from tenants.credentials.web import authenticated
from tenants.foundation import ids
from tenants.foundation.openapi import replays
from tenants.foundation.web import answer, body

merges = APIBlueprint("merges", __name__, url_prefix="/v1", tag="Directory")


class MergeSchema(Schema):
    into = fields.String(required=True, metadata={"description": "The member who stays", "example": "mem_…"})
    reason = reason_field()


@merges.post("/members/<member_id>/merge")
@authenticated(HQ, scope=DIRECTORY)
@body(MergeSchema)
@merges.output(TransferSchema, status_code=201)
@replays
def post_merge(principal: Principal, member_id: str, body: dict[str, Any]) -> Response:
    """Merge a member into another one

    Cards, points, with the expiry and the funder they have, and debts become the other's; the cards go on working.
    It can't be undone. The answer is the transfer that the points came by.
    """
    merged_id, kept_id = ids.parse(ids.MEMBER, member_id), ids.parse(ids.MEMBER, body["into"])
    result = merge_members(principal.tenant_id, merged_id, kept_id, show_who(principal), body.get("reason"))
    assert result.transfer is not None
    headers = {"Idempotent-Replayed": "true"} if result.outcome == REPLAYED else None
    return answer(show_transfer(result.transfer, principal.currency, None, None), 201, headers)
