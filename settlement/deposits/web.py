"""What stores have lodged with head office, under /v1/settlement."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint
from flask import Response

from settlement.deposits.rules import LODGED
from settlement.deposits.schemas import DepositListSchema, DepositSchema, NewDepositSchema
from settlement.deposits.service import list_deposits, lodge_deposit, return_deposit, use_deposit
from settlement.deposits.show import show_deposit
from tenants.credentials.rules import HQ, OWN, PAY, READ, SETTLEMENT, STAFF
from tenants.credentials.service import Principal
from tenants.credentials.web import authenticated
from tenants.foundation import ids
from tenants.foundation.web import answer, body
from tenants.staff.service import actor_of
from tenants.stores.service import check_own

deposits = APIBlueprint("deposits", __name__, url_prefix="/v1/settlement", tag="Exposure and deposits")


@deposits.get("/exposures/<store>/deposits")
@authenticated(HQ, STAFF, scope=(READ, SETTLEMENT, OWN))
@deposits.output(DepositListSchema)
def get_deposits(principal: Principal, store: str) -> Response:
    """What a store has lodged, and every movement, newest first

    An owner sees those of the own stores.
    """
    check_own(principal.tenant_id, principal.participant_id, store)
    rows = list_deposits(principal.tenant_id, store)
    return answer({"balance": rows[0].balance if rows else 0, "deposits": [show_deposit(row, store) for row in rows]})


@deposits.post("/exposures/<store>/deposits")
@authenticated(STAFF, scope=PAY)
@body(NewDepositSchema)
@deposits.output(DepositSchema, status_code=201)
def post_deposit(principal: Principal, store: str, body: dict[str, Any]) -> Response:
    """Book what a store has lodged, or was returned

    It lowers the store's exposure at once. The same reference is booked once.
    """
    booked = lodge_deposit if body["kind"] == LODGED else return_deposit
    row = booked(principal.tenant_id, store, body["amount"], body["reference"], actor_of(principal))
    return answer(show_deposit(row, store), 201)


@deposits.post("/legs/<leg_id>/deposit")
@authenticated(STAFF, scope=PAY)
@deposits.output(DepositSchema, status_code=201)
def post_use(principal: Principal, leg_id: str) -> Response:
    """Pay a failed leg of a store from its deposit

    The leg is confirmed, for the reason `deposit`; no other leg changes.
    """
    row, store = use_deposit(principal.tenant_id, ids.parse(ids.LEG, leg_id), actor_of(principal))
    return answer(show_deposit(row, store), 201)
