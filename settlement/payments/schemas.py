"""What the treasurer sends and is told. Amounts are minor units; a leg's is positive where the store remits."""

from __future__ import annotations

from apiflask import Schema
from marshmallow import fields, validate

from clearinghouse.directory.schemas import name_field, reason_field
from settlement.payments.rules import FORMATS
from tenants.foundation.web import passes, rows_of
from tenants.members.service import check_reason


class InstructionQuerySchema(Schema):
    format = fields.String(
        validate=validate.OneOf(FORMATS),
        metadata={"description": "By default sepa where it is possible: pain.001 and pain.008; else csv"},
    )


class PaymentFileSchema(Schema):
    file_id = fields.String()
    name = fields.String()
    direction = fields.String(metadata={"description": "collection (from stores) or payout (to stores)"})
    format = fields.String(metadata={"description": "csv, or the version of pain", "example": "pain.001.001.09"})
    scheme = fields.String(allow_none=True, metadata={"description": "Of direct debits: CORE or B2B"})
    due_on = fields.String()
    payments = fields.Integer()
    total = fields.Integer()
    sha256 = fields.String()
    made_by = fields.String()
    made_at = fields.String()


class PaymentFilesSchema(Schema):
    payment_files = rows_of(PaymentFileSchema)


class WaitingSchema(Schema):
    leg_id = fields.String()
    end_to_end_id = fields.String()
    store = fields.String()
    amount = fields.Integer()
    because = fields.String(metadata={"description": "What it lacks", "example": "no bank account"})


class InstructionSchema(PaymentFilesSchema):
    format = fields.String()
    waiting = fields.List(fields.Nested(WaitingSchema), metadata={"description": "Legs that are in no file, and why"})


class BankFileQuerySchema(Schema):
    name = name_field("monday.xml", required=False, description="Of the file, for the record")
    month = fields.String(
        metadata={"description": "Refuse the file if it tells of another month's legs", "example": "2026-11"}
    )


class BankEntrySchema(Schema):
    leg_id = fields.String()
    outcome = fields.String(metadata={"description": "What it did to its leg"})
    is_return = fields.Boolean()
    amount = fields.Integer()
    booked_on = fields.String(allow_none=True)
    reference = fields.String(metadata={"description": "The bank's, if it gives one"})
    reason = fields.String(metadata={"description": "Why it was returned"})


class ReadingSchema(Schema):
    bank_file_id = fields.String()
    kind = fields.String(metadata={"description": "camt.053 or camt.054"})
    message_id = fields.String()
    name = fields.String()
    confirmed = fields.Integer(metadata={"description": "Entries that confirmed their leg"})
    failed = fields.Integer(metadata={"description": "Returns: their legs are owed"})
    agrees = fields.Integer(metadata={"description": "The leg was so already, or later entries say otherwise"})
    repeated = fields.Integer(metadata={"description": "Told in an earlier file, under the same reference"})
    surplus = fields.Integer(metadata={"description": "Money for a leg that had been carried: make an adjustment"})
    not_booked = fields.Integer(metadata={"description": "Announced only"})
    others = fields.Integer(metadata={"description": "Payments of the account that are no leg's"})
    read_by = fields.String()
    read_at = fields.String()
    entries = fields.List(fields.Nested(BankEntrySchema))


class LegSchema(Schema):
    leg_id = fields.String()
    end_to_end_id = fields.String(metadata={"description": "How banks name it"})
    store = fields.String()
    month = fields.String()
    direction = fields.String(metadata={"description": "collection (the store remits) or payout"})
    amount = fields.Integer()
    due_on = fields.String()
    state = fields.String(metadata={"description": "pending, instructed, confirmed, failed or carried"})
    reason = fields.String(metadata={"description": "Of what happened last"})
    changed_by = fields.String()
    changed_at = fields.String()


class LegsSchema(Schema):
    legs = rows_of(LegSchema)


class LegReasonSchema(Schema):
    reason = reason_field()


class FailureSchema(Schema):
    reason = fields.String(
        required=True,
        validate=passes(check_reason),
        metadata={"description": "Why it is not paid", "example": "the account is closed"},
    )


class ConfirmationSchema(Schema):
    reference = fields.String(
        required=True,
        validate=passes(check_reason),
        metadata={"description": "Where it has been seen", "example": "statement 47 of 2026-12-16"},
    )
