"""Funding and redemption rates, under /v1/settlement/rates."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint
from flask import Response

from settlement.rates.schemas import NewRateSchema, RateListSchema, RateSchema
from settlement.rates.service import end_rate, list_gaps, list_rates, set_rate, withdraw_rate
from settlement.rates.show import show_gap, show_rate_row
from settlement.validity.schemas import EffectiveQuerySchema, EndSchema
from tenants.credentials.rules import HQ, PREPARE, READ, SETTLEMENT, STAFF
from tenants.credentials.service import Principal, show_caller
from tenants.credentials.web import authenticated
from tenants.foundation import ids
from tenants.foundation.openapi import refusals
from tenants.foundation.web import answer, body, query

rates = APIBlueprint("rates", __name__, url_prefix="/v1/settlement/rates", tag="Rates, fees and terms")


@rates.get("")
@authenticated(HQ, STAFF, scope=(READ, SETTLEMENT))
@query(EffectiveQuerySchema)
@rates.output(RateListSchema)
@refusals(also={404})
def get_rates(principal: Principal, query: dict[str, Any]) -> Response:
    """The rates, the network's own first, and the days that have none"""
    found = list_rates(principal.tenant_id, query.get("participant"), query["withdrawn"])
    gaps = [show_gap(*gap) for gap in list_gaps(principal.tenant_id)]
    return answer({"rates": [show_rate_row(*row) for row in found], "gaps": gaps})


@rates.post("")
@authenticated(HQ, STAFF, scope=(SETTLEMENT, PREPARE))
@body(NewRateSchema)
@rates.output(RateSchema, status_code=201)
@refusals(also={404})
def post_rate(principal: Principal, body: dict[str, Any]) -> Response:
    """Set a rate from a day on

    A rate without an end that began earlier ends the day before. A change by more than ten times is refused with
    `confirmation_needed` unless `confirm` is true.
    """
    row = set_rate(
        principal.tenant_id,
        body["funding_rate"],
        body["redemption_rate"],
        body["valid_from"],
        show_caller(principal),
        body.get("valid_until"),
        body.get("participant"),
        body["confirm"],
    )
    return answer(show_rate_row(*row), 201)


@rates.post("/<rate_id>/withdraw")
@authenticated(HQ, STAFF, scope=(SETTLEMENT, PREPARE))
@rates.output(RateSchema)
def post_rate_withdrawal(principal: Principal, rate_id: str) -> Response:
    """Withdraw a rate that should never have been set

    What it had ended stays ended, so set another for its days.
    """
    parsed = ids.parse(ids.RATE, rate_id)
    return answer(show_rate_row(*withdraw_rate(principal.tenant_id, parsed, show_caller(principal))))


@rates.post("/<rate_id>/end")
@authenticated(HQ, STAFF, scope=(SETTLEMENT, PREPARE))
@body(EndSchema)
@rates.output(RateSchema)
def post_rate_end(principal: Principal, rate_id: str, body: dict[str, Any]) -> Response:
    """Give a rate its last day

    After a participant's own rate the network's holds for it again.
    """
    parsed = ids.parse(ids.RATE, rate_id)
    row = end_rate(principal.tenant_id, parsed, body["valid_until"], show_caller(principal))
    return answer(show_rate_row(*row))
