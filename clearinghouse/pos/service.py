"""From what a till says to what the ledger posts, for one event or thousands: the same path."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg2
from marshmallow import Schema
from sqlalchemy import select

from clearinghouse.ledger import service as posting
from clearinghouse.ledger.service import Event, Grant, PostingResult, TransferRecord
from clearinghouse.pos.refusals import refusal
from clearinghouse.pos.schemas import INTEGER_MAX, AccrualSchema, RedemptionSchema, ReversalSchema
from clearinghouse.programme.service import programme_at
from clearinghouse.sequences.rules import CLOCK_SKEW
from tenants.credentials.service import Principal
from tenants.foundation import clock, ids
from tenants.foundation.database import compact_json, unit_of_work
from tenants.foundation.database_errors import explain_database_error
from tenants.foundation.errors import ClearinghouseError, InvalidInput
from tenants.foundation.months import month_of, show_month
from tenants.foundation.web import load
from tenants.members.tables import Card
from tenants.stores.tables import Store

log = logging.getLogger(__name__)

# Events a call of the posting function: it holds their members' wallets until it commits, so not all 5,000.
CHUNK_EVENTS = 250

Outcome = PostingResult | ClearinghouseError

SCHEMAS: dict[str, Schema] = {
    "accrual": AccrualSchema(),
    "redemption": RedemptionSchema(),
    "reversal": ReversalSchema(),
}


def post_one(principal: Principal, kind: str, body: dict[str, Any], key: str) -> PostingResult:
    """Raises the refusal as an error."""
    [result] = posting.ledger().post(principal.tenant_id, [event_of(principal, kind, body, key)])
    outcome = settle(result)
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
    except (psycopg2.DataError, psycopg2.IntegrityError) as error:
        if len(events) > 1:
            return [outcome for event in events for outcome in post_events(tenant_id, [event])]
        log.warning("an event was refused by the database: %s", error)
        return [explain_database_error(error) or refusal("not_postable", None)]


def settle(result: PostingResult) -> Outcome:
    return refusal(result.code, result.detail) if result.outcome == posting.REFUSED else result


def prepare(principal: Principal, body: dict[str, Any]) -> Event | ClearinghouseError:
    try:
        fields = dict(body)
        kind, key = fields.pop("kind", None), fields.pop("idempotency_key", None)
        fields.pop("sequence", None)
        if not isinstance(kind, str) or kind not in SCHEMAS:
            raise InvalidInput(f"kind must be one of {', '.join(SCHEMAS)}.", code="invalid_kind")
        check_idempotency_key(key)
        return event_of(principal, kind, load(SCHEMAS[kind], fields), key)
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


def event_of(principal: Principal, kind: str, body: dict[str, Any], key: str) -> Event:
    """`body` has passed the schema of its kind."""
    assert principal.store_id is not None and principal.terminal_id is not None
    occurred_at = body.get("occurred_at") or clock.now()
    refusal_code = what_is_wrong(principal, body, occurred_at)
    if refusal_code is not None:
        # It won't be posted, and its day may lie beyond any calendar.
        occurred_at = clock.now()
    common = posting.common_fields(
        occurred_at,
        clock.business_date(occurred_at, principal.time_zone),
        principal.terminal_id,
        principal.store_id,
        body.get("order_ref"),
        key,
        hash_request(kind, body),
        refusal_code,
    )
    return BUILDERS[kind](principal, body, occurred_at, common)


def what_is_wrong(principal: Principal, body: dict[str, Any], occurred_at: datetime) -> str | None:
    """The code of a refusal, which the ledger gives unless the event has been posted already."""
    now = clock.now()
    if body.get("currency", principal.currency) != principal.currency:
        return "wrong_currency"
    if occurred_at > now + CLOCK_SKEW:
        return "occurred_at_in_future"
    if occurred_at < now - timedelta(days=principal.days_accepted_late):
        return "occurred_at_too_old"
    return None


def hash_request(kind: str, body: dict[str, Any]) -> bytes:
    return hashlib.sha256(compact_json([kind, body]).encode()).digest()


def accrual_event(principal: Principal, body: dict[str, Any], occurred_at: datetime, common: Event) -> Event:
    assert principal.store_id is not None
    return purchase_accrual(
        principal.tenant_id, principal.store_id, body["card"], body["amount"], occurred_at, common
    )


def purchase_accrual(
    tenant_id: UUID, store_id: UUID, card: str, amount: int, occurred_at: datetime, common: Event
) -> Event:
    """What a purchase of `amount` minor units earns under the programme version of its time."""
    programme = programme_at(tenant_id, occurred_at)
    day = clock.date_of(common["business_date"])
    grants = [Grant(store_id, check_size(programme.points_earned(amount)), programme.expires_on(day))]
    return posting.accrual(grants, amount, programme.version, card, **common)


def check_size(number: int) -> int:
    if number > INTEGER_MAX:
        raise InvalidInput(f"This event comes to {number}, more than 2^53: it can't be right.", code="too_large")
    return number


def redemption_event(principal: Principal, body: dict[str, Any], occurred_at: datetime, common: Event) -> Event:
    return purchase_redemption(principal.tenant_id, body["card"], body["points"], occurred_at, common)


def purchase_redemption(
    tenant_id: UUID, card: str, points: int, occurred_at: datetime, common: Event, at_most: bool = False
) -> Event:
    programme = programme_at(tenant_id, occurred_at)
    amount = check_size(programme.amount_redeemed(points))
    return posting.redemption(points, amount, programme.version, card, at_most, **common)


def reversal_event(principal: Principal, body: dict[str, Any], occurred_at: datetime, common: Event) -> Event:
    if "transfer_id" in body:
        original_id = ids.parse(ids.TRANSFER, body["transfer_id"])
        return posting.reversal(original_transfer_id=str(original_id), **common)
    if "original_order_ref" not in body or "original_kind" not in body:
        raise InvalidInput(
            "Name the transfer to reverse: transfer_id, or original_order_ref and original_kind.",
            code="original_not_named",
        )
    return posting.reversal(
        original_store_id=str(original_store_id(principal, body.get("original_store"))),
        original_order_ref=body["original_order_ref"],
        original_kind=body["original_kind"],
        **common,
    )


def original_store_id(principal: Principal, code: str | None) -> UUID | None:
    if code is None or code == principal.store_code:
        return principal.store_id
    with unit_of_work(principal.tenant_id) as session:
        store_id = session.scalar(select(Store.store_id).where(Store.code == code))
    if store_id is None:
        raise refusal("store_unknown", None)
    return store_id


BUILDERS = {"accrual": accrual_event, "redemption": redemption_event, "reversal": reversal_event}


def card_numbers(principal: Principal, results: Iterable[PostingResult]) -> dict[UUID | None, str]:
    """By card id, of the transfers whose events did not name their card: the reversals."""
    card_ids = {r.transfer.card_id for r in results if r.transfer and r.transfer.reverses_transfer_id}
    if not card_ids:
        return {}
    with unit_of_work(principal.tenant_id) as session:
        return {card.card_id: card.number for card in session.scalars(select(Card).where(Card.card_id.in_(card_ids)))}


def show_transfer(
    transfer: TransferRecord, currency: str, store_code: str | None, card: str | None
) -> dict[str, Any]:
    """A transfer as JSON, in the shape of `TransferSchema`."""
    reverses = transfer.reverses_transfer_id
    return {
        "transfer_id": ids.show(ids.TRANSFER, transfer.transfer_id),
        "kind": transfer.kind,
        "store": store_code,
        "card": card,
        "order_ref": transfer.order_ref,
        "reverses_transfer_id": ids.show(ids.TRANSFER, reverses) if reverses else None,
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
