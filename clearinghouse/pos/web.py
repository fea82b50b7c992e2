"""The face that tills see, under /v1."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any, TypeVar

from apiflask import APIBlueprint
from apiflask.scaffold import _annotate
from flask import Response, request

from clearinghouse.ledger import queries
from clearinghouse.ledger.service import REPLAYED, PostingResult, record_of
from clearinghouse.pos import service
from clearinghouse.pos.balances import card_balance
from clearinghouse.pos.schemas import (
    AccrualSchema,
    BatchAnswerSchema,
    BatchSchema,
    CardBalanceSchema,
    IdempotencyHeaderSchema,
    RedemptionSchema,
    ReversalSchema,
    TransferPageSchema,
    TransferQuerySchema,
    TransferSchema,
)
from clearinghouse.sequences.rules import is_sequence
from clearinghouse.sequences.service import TillReport
from tenants.credentials.rules import ACCRUE, HQ, READ, REDEEM, REVERSE, STAFF, TERMINAL
from tenants.credentials.service import Principal
from tenants.credentials.web import authenticated
from tenants.foundation import clock, ids
from tenants.foundation.database import unit_of_work
from tenants.foundation.errors import ClearinghouseError
from tenants.foundation.metrics import count_batch_refusal
from tenants.foundation.openapi import refusals, replays
from tenants.foundation.web import answer, answer_page, body, id_cursor, json_bytes, json_response, query
from tenants.verification.rules import split_scanned

pos = APIBlueprint("pos", __name__, url_prefix="/v1", tag="Points of sale")

Shown = Callable[[PostingResult], dict[str, Any]]
View = TypeVar("View", bound=Callable[..., Any])


def idempotent(view: View) -> View:
    """Documents the header that `post` asks for, and what it can answer: the body names what it is about."""
    _annotate(view, args=[(IdempotencyHeaderSchema(), "headers")])
    return replays(refusals(also={404})(view))


NOT_LATE = {"late": False}


def post(principal: Principal, kind: str, event: dict[str, Any], more: Shown = lambda result: {}) -> Response:
    """`more`: what the answer says besides the transfer."""
    key = request.headers.get("Idempotency-Key")
    service.check_idempotency_key(key)
    result = service.post_one(principal, kind, event, key or "")
    headers = {"Idempotent-Replayed": "true"} if result.outcome == REPLAYED else None
    return answer({**show_result(principal, result), **more(result)}, 201, headers)


def show_result(principal: Principal, result: PostingResult) -> dict[str, Any]:
    assert result.transfer is not None
    return service.show_transfer(result.transfer, principal.currency, principal.store_code, result.card)


@pos.post("/accruals")
@authenticated(TERMINAL, scope=ACCRUE)
@body(AccrualSchema)
@pos.output(TransferSchema, status_code=201)
@idempotent
def post_accrual(principal: Principal, body: dict[str, Any]) -> Response:
    """Issue points for a purchase

    The points are what the programme grants for `amount`. A purchase of 0 is recorded and earns nothing.
    """
    return post(principal, "accrual", body)


@pos.post("/redemptions")
@authenticated(TERMINAL, scope=REDEEM)
@body(RedemptionSchema)
@pos.output(TransferSchema, status_code=201)
@idempotent
def post_redemption(principal: Principal, body: dict[str, Any]) -> Response:
    """Redeem points

    So many `points`, or what pays for `amount`; the answer shows both. Points are rounded up to what pays for an
    amount, amounts down to what points pay for, so that a bill paid in parts never costs fewer points. Refused with
    `insufficient_points` if there are too few.
    """
    return post(principal, "redemption", body)


@pos.post("/reversals")
@authenticated(TERMINAL, scope=REVERSE)
@body(ReversalSchema)
@pos.output(TransferSchema, status_code=201)
@idempotent
def post_reversal(principal: Principal, body: dict[str, Any]) -> Response:
    """Reverse an accrual or a redemption, all that is left of it or a part

    In any store of the network. Of a purchase the member keeps what the rest of it would have earned: by lines as
    the programme has it, else in proportion, rounded down on the total. Redeemed points go back to the lots that
    they came from. Earned points that have been spent are a deficit that the next points repay, or borne by this
    store, as the network has it.
    """
    return post(principal, "reversal", body)


@pos.post("/batches")
@authenticated(TERMINAL, scope=(ACCRUE, REDEEM, REVERSE))
@body(BatchSchema, parts="events")
@pos.output(BatchAnswerSchema)
@refusals(never={409})
def post_batch(principal: Principal, body: dict[str, Any]) -> Response:
    """Post up to 5,000 events

    One result an event, in the same order; a refused event does not stop the others. Send the same batch
    again when no answer came: nothing is posted twice. When the events carry the till's own `sequence`, the answer
    says which numbers are missing. Each event needs the scope that it needs by itself. The whole batch counts as one
    request.
    """
    report = TillReport(principal, body)
    counts = dict.fromkeys(("posted", "replayed", "refused", "late"), 0)
    places = count()
    # One piece for each chunk: five thousand results as dicts are twenty times as large, and as pieces of their own
    # they leave holes in the worker's memory.
    pieces: list[bytes] = []
    for events, outcomes in service.post_batch(principal, body["events"], report.refusals):
        settled: list[tuple[object, str]] = []
        results: list[bytes] = []
        for event, outcome in zip(events, outcomes, strict=True):
            shown = show_outcome(principal, next(places), outcome, event)
            counts[shown["outcome"]] += 1
            counts["late"] += shown.get("transfer", NOT_LATE)["late"]
            settled.append((event.get("sequence"), shown["outcome"]))
            results.append(json_bytes(shown))
        pieces.append(b",".join(results))
        report.record(settled)
    # Joined once: the answer to five thousand is 2.5 MB.
    pieces[0] = json_bytes(counts | report.show())[:-1] + b',"results":[' + pieces[0]
    pieces[-1] += b"]}"
    return json_response(b",".join(pieces))


def show_outcome(
    principal: Principal,
    index: int,
    outcome: PostingResult | ClearinghouseError,
    event: dict[str, Any],
) -> dict[str, Any]:
    place = {"index": index}
    if is_sequence(event.get("sequence")):
        place["sequence"] = event["sequence"]
    if isinstance(outcome, ClearinghouseError):
        count_batch_refusal(outcome.code)
        problem = {"code": outcome.code, "detail": outcome.message, **outcome.details}
        return {**place, "outcome": "refused", "problem": problem}
    return {**place, "outcome": outcome.outcome, "transfer": show_result(principal, outcome)}


@pos.get("/cards/<number>")
@authenticated(TERMINAL, HQ, STAFF, scope=READ)
@pos.output(CardBalanceSchema)
def get_card(principal: Principal, number: str) -> Response:
    """What a card's member can redeem now"""
    number = split_scanned(number)[0]
    found = card_balance(principal.tenant_id, number, clock.business_date(clock.now(), principal.time_zone))
    balance = found.balance
    expiring = balance.expires_on and {
        "points": balance.expiring_next,
        "expires_on": balance.expires_on.isoformat(),
    }
    return answer(
        {
            "card": number,
            "status": found.status,
            "registered": found.is_registered,
            "available": balance.available,
            "held": balance.held,
            "deficit": balance.deficit,
            "expiring_next": expiring,
        }
    )


@pos.get("/transfers")
@authenticated(TERMINAL, HQ, STAFF, scope=READ)
@query(TransferQuerySchema)
@pos.output(TransferPageSchema)
def list_transfers(principal: Principal, query: dict[str, Any]) -> Response:
    """List transfers, newest first

    A terminal sees those of its store, head office all. Go on with `next_cursor` until it is null.
    """
    limit, before = query["limit"], id_cursor(ids.TRANSFER, query)
    with unit_of_work(principal.tenant_id) as session:
        rows = queries.list_transfers(
            session, limit + 1, before, principal.store_id, query.get("card"), query.get("order_ref")
        )
    shown = [
        service.show_transfer(record_of(transfer), principal.currency, store_code, number)
        for transfer, store_code, number in rows
    ]
    return answer_page("transfers", shown, limit, "transfer_id")
