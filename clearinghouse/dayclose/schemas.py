"""What a till says of its day, and how it compares. Points and money (minor units) are integers."""

from __future__ import annotations

from typing import Any

from apiflask import Schema
from marshmallow import fields, validate

from clearinghouse.dayclose.rules import ACCRUAL, REDEMPTION, REVERSAL, STATUSES
from clearinghouse.dayclose.service import DAYS_LISTED_MAX, check_reason
from clearinghouse.directory.schemas import passes
from clearinghouse.pos.schemas import INTEGER_MAX, REFERENCE
from tenants.foundation.web import part, rows_of
from tenants.networks.service import OPENED_ON_MIN

ENTRIES_MAX = 20_000

NOT_BEFORE = validate.Range(min=OPENED_ON_MIN)
KIND = validate.OneOf([ACCRUAL, REDEMPTION, REVERSAL])


def whole_number(**metadata: Any) -> fields.Integer:
    return fields.Integer(required=True, strict=True, validate=validate.Range(0, INTEGER_MAX), metadata=metadata)


class TotalSchema(Schema):
    count = whole_number(example=3)
    points = whole_number(description="Never negative", example=75)
    amount = whole_number(description="Minor units, never negative", example=7797)


class TotalsSchema(Schema):
    accruals = fields.Nested(part(TotalSchema), required=True)
    redemptions = fields.Nested(part(TotalSchema), required=True)
    reversals = fields.Nested(part(TotalSchema), required=True)


class EntrySchema(Schema):
    """An order of the day, named by `order_ref` or, where it has none, by `transfer_id`."""

    order_ref = fields.String(validate=REFERENCE, metadata={"example": "A-1001"})
    transfer_id = fields.String(metadata={"description": "Of the transfer itself, also of a reversal"})
    kind = fields.String(required=True, validate=KIND)
    points = whole_number(example=25)
    amount = whole_number(example=2599)


class NewDayCloseSchema(Schema):
    business_date = fields.Date(
        required=True, validate=NOT_BEFORE, metadata={"description": "In the network's time zone"}
    )
    totals = fields.Nested(part(TotalsSchema), required=True)
    entries = fields.List(
        fields.Nested(part(EntrySchema)),
        validate=validate.Length(max=ENTRIES_MAX),
        metadata={
            "description": "All orders of the day; they add up to the totals. With them, differences are named"
        },
    )


class AcceptanceSchema(Schema):
    reason = fields.String(
        required=True,
        validate=passes(check_reason),
        metadata={"example": "Till was replaced; its paper journal agrees with the ledger"},
    )


class DayCloseQuerySchema(Schema):
    first = fields.Date(
        data_key="from", validate=NOT_BEFORE, metadata={"description": "Six days before `to` when left out"}
    )
    last = fields.Date(
        data_key="to",
        validate=NOT_BEFORE,
        metadata={"description": f"Today when left out; at most {DAYS_LISTED_MAX} days are listed"},
    )
    status = fields.String(validate=validate.OneOf(STATUSES))
    terminal_id = fields.String(metadata={"description": "Only those of this terminal", "example": "trm_…"})
    limit = fields.Integer(load_default=100, validate=validate.Range(1, 500))
    cursor = fields.String(metadata={"description": "next_cursor of the page before"})


class FiguresSchema(Schema):
    points = fields.Integer()
    amount = fields.Integer()


class DifferenceSchema(Schema):
    order_ref = fields.String(allow_none=True)
    transfer_id = fields.String(allow_none=True)
    kind = fields.String(validate=KIND)
    till = fields.Nested(FiguresSchema, allow_none=True, metadata={"description": "null: the till does not have it"})
    ledger = fields.Nested(FiguresSchema, allow_none=True, metadata={"description": "null: the ledger has it not"})


class DayCloseSchema(Schema):
    terminal_id = fields.String()
    store = fields.String()
    terminal = fields.String(metadata={"description": "Code of the terminal in its store"})
    business_date = fields.String()
    status = fields.String(
        validate=validate.OneOf(STATUSES),
        metadata={"description": "How the newest close compares with the ledger now; missing: there is no close"},
    )
    attempt = fields.Integer(metadata={"description": "Number of the newest close of this day; 0 for none"})
    submitted_at = fields.String(allow_none=True)
    till = fields.Nested(part(TotalsSchema), allow_none=True)
    ledger = fields.Nested(part(TotalsSchema))


class AttemptSchema(Schema):
    attempt = fields.Integer()
    submitted_at = fields.String()
    till = fields.Nested(part(TotalsSchema))


class AcceptedSchema(Schema):
    attempt = fields.Integer(metadata={"description": "The close that was accepted; 0: that there was none"})
    reason = fields.String()
    accepted_by = fields.String()
    accepted_at = fields.String()


class ComparedDaySchema(DayCloseSchema):
    entries_needed = fields.Boolean(
        metadata={"description": "Send the close with entries to learn which orders differ"}
    )
    differences = fields.List(fields.Nested(DifferenceSchema), metadata={"description": "The first 1,000"})
    differences_count = fields.Integer()
    attempts = fields.List(fields.Nested(AttemptSchema), metadata={"description": "Every close, oldest first"})
    acceptances = fields.List(fields.Nested(AcceptedSchema), metadata={"description": "Oldest first"})


class DayClosePageSchema(Schema):
    day_closes = rows_of(DayCloseSchema)
    next_cursor = fields.String(allow_none=True)
