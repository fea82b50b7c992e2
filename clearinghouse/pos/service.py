"""From what a till says to what the ledger posts, for one event or thousands: the same path."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

import psycopg2
from marshmallow import Schema

from clearinghouse.ledger import service as posting
from clearinghouse.ledger.service import Event, PostingResult, TransferRecord
from clearinghouse.pos.events import event_of
from clearinghouse.pos.refusals import refusal
from clearinghouse.pos.schemas import (
    AccrualSchema,
    BatchedCaptureSchema,
    BatchedRedemptionSchema,
    BatchedVoidSchema,
    HoldSchema,
    ReversalSchema,
)
from clearinghouse.sequences.rules import is_sequence
from tenants.credentials.rules import ACCRUE, REDEEM, REVERSE
from tenants.credentials.service import Principal, check_scope
from tenants.foundation import ids
from tenants.foundation.database_errors import explain_database_error
from tenants.foundation.errors import ClearinghouseError, InvalidInput
from tenants.foundation.months import month_of, show_month
from tenants.foundation.payment_cards import refuse_payment_cards_in
from tenants.foundation.web import load

log = logging.getLogger(__name__)

# Events a call of the posting function: it holds their members' wallets until it commits, so not all 5,000.
CHUNK_EVENTS = 250

Outcome = PostingResult | ClearinghouseError

# What an event of a batch may be.
SCHEMAS: dict[str, Schema] = {
    "accrual": AccrualSchema(),
    "redemption": BatchedRedemptionSchema(),
    "reversal": ReversalSchema(),
    "hold": HoldSchema(),
    "capture": BatchedCaptureSchema(),
    "void": BatchedVoidSchema(),
}
# Transfers that settle a hold.
RESOLUTIONS = ("capture", "void", "hold_expiry")
# What an event of a batch needs; one by itself is asked for the same by its route.
EVENT_SCOPES = {
    "accrual": ACCRUE,
    "redemption": REDEEM,
    "reversal": REVERSE,
    "hold": REDEEM,
    "capture": REDEEM,
    "void": REDEEM,
}


def post_one(principal: Principal, kind: str, body: dict[str, Any], key: str) -> PostingResult:
    """Raises the refusal as an error."""
    outcome = post_event(principal.tenant_id, event_of(principal, kind, body, key))
    if isinstance(outcome, ClearinghouseError):
        raise outcome
    return outcome


def post_batch(
    principal: Principal, bodies: Sequence[dict[str, Any]], refusals: Mapping[int, ClearinghouseError]
) -> Iterator[tuple[Sequence[dict[str, Any]], list[Outcome]]]:
    """Chunks of events, each with its results or refusals, in order.

    Posts as it goes, so that no more than a chunk is held in memory. Events that are not well formed, and those
    at the places of `refusals`, do not stop the others.
    """
    for start in range(0, len(bodies), CHUNK_EVENTS):
        chunk = bodies[start : start + CHUNK_EVENTS]
        prepared = [refusals.get(place) or prepare(principal, body) for place, body in enumerate(chunk, start)]
        yield chunk, post_prepared(principal, prepared)


def post_prepared(principal: Principal, prepared: Sequence[Event | ClearinghouseError]) -> list[Outcome]:
    events = [item for item in prepared if isinstance(item, dict)]
    posted = iter(post_events(principal.tenant_id, events) if events else [])
    return [item if isinstance(item, ClearinghouseError) else next(posted) for item in prepared]


def post_events(tenant_id: UUID, events: list[Event]) -> list[Outcome]:
    """One event that the database can't take must not keep the others in a till's queue for ever."""
    try:
        return [settle(result) for result in posting.ledger().post(tenant_id, events)]
    except (psycopg2.DataError, psycopg2.IntegrityError):
        return [post_event(tenant_id, event) for event in events]


def post_event(tenant_id: UUID, event: Event) -> Outcome:
    try:
        return settle(posting.ledger().post_one(tenant_id, event))
    except (psycopg2.DataError, psycopg2.IntegrityError) as error:
        log.warning("an event was refused by the database: %s", error)
        return explain_database_error(error) or refusal("not_postable", None)


def settle(result: PostingResult) -> Outcome:
    return refusal(result.code, result.detail) if result.outcome == posting.REFUSED else result


def prepare(principal: Principal, body: dict[str, Any]) -> Event | ClearinghouseError:
    try:
        refuse_payment_cards_in(body)
        fields = dict(body)
        kind, key = fields.pop("kind", None), fields.pop("idempotency_key", None)
        was_queued = is_sequence(fields.pop("sequence", None))
        if not isinstance(kind, str) or kind not in SCHEMAS:
            raise InvalidInput(f"kind must be one of {', '.join(SCHEMAS)}.", code="invalid_kind")
        check_scope(principal, EVENT_SCOPES[kind])
        check_idempotency_key(key)
        return event_of(principal, kind, load(SCHEMAS[kind], fields), key, was_queued)
    except ClearinghouseError as error:
        return error


def check_idempotency_key(key: object) -> None:
    if not key:
        raise InvalidInput(
            "Send an Idempotency-Key: a new one for each event, the same one when you try it again.",
            code="idempotency_key_missing",
        )
    if not (isinstance(key, str) and len(key) <= 128 and key.isascii() and key.isprintable() and " " not in key):
        raise InvalidInput(
            "An Idempotency-Key has 1 to 128 printable ASCII characters without spaces.",
            code="idempotency_key_invalid",
        )


def show_transfer(
    transfer: TransferRecord, currency: str, store_code: str | None, card: str | None
) -> dict[str, Any]:
    """A transfer as JSON, in the shape of `TransferSchema`."""
    reverses = transfer.reverses_transfer_id
    hold_id = transfer.transfer_id if transfer.kind == "hold" else None
    if transfer.kind in RESOLUTIONS:
        hold_id = transfer.refers_to_transfer_id
    return {
        "transfer_id": ids.show(ids.TRANSFER, transfer.transfer_id),
        "kind": transfer.kind,
        "store": store_code,
        "card": card,
        "order_ref": transfer.order_ref,
        "reverses_transfer_id": ids.show(ids.TRANSFER, reverses) if reverses else None,
        "hold_id": ids.show(ids.HOLD, hold_id) if hold_id else None,
        "points": transfer.points,
        "amount": transfer.amount,
        "currency": currency,
        "deficit_change": transfer.deficit_change,
        "available": transfer.available_after,
        "deficit": transfer.deficit_after,
        "programme_version": transfer.programme_version,
        "occurred_at": transfer.occurred_at.isoformat(),
        "posted_at": transfer.posted_at.isoformat(),
        "business_date": transfer.business_date.isoformat(),
        "settlement_month": show_month(transfer.settlement_month),
        "late": month_of(transfer.business_date) != transfer.settlement_month,
    }
