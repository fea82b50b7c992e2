from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint
from flask import Response

from clearinghouse.pos.events import earned, purchase_lines
from clearinghouse.pos.refusals import refusal
from clearinghouse.pos.schemas import QuoteAnswerSchema, QuoteSchema
from clearinghouse.programme.service import programme_at
from clearinghouse.quotes.service import redeemable, usable_balance
from tenants.credentials.rules import READ, TERMINAL
from tenants.credentials.service import Principal
from tenants.credentials.web import authenticated
from tenants.foundation import clock
from tenants.foundation.openapi import refusals
from tenants.foundation.web import answer, body
from tenants.stores.rules import BLOCKED
from tenants.verification.rules import needed

quotes = APIBlueprint("quotes", __name__, url_prefix="/v1", tag="Points of sale")


@quotes.post("/quotes")
@authenticated(TERMINAL, scope=READ)
@body(QuoteSchema)
@quotes.output(QuoteAnswerSchema)
@refusals(also={404}, never={409})
def post_quote(principal: Principal, body: dict[str, Any]) -> Response:
    """What this bill would earn, and the most that may be redeemed on it

    Writes nothing and promises nothing: another till may be quicker. To be sure of the points, place a hold.
    """
    if body.get("currency", principal.currency) != principal.currency:
        raise refusal("wrong_currency", None)
    now = clock.now()
    programme = programme_at(principal.tenant_id, now)
    points = usable_balance(principal.tenant_id, body["card"], clock.business_date(now, principal.time_zone))
    most, amount = redeemable(programme, body["amount"], points)
    lines = purchase_lines(programme, body)
    return answer(
        {
            "card": body["card"],
            "amount": body["amount"],
            "currency": principal.currency,
            "earns": 0 if principal.issuing == BLOCKED else earned(programme, body["amount"], lines),
            "available": points.available,
            "deficit": points.deficit,
            "redeemable": {
                "points": most,
                "amount": amount,
                "minimum_points": programme.terms.minimum_points,
                "step_points": programme.terms.step_points,
                "needs": needed(amount, programme.terms.pin_from, programme.terms.code_from),
            },
            "programme_version": programme.version,
        }
    )
