"""What a terminal may send. Points and money are JSON integers up to 2^53; money is in minor units."""

from __future__ import annotations

from typing import Any

from apiflask import Schema
from marshmallow import ValidationError, fields, pre_load, validate, validates_schema

from clearinghouse.sequences.schemas import ranges
from tenants.foundation.luhn import is_card_number
from tenants.foundation.web import part, passes, rows_of
from tenants.payment_tokens.service import check_token
from tenants.verification.rules import CODE, CODE_PATTERN, NOTHING, PIN, split_scanned

INTEGER_MAX = 2**53
EVENTS_MAX = 5_000
LINES_MAX = 500
HOLD_STATES = ("held", "captured", "voided", "expired")
HOLD_SECONDS, HOLD_SECONDS_MAX = 15 * 60, 30 * 86_400

# Printable ASCII without spaces.
IDEMPOTENCY_KEY_PATTERN = "^[!-~]{1,128}$"

# Letters, digits and punctuation without control characters: what a till prints on a receipt.
REFERENCE = (
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


class CardSchema(Schema):
    """`card` may be what a till has scanned from a member's phone: the card number, a dash, and a one-time code."""

    card = fields.String(required=True, validate=card_number, metadata={"example": "6290000000000014"})

    @pre_load
    def split_card(self, data: Any, **_: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(data.get("card"), str):
            return data
        number, code = split_scanned(data["card"])
        if code is not None and "code" in self.fields:
            return {"code": code, **data, "card": number}
        return {**data, "card": number}


class ReturnedLineSchema(Schema):
    line = fields.String(required=True, validate=REFERENCE, metadata={"description": "As in the purchase"})
    amount = fields.Integer(
        strict=True,
        validate=validate.Range(1, INTEGER_MAX),
        metadata={"description": "Minor units of the line that come back; all that is left of it when left out"},
    )


class PurchaseLineSchema(Schema):
    line = fields.String(
        required=True, validate=REFERENCE, metadata={"description": "Unique in the purchase", "example": "1"}
    )
    amount = minor_units(description="Minor units", example=1299)
    earns = fields.Boolean(load_default=True, metadata={"description": "false for what earns no points: a gift card"})


def check_lines(lines: list[dict[str, Any]]) -> None:
    if len({line["line"] for line in lines}) < len(lines):
        raise ValidationError("names a line twice")


def lines_of(schema: type[Schema], **metadata: str) -> fields.List:
    return fields.List(
        fields.Nested(schema), validate=[validate.Length(1, LINES_MAX), check_lines], metadata=metadata
    )


class AccrualSchema(CardSchema, EventSchema):
    """Whose purchase it is: `card`, or the `payment_token` of the payment card it was paid with."""

    card = fields.String(validate=card_number, metadata={"example": "6290000000000014"})
    payment_token = fields.String(
        validate=passes(check_token),
        metadata={"description": "Your payment provider's token; never a card number", "example": "tok_1N3T00LkdIwH"},
    )
    order_ref = fields.String(
        required=True,
        validate=REFERENCE,
        metadata={
            "description": "The till's number for the purchase, unique in the store",
            "example": "A-1001",
        },
    )
    amount = minor_units(description="What was paid, in minor units of the currency", example=2599)
    lines = lines_of(
        PurchaseLineSchema, description="What was bought, so that lines of it can come back; they add up to amount"
    )

    @validates_schema
    def check_sum(self, data: dict[str, Any], **_: Any) -> None:
        if "lines" in data and sum(line["amount"] for line in data["lines"]) != data["amount"]:
            raise ValidationError("do not add up to amount", "lines")

    @validates_schema
    def names_one_member(self, data: dict[str, Any], **_: Any) -> None:
        if ("card" in data) == ("payment_token" in data):
            raise ValidationError("Send card or payment_token: one of the two.", "card")


class AmountOrPointsSchema(EventSchema):
    points = fields.Integer(
        strict=True, validate=validate.Range(1, INTEGER_MAX), metadata={"description": "Points", "example": 500}
    )
    amount = fields.Integer(
        strict=True,
        validate=validate.Range(1, INTEGER_MAX),
        metadata={"description": "Instead of points: minor units"},
    )

    @validates_schema
    def check_one(self, data: dict[str, Any], **_: Any) -> None:
        if "points" in data and "amount" in data:
            raise ValidationError("Send either points or amount, not both.", "points")


class TenderSchema(CardSchema, AmountOrPointsSchema):
    order_ref = fields.String(required=True, validate=REFERENCE, metadata={"example": "A-1001"})
    bill = fields.Integer(
        strict=True,
        validate=validate.Range(0, INTEGER_MAX),
        metadata={
            "description": "What is to be paid, minor units; needed where points may pay for a share of it only"
        },
    )

    pin = fields.String(
        validate=validate.Regexp(r"[0-9]{4,8}\Z"),
        metadata={"description": "The member's PIN, where one is asked for"},
    )
    code = fields.String(
        validate=validate.Regexp(rf"{CODE_PATTERN}\Z"),
        metadata={"description": "The one-time code of the member's wallet, if it was not scanned with the card"},
    )

    @validates_schema
    def check_something(self, data: dict[str, Any], **_: Any) -> None:
        if "points" not in data and "amount" not in data:
            raise ValidationError("Send either points or amount.", "points")


class RedemptionSchema(TenderSchema):
    """Points as tender: so many `points`, or what pays for `amount`."""


class BatchedRedemptionSchema(RedemptionSchema):
    offline = fields.Boolean(
        metadata={"description": "It was made while there was no connection: the goods are gone"}
    )


class HoldSchema(TenderSchema):
    """Points set aside until they are captured, voided, or `expires_in` seconds have passed since `occurred_at`."""

    expires_in = fields.Integer(
        strict=True,
        load_default=HOLD_SECONDS,
        validate=validate.Range(1, HOLD_SECONDS_MAX),
        metadata={"description": "Seconds; 15 minutes when left out, at most 30 days"},
    )


class CaptureSchema(AmountOrPointsSchema):
    """`points` or `amount` of what is held, or all of it; what is not captured is released."""

    order_ref = fields.String(validate=REFERENCE, metadata={"description": "That of the hold when left out"})


class VoidSchema(EventSchema):
    pass


class HoldIdSchema(Schema):
    hold_id = fields.String(required=True, metadata={"example": "hld_…"})


class BatchedCaptureSchema(CaptureSchema, HoldIdSchema):
    pass


class BatchedVoidSchema(VoidSchema, HoldIdSchema):
    pass


class ReversalSchema(AmountOrPointsSchema):
    """What to reverse: `transfer_id`, or `original_order_ref`, of this store or of `original_store`.

    How much of it: `points`, `amount`, `lines`, or all that is left.
    """

    transfer_id = fields.String(metadata={"description": "The transfer to reverse", "example": "xfr_…"})
    original_order_ref = fields.String(validate=REFERENCE)
    original_kind = fields.String(
        validate=validate.OneOf(["accrual", "redemption"]),
        metadata={"description": "Needed when the order both earned and redeemed"},
    )
    original_store = fields.String(
        validate=REFERENCE,
        metadata={"description": "Code of the store of the original; this store when left out"},
    )
    lines = lines_of(ReturnedLineSchema, description="Lines of the purchase that come back")
    order_ref = fields.String(
        validate=REFERENCE,
        metadata={"description": "The till's own number for the return, if it has one; a new one for each return"},
    )

    @validates_schema
    def check_named(self, data: dict[str, Any], **_: Any) -> None:
        if ("transfer_id" in data) == ("original_order_ref" in data):
            raise ValidationError("Name the original by transfer_id or by original_order_ref.", "transfer_id")
        if "lines" in data and ("points" in data or "amount" in data):
            raise ValidationError("Send points, amount or lines, not several of them.", "lines")


class QuoteSchema(CardSchema):
    amount = minor_units(description="The bill, in minor units of the currency", example=2599)
    lines = lines_of(PurchaseLineSchema, description="As an accrual's")
    currency = fields.String(validate=validate.Length(equal=3))

    check_sum = AccrualSchema.check_sum


class QuotedRedemptionSchema(Schema):
    points = fields.Integer(metadata={"description": "The most that may be redeemed on this bill; 0: nothing"})
    amount = fields.Integer(metadata={"description": "What they pay for, in minor units"})
    minimum_points = fields.Integer()
    step_points = fields.Integer()
    needs = fields.String(
        validate=validate.OneOf([NOTHING, PIN, CODE]), metadata={"description": "To redeem that much, the member's"}
    )


class QuoteAnswerSchema(Schema):
    card = fields.String()
    amount = fields.Integer()
    currency = fields.String()
    earns = fields.Integer(
        metadata={"description": "Points, if all of amount is paid without points; 0 while the store may issue none"}
    )
    available = fields.Integer()
    deficit = fields.Integer(metadata={"description": "Points the member owes: what is earned repays them first"})
    redeemable = fields.Nested(QuotedRedemptionSchema)
    programme_version = fields.Integer()


class HoldAnswerSchema(Schema):
    hold_id = fields.String()
    state = fields.String(validate=validate.OneOf(HOLD_STATES))
    card = fields.String(allow_none=True)
    store = fields.String()
    order_ref = fields.String(allow_none=True)
    points = fields.Integer(metadata={"description": "Points held"})
    amount = fields.Integer(metadata={"description": "What they pay for, in minor units"})
    currency = fields.String()
    expires_at = fields.String()
    resolved_by = fields.String(allow_none=True, metadata={"description": "The transfer that ended it"})


class HoldQuerySchema(Schema):
    limit = fields.Integer(load_default=50, validate=validate.Range(1, 500))
    cursor = fields.String(metadata={"description": "next_cursor of the page before"})
    card = fields.String(validate=card_number)
    state = fields.String(validate=validate.OneOf(HOLD_STATES))


class HoldPageSchema(Schema):
    holds = rows_of(HoldAnswerSchema)
    next_cursor = fields.String(allow_none=True)


class EventField(fields.Dict):
    """An object as it was parsed: copies of five thousand would be kept beside it for as long as they are posted."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, dict):
            raise self.make_error("invalid")
        return value


class BatchSchema(Schema):
    events = fields.List(
        EventField(),
        required=True,
        validate=validate.Length(1, EVENTS_MAX),
        metadata={
            "description": (
                "Each event is the body of a single call plus `kind` (accrual, redemption, hold, capture, void, "
                "reversal), `idempotency_key` and, all or none, `sequence`: the terminal's own running number, "
                "from 1 on; capture and void name their `hold_id`"
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
        metadata={"description": "Unique per terminal; kept for ever", "pattern": IDEMPOTENCY_KEY_PATTERN},
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
    hold_id = fields.String(allow_none=True, metadata={"description": "The hold it placed or resolved"})
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


class PlacedHoldSchema(TransferSchema):
    expires_at = fields.String(metadata={"description": "When its points are released if nothing is done"})


class TransferPageSchema(Schema):
    transfers = rows_of(TransferSchema)
    next_cursor = fields.String(allow_none=True)


class BatchResultSchema(Schema):
    index = fields.Integer()
    sequence = fields.Integer(metadata={"description": "That of the event, if it has one", "optional": True})
    outcome = fields.String(validate=validate.OneOf(["posted", "replayed", "refused"]))
    transfer = fields.Nested(part(TransferSchema), metadata={"description": "Unless refused", "optional": True})
    problem = fields.Dict(metadata={"description": "Why it was refused: `code`, `detail` and more", "optional": True})


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
    registered = fields.Boolean(metadata={"description": "Whether the network knows who holds it"})
    available = fields.Integer()
    held = fields.Integer()
    deficit = fields.Integer()
    expiring_next = fields.Nested(ExpiringSchema, allow_none=True)
