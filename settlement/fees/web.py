"""Fees, under /v1/settlement/fees."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint
from flask import Response

from settlement.fees.schemas import FeeListSchema, FeeSchema, NewFeeSchema
from settlement.fees.service import end_fee, list_fees, set_fee, withdraw_fee
from settlement.fees.show import show_fee
from settlement.validity.schemas import EffectiveQuerySchema, EndSchema
from tenants.credentials.rules import HQ, PREPARE, READ, SETTLEMENT, STAFF
from tenants.credentials.service import Principal, show_caller
from tenants.credentials.web import authenticated
from tenants.foundation import ids
from tenants.foundation.openapi import refusals
from tenants.foundation.web import answer, body, query

fees = APIBlueprint("fees", __name__, url_prefix="/v1/settlement/fees", tag="Rates, fees and terms")


@fees.get("")
@authenticated(HQ, STAFF, scope=(READ, SETTLEMENT))
@query(EffectiveQuerySchema)
@fees.output(FeeListSchema)
@refusals(also={404})
def get_fees(principal: Principal, query: dict[str, Any]) -> Response:
    """The fees, everybody's first"""
    found = list_fees(principal.tenant_id, query.get("participant"), query["withdrawn"])
    return answer({"fees": [show_fee(*row) for row in found]})


@fees.post("")
@authenticated(HQ, STAFF, scope=(SETTLEMENT, PREPARE))
@body(NewFeeSchema)
@fees.output(FeeSchema, status_code=201)
@refusals(also={404})
def post_fee(principal: Principal, body: dict[str, Any]) -> Response:
    """Set a fee from a day on

    A fee of the same code without an end that began earlier ends the day before. A monthly fee is the one in force on
    the first of the month. A change by more than ten times, or a share of more than half, is refused with
    `confirmation_needed` unless `confirm` is true.
    """
    row = set_fee(
        principal.tenant_id,
        body["code"],
        body["basis"],
        body["rate"],
        body["tax_rate"],
        body["valid_from"],
        show_caller(principal),
        body.get("valid_until"),
        body.get("participant"),
        body["confirm"],
    )
    return answer(show_fee(*row), 201)


@fees.post("/<fee_id>/withdraw")
@authenticated(HQ, STAFF, scope=(SETTLEMENT, PREPARE))
@fees.output(FeeSchema)
def post_fee_withdrawal(principal: Principal, fee_id: str) -> Response:
    """Withdraw a fee that should never have been set

    What it had ended stays ended, so set another for its days.
    """
    parsed = ids.parse(ids.FEE, fee_id)
    return answer(show_fee(*withdraw_fee(principal.tenant_id, parsed, show_caller(principal))))


@fees.post("/<fee_id>/end")
@authenticated(HQ, STAFF, scope=(SETTLEMENT, PREPARE))
@body(EndSchema)
@fees.output(FeeSchema)
def post_fee_end(principal: Principal, fee_id: str, body: dict[str, Any]) -> Response:
    """Give a fee its last day

    After a participant's own fee everybody's of the same code holds for it again.
    """
    parsed = ids.parse(ids.FEE, fee_id)
    return answer(show_fee(*end_fee(principal.tenant_id, parsed, body["valid_until"], show_caller(principal))))
