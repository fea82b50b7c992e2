"""Cards in bulk, their registration, payment cards bound to members, and what was done to a card, under /v1."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from apiflask import APIBlueprint, FileSchema
from apiflask.scaffold import _annotate
from flask import Response, request

from clearinghouse.cards.schemas import (
    BatchIdempotencyHeaderSchema,
    CardBatchPageSchema,
    CardBatchSchema,
    CardChangePageSchema,
    NewBatchSchema,
    PaymentTokenSchema,
    PaymentTokensSchema,
    RegistrationSchema,
)
from clearinghouse.cards.service import batch_csv, batch_pdf, show_batch, show_changes
from clearinghouse.directory.schemas import MemberSchema, PageQuerySchema
from clearinghouse.directory.service import show_member, show_who
from clearinghouse.pos.service import check_idempotency_key
from tenants.card_batches.service import find_batch, issue_batch, list_batches
from tenants.credentials.rules import DIRECTORY, HQ, READ, REGISTER, STAFF, TERMINAL
from tenants.credentials.service import Principal
from tenants.credentials.web import authenticated
from tenants.foundation import ids
from tenants.foundation.openapi import refusals, replays
from tenants.foundation.web import answer, answer_page, body, id_cursor, query
from tenants.members.service import register_member
from tenants.payment_tokens.service import bind_token, count_tokens, unbind_token

cards = APIBlueprint("cards", __name__, url_prefix="/v1", tag="Cards")


@cards.post("/card-batches")
@authenticated(HQ, scope=DIRECTORY)
@body(NewBatchSchema)
@cards.output(CardBatchSchema, status_code=201)
@replays
def post_card_batch(principal: Principal, body: dict[str, Any]) -> Response:
    """Issue up to 10,000 cards

    Each has a member of its own, who is unregistered until the card has been handed out. Print them from
    `cards.csv` or `cards.pdf`.
    """
    key = request.headers.get("Idempotency-Key")
    check_idempotency_key(key)
    batch, is_repeated = issue_batch(
        principal.tenant_id, body["count"], body["label"], show_who(principal), body["prefix"], key
    )
    return answer(show_batch(batch), 201, {"Idempotent-Replayed": "true"} if is_repeated else None)


_annotate(post_card_batch, args=[(BatchIdempotencyHeaderSchema(), "headers")])


@cards.get("/card-batches")
@authenticated(HQ, STAFF, scope=(READ, DIRECTORY))
@query(PageQuerySchema)
@cards.output(CardBatchPageSchema)
def get_card_batches(principal: Principal, query: dict[str, Any]) -> Response:
    """List the batches of cards, oldest first"""
    limit = query["limit"]
    batches = list_batches(principal.tenant_id, id_cursor(ids.CARD_BATCH, query), limit + 1)
    return answer_page("batches", [show_batch(batch) for batch in batches], limit, "batch_id")


@cards.get("/card-batches/<batch_id>")
@authenticated(HQ, STAFF, scope=(READ, DIRECTORY))
@cards.output(CardBatchSchema)
def get_card_batch(principal: Principal, batch_id: str) -> Response:
    """One batch of cards"""
    return answer(show_batch(find_batch(principal.tenant_id, parse_batch_id(batch_id))))


@cards.get("/card-batches/<batch_id>/cards.csv")
@authenticated(HQ, STAFF, scope=(READ, DIRECTORY))
@cards.output(FileSchema, content_type="text/csv")
def get_card_batch_csv(principal: Principal, batch_id: str) -> Response:
    """The cards of a batch as CSV

    UTF-8, RFC 4180: `number`, `barcode` (the text of the Code 128 barcode), `printed` (in groups), `label`.
    """
    content = batch_csv(principal.tenant_id, parse_batch_id(batch_id))
    return as_download(content, "text/csv", f"{batch_id}.csv")


@cards.get("/card-batches/<batch_id>/cards.pdf")
@authenticated(HQ, STAFF, scope=(READ, DIRECTORY))
@cards.output(FileSchema, content_type="application/pdf")
def get_card_batch_pdf(principal: Principal, batch_id: str) -> Response:
    """The cards of a batch as labels with barcodes

    A4, 24 labels of 70 x 37 mm a page, Code 128.
    """
    content = batch_pdf(principal.tenant_id, parse_batch_id(batch_id))
    return as_download(content, "application/pdf", f"{batch_id}.pdf")


def parse_batch_id(batch_id: str) -> UUID:
    return ids.parse(ids.CARD_BATCH, batch_id)


def as_download(content: bytes, mimetype: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, headers=headers, mimetype=mimetype)


@cards.post("/cards/<number>/registration")
@authenticated(TERMINAL, HQ, scope=(REGISTER, DIRECTORY))
@body(RegistrationSchema, phone="phone")
@cards.output(MemberSchema, status_code=201)
@refusals(also={500})
def post_registration(principal: Principal, number: str, body: dict[str, Any]) -> Response:
    """Register the member of a card

    Once; head office can change it later. The points collected until then stay. Refused with `member_exists`
    when `reference` is another member's: head office can merge the two.
    """
    return answer(show_member(register_member(principal.tenant_id, number, show_who(principal), **body)), 201)


@cards.get("/cards/<number>/changes")
@authenticated(HQ, STAFF, scope=(READ, DIRECTORY))
@query(PageQuerySchema)
@cards.output(CardChangePageSchema)
def get_card_changes(principal: Principal, number: str, query: dict[str, Any]) -> Response:
    """What was done to a card and its member, by whom and why, oldest first"""
    limit, after = query["limit"], id_cursor(ids.CARD_CHANGE, query)
    return answer_page("changes", show_changes(principal.tenant_id, number, after, limit + 1), limit, "change_id")


@cards.post("/cards/<number>/payment-tokens")
@authenticated(TERMINAL, HQ, scope=(REGISTER, DIRECTORY))
@body(PaymentTokenSchema)
@cards.output(PaymentTokensSchema, status_code=201)
def post_payment_token(principal: Principal, number: str, body: dict[str, Any]) -> Response:
    """Bind a payment card to the member of a card

    A purchase paid with it can then be posted with `payment_token` instead of `card`. Only a keyed hash of the
    token is kept. Binding it again changes nothing.
    """
    count = bind_token(principal.tenant_id, number, body["token"], show_who(principal))
    return answer({"card": number, "payment_tokens": count}, 201)


@cards.get("/cards/<number>/payment-tokens")
@authenticated(TERMINAL, HQ, STAFF, scope=(REGISTER, READ, DIRECTORY))
@cards.output(PaymentTokensSchema)
def get_payment_tokens(principal: Principal, number: str) -> Response:
    """How many payment cards the member of a card has bound"""
    return answer({"card": number, "payment_tokens": count_tokens(principal.tenant_id, number)})


@cards.post("/cards/<number>/payment-tokens/unbind")
@authenticated(TERMINAL, HQ, scope=(REGISTER, DIRECTORY))
@body(PaymentTokenSchema)
@cards.output(PaymentTokensSchema)
@refusals(never={409})
def post_payment_token_unbind(principal: Principal, number: str, body: dict[str, Any]) -> Response:
    """Let a payment card find the member no more"""
    count = unbind_token(principal.tenant_id, number, body["token"], show_who(principal))
    return answer({"card": number, "payment_tokens": count})
