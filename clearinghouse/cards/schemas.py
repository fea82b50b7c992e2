"""What is sent and answered about batches of cards, their registration and payment tokens."""

from __future__ import annotations

from apiflask import Schema
from marshmallow import fields, validate

from clearinghouse.directory.schemas import (
    PageSchema,
    country_field,
    email_field,
    name_field,
    phone_field,
    reference_field,
)
from clearinghouse.pos.schemas import IDEMPOTENCY_KEY_PATTERN
from tenants.card_batches.service import CARDS_MAX, PREFIX_PATTERN, check_prefix
from tenants.foundation.web import passes, rows_of
from tenants.members.service import GENERATED_PREFIX
from tenants.payment_tokens.service import TOKEN_PATTERN, check_token


class NewBatchSchema(Schema):
    count = fields.Integer(
        required=True, strict=True, validate=validate.Range(1, CARDS_MAX), metadata={"example": 500}
    )
    label = name_field("Spring 2027", description="What the batch is for; stands in its files")
    prefix = fields.String(
        load_default=GENERATED_PREFIX,
        validate=passes(check_prefix),
        metadata={
            "pattern": f"^{PREFIX_PATTERN}$",
            "description": "What the numbers begin with; not what numbers of payment cards begin with",
        },
    )


class BatchIdempotencyHeaderSchema(Schema):
    idempotency_key = fields.String(
        required=True,
        data_key="Idempotency-Key",
        metadata={"description": "Unique in the network; kept for ever", "pattern": IDEMPOTENCY_KEY_PATTERN},
    )


class CardBatchSchema(Schema):
    batch_id = fields.String()
    label = fields.String()
    prefix = fields.String()
    cards = fields.Integer(metadata={"description": "How many cards it has"})
    created_by = fields.String(metadata={"description": "Id of a key, or `command line`"})
    created_at = fields.String()


class CardBatchPageSchema(PageSchema):
    batches = rows_of(CardBatchSchema)


class RegistrationSchema(Schema):
    """At least one of `reference`, `name`, `phone` and `email`."""

    reference = reference_field(description="The network's own number for the member; unique")
    name = name_field("Ada Lovelace", required=False)
    phone = phone_field()
    email = email_field()
    country = country_field()


class PaymentTokenSchema(Schema):
    token = fields.String(
        required=True,
        validate=passes(check_token),
        metadata={
            "pattern": f"^{TOKEN_PATTERN}$",
            "description": "What your payment provider calls the payment card; never its number",
            "example": "tok_1N3T00LkdIwH",
        },
    )


class PaymentTokensSchema(Schema):
    card = fields.String()
    payment_tokens = fields.Integer(metadata={"description": "How many payment cards the member has bound"})


class CardChangeSchema(Schema):
    change_id = fields.String()
    action = fields.String(
        validate=validate.OneOf(
            ["issued", "blocked", "unblocked", "replaced", "registered", "updated", "bound", "unbound", "merged"]
        )
    )
    from_status = fields.String(allow_none=True)
    to_status = fields.String(allow_none=True)
    other_card = fields.String(
        allow_none=True, metadata={"description": "The card that took its place, or whose place it took"}
    )
    other_member_id = fields.String(allow_none=True, metadata={"description": "The member it was merged with"})
    reason = fields.String(allow_none=True)
    changed_by = fields.String(metadata={"description": "Id of a key, or `command line`"})
    changed_at = fields.String()


class CardChangePageSchema(PageSchema):
    changes = rows_of(CardChangeSchema)
