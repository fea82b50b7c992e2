"""What a terminal may send. Points and money are JSON integers up to 2^53; money is in minor units."""

from __future__ import annotations

from typing import Any

from apiflask import Schema
from marshmallow import ValidationError, fields, validate

from clearinghouse.sequences.schemas import ranges
from tenants.foundation.luhn import is_card_number
from tenants.foundation.web import part, rows_of

INTEGER_MAX = 2**53
EVENTS_MAX = 5_000

# Letters, digits and punctuation without control characters: what a till prints on a receipt.
REFERENCE = validate.And(
    validate.Length(min=1, max=64),
    validate.Regexp(r"[^\x00-\x1f\x7f-\x9f]*\Z", error="must not contain control characters"),
)


def card_number(value: str) -> None:
    if not is_card_number(value):
        raise ValidationError("is not a card number: 8 to 19 digits, the last is the Luhn check digit")


def minor_units(**metadata: Any) -> fields.Integer:
    return fields.Integer(required=True, strict=True, validate=validate.Range(0, INTEGER_MAX), metadata=metadata)


class EventSchema(Schema):
    currency = fields.String(
        validate=validate.Length(equal=3),
        metadata={"description": "ISO 4217; refused when it is not the network's", "example": "USD"},
    )
    occurred_at = fields.AwareDateTime(
        metadata={"description": "When it happened at the till, with UTC offset; now when left out"}
    )


class AccrualSchema(EventSchema):
    card = fields.String(required=True, validate=card_number, metadata={"example": "6290000000000014"})
    order_ref = fields.String(
        required=True,
        validate=REFERENCE,
        metadata={
            "description": "The till's number for the purchase, unique in the store",
            "example": "A-1001",
        },
    )
    amount = minor_units(description="What was paid, in minor units of the currency", example=2599)


class RedemptionSchema(EventSchema):
    card = fields.String(required=True, validate=card_number, metadata={"example": "6290000000000014"})
    order_ref = fields.String(required=True, validate=REFERENCE, metadata={"example": "A-1001"})
    points = fields.Integer(
        required=True, strict=True, validate=validate.Range(1, INTEGER_MAX), metadata={"example": 500}
    )


class ReversalSchema(EventSchema):
    """The transfer to reverse in full: by `transfer_id`, or by `original_order_ref` and `original_kind`."""

    transfer_id = fields.String(metadata={"description": "The transfer to reverse", "example": "xfr_…"})
    original_order_ref = fields.String(validate=REFERENCE)
    original_kind = fields.String(validate=validate.OneOf(["accrual", "redemption"]))
    original_store = fields.String(
        validate=REFERENCE,
        metadata={"description": "Code of the store of the original; this store when left out"},
    )
    order_ref = fields.String(
        validate=REFERENCE, metadata={"description": "The till's own number for the return, if it has one"}
    )


class BatchSchema(Schema):
    events = fields.List(
        fields.Dict(),
        required=True,
        validate=validate.Length(1, EVENTS_MAX),
        metadata={
            "description": (
                "Each event is the body of a single call plus `kind` (accrual, redemption, reversal), "
                "`idempotency_key` and, all or none, `sequence`: the terminal's own running number, from 1 on"
            )
        },
    )
    last_sequence = fields.Integer(
        strict=True,
        validate=validate.Range(1, INTEGER_MAX),
        metadata={"description": "The highest sequence the till has used so far, so that a lost tail is noticed too"},
    )
    sent_at = fields.AwareDateTime(
        metadata={
            "description": "The till's clock as it sends this, with UTC offset; the answer says how far it is off"
        }
    )


class IdempotencyHeaderSchema(Schema):
    idempotency_key = fields.String(
        required=True,
        data_key="Idempotency-Key",
        metadata={"description": "Unique per terminal; kept for ever"},
    )


class TransferQuerySchema(Schema):
    limit = fields.Integer(load_default=50, validate=validate.Range(1, 500))
    cursor = fields.String(metadata={"description": "next_cursor of the page before"})
    card = fields.String(validate=card_number)
    order_ref = fields.String(validate=REFERENCE)


class TransferSchema(Schema):
    """A posted transfer: the answer to a posting, and a row of the listing."""

    transfer_id = fields.String()
    kind = fields.String()
    store = fields.String(allow_none=True)
    card = fields.String(allow_none=True)
    order_ref = fields.String(allow_none=True)
    reverses_transfer_id = fields.String(allow_none=True)
    points = fields.Integer(metadata={"description": "Never negative: the kind tells which way they go"})
    amount = fields.Integer(metadata={"description": "Minor units"})
    currency = fields.String()
    deficit_change = fields.Integer(metadata={"description": "Positive: points now owed; negative: repaid"})
    available = fields.Integer(metadata={"description": "The member's points after this transfer"})
    deficit = fields.Integer(metadata={"description": "Points that the member owes after this transfer"})
    programme_version = fields.Integer(allow_none=True)
    occurred_at = fields.String()
    posted_at = fields.String()
    business_date = fields.String()
    settlement_month = fields.String(
        metadata={"description": "A later month than business_date's when that had closed"}
    )
    late = fields.Boolean(metadata={"description": "Whether it joined a later month because its own had closed"})


class TransferPageSchema(Schema):
    transfers = rows_of(TransferSchema)
    next_cursor = fields.String(allow_none=True)


class BatchResultSchema(Schema):
    index = fields.Integer()
    sequence = fields.Integer(metadata={"description": "That of the event, if it has one", "optional": True})
    outcome = fields.String(validate=validate.OneOf(["posted", "replayed", "refused"]))
    transfer = fields.Nested(part(TransferSchema))
    problem = fields.Dict()


class WarningSchema(Schema):
    """Nothing was refused for it."""

    code = fields.String(metadata={"example": "clock_skewed"})
    detail = fields.String()


class BatchAnswerSchema(Schema):
    posted = fields.Integer()
    replayed = fields.Integer()
    refused = fields.Integer()
    late = fields.Integer(metadata={"description": "How many of the transfers joined a later month than their own"})
    highest_sequence = fields.Integer(
        metadata={"description": "The highest known of this terminal", "optional": True}
    )
    missing_sequences = ranges("Between the lowest received and the highest known; the first 100", optional=True)
    missing_count = fields.Integer(metadata={"description": "How many sequences are missing", "optional": True})
    repeated_sequences = ranges("Posted now and before, with another event: a counter that was reset", optional=True)
    repeated_count = fields.Integer(metadata={"optional": True})
    clock_skew_seconds = fields.Integer(
        metadata={"description": "The till's clock minus the clearinghouse's; only with sent_at", "optional": True}
    )
    warnings = fields.List(fields.Nested(WarningSchema), metadata={"optional": True})
    results = fields.List(fields.Nested(BatchResultSchema))


class ExpiringSchema(Schema):
    points = fields.Integer()
    expires_on = fields.String()


class CardBalanceSchema(Schema):
    card = fields.String()
    status = fields.String()
    available = fields.Integer()
    held = fields.Integer()
    deficit = fields.Integer()
    expiring_next = fields.Nested(ExpiringSchema, allow_none=True)


class ProblemSchema(Schema):
    """RFC 9457. Act on `code`; `detail` is for people."""

    type = fields.String()
    title = fields.String()
    status = fields.Integer()
    code = fields.String()
    detail = fields.String()
