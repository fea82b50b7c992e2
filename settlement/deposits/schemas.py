from __future__ import annotations

from apiflask import Schema
from marshmallow import fields, validate

from clearinghouse.directory.schemas import name_field
from settlement.deposits.rules import AMOUNT_MAX, KINDS, LODGED, RETURNED


class NewDepositSchema(Schema):
    kind = fields.String(required=True, validate=validate.OneOf([LODGED, RETURNED]))
    amount = fields.Integer(
        required=True,
        strict=True,
        validate=validate.Range(1, AMOUNT_MAX),
        metadata={"description": "Minor units, positive", "example": 250000},
    )
    reference = name_field("Transfer 4711", description="The bank's; booked once for each store and kind")


class DepositSchema(Schema):
    deposit_id = fields.String()
    store = fields.String()
    kind = fields.String(validate=validate.OneOf(KINDS))
    amount = fields.Integer(metadata={"description": "Minor units; lodged positive, returned and used negative"})
    balance = fields.Integer(metadata={"description": "What the store has lodged after this"})
    reference = fields.String(allow_none=True)
    leg_id = fields.String(allow_none=True, metadata={"description": "The payment that it was used for"})
    made_by = fields.String()
    made_at = fields.String()


class DepositListSchema(Schema):
    balance = fields.Integer()
    deposits = fields.List(fields.Nested(DepositSchema))
