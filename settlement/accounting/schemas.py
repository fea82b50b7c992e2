"""What head office is told of its journal. Money is in integer minor units."""

from __future__ import annotations

from apiflask import Schema
from marshmallow import fields, validate

from settlement.valuation.assumptions import BREAKAGE_TO, HEAD_OFFICE

JSON = "json"
FORMATS = (JSON, "csv", "beancount")


class JournalQuerySchema(Schema):
    format = fields.String(load_default=JSON, validate=validate.OneOf(FORMATS))
    breakage_to = fields.String(
        load_default=HEAD_OFFICE,
        validate=validate.OneOf(BREAKAGE_TO),
        metadata={"description": "Who is entitled to breakage; if not hq, it stays a liability"},
    )


class BookQuerySchema(JournalQuerySchema):
    to = fields.Date(metadata={"description": "The last day of the entries; default: today"})


class JournalPostingSchema(Schema):
    account = fields.String()
    participant = fields.String(metadata={"description": "Code; empty for what is head office's own"})
    store = fields.String()
    debit = fields.Integer()
    credit = fields.Integer()
    reference = fields.String(metadata={"description": "The settlement's line, or the leg"})


class JournalEntrySchema(Schema):
    entry = fields.String(metadata={"description": "Number; it never changes"})
    date = fields.String()
    narration = fields.String()
    postings = fields.List(fields.Nested(JournalPostingSchema))


class PointsOfMonthSchema(Schema):
    month = fields.String()
    opening = fields.Integer(metadata={"description": "Deferred revenue before the month"})
    closing = fields.Integer(metadata={"description": "Deferred revenue: what outstanding points were funded at"})
    breakage = fields.Integer(metadata={"description": "What expired points had been funded at"})
    margin = fields.Integer(metadata={"description": "Of points used: what they were funded at less what was paid"})
    rate_differences = fields.Integer(
        metadata={"description": "Of points taken back or owed at another rate than they were issued at"}
    )
    rounding = fields.Integer()


class JournalSchema(Schema):
    network = fields.String()
    title = fields.String()
    currency = fields.String()
    breakage_to = fields.String()
    months = fields.List(fields.Nested(PointsOfMonthSchema))
    entries = fields.List(fields.Nested(JournalEntrySchema))
