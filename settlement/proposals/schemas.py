"""What head office is told of a settlement. Points and minor units are integers; a positive net remits."""

from __future__ import annotations

from apiflask import Schema
from marshmallow import fields, validate

from clearinghouse.dayclose.service import REASON_PATTERN, check_reason
from settlement.windows.schemas import ChangeSchema, IdentitySchema
from tenants.foundation.web import passes


class PositionSchema(Schema):
    store = fields.String()
    name = fields.String()
    participant = fields.String()
    issued = fields.Integer()
    recovered = fields.Integer()
    expired = fields.Integer()
    borne = fields.Integer(metadata={"description": "Points that stores answer for without having issued them"})
    net_points = fields.Integer()
    opening = fields.Integer(metadata={"description": "What the month before carried forward; negative: owed to it"})
    to_pay = fields.Integer()
    to_receive = fields.Integer()
    fees = fields.Integer()
    tax = fields.Integer()
    adjustments = fields.Integer()
    disputed = fields.Integer(metadata={"description": "Taken out: by accepted disputes, or until they are decided"})
    carried_forward = fields.Integer(metadata={"description": "Too little to be paid out now"})
    net = fields.Integer(metadata={"description": "Minor units; positive remits to head office, negative receives"})
    direction = fields.String(metadata={"description": "remit, receive or none"})


class TotalsSchema(Schema):
    network = fields.String()
    month = fields.String()
    currency = fields.String()
    version = fields.Integer()
    state = fields.String(metadata={"description": "proposed, rejected, approved, settling or settled"})
    model = fields.String(metadata={"description": "pooled or on_redemption"})
    proposed_by = fields.String()
    approved_by = fields.String(allow_none=True)
    issued = fields.Integer()
    recovered = fields.Integer()
    expired = fields.Integer()
    borne = fields.Integer()
    opening_outstanding = fields.Integer()
    closing_outstanding = fields.Integer()
    hq_net = fields.Integer(metadata={"description": "Closes the sum of the stores' nets to zero"})
    hq_direction = fields.String()
    closed_at = fields.String()
    day_close_differences = fields.Integer(
        metadata={"description": "Days of tills that differ from the ledger or lack a close, and were not accepted"}
    )


class PositionsSchema(TotalsSchema):
    positions = fields.List(fields.Nested(PositionSchema))


class SettlementSchema(PositionsSchema):
    identities = fields.List(fields.Nested(IdentitySchema))


class SettlementVersionSchema(Schema):
    month = fields.String()
    version = fields.Integer()
    state = fields.String()
    model = fields.String()
    proposed_at = fields.String()
    approved_at = fields.String(allow_none=True)
    hq_net = fields.Integer()
    content_hash = fields.String(metadata={"description": "SHA-256 of all lines, in hexadecimal"})
    changes = fields.List(fields.Nested(ChangeSchema))


class SettlementVersionsSchema(Schema):
    settlements = fields.List(fields.Nested(SettlementVersionSchema))


class SettlementLineSchema(Schema):
    key = fields.String(metadata={"description": "Names the line in every version of its month"})
    kind = fields.String()
    payer = fields.String(metadata={"description": "Code of a store, or HQ"})
    payee = fields.String()
    quantity = fields.Integer(allow_none=True)
    rate = fields.String(allow_none=True)
    exact = fields.String(metadata={"description": "Minor units before rounding"})
    amount = fields.Integer(metadata={"description": "What the payer owes the payee, in minor units"})
    origin_month = fields.String()
    note = fields.String()


class SettlementLinesSchema(Schema):
    month = fields.String()
    version = fields.Integer()
    lines = fields.List(fields.Nested(SettlementLineSchema))


class LinesQuerySchema(Schema):
    store = fields.String(metadata={"description": "Only the lines of this store"})
    version = fields.Integer(validate=validate.Range(min=1, max=10**6))


class VersionQuerySchema(Schema):
    version = fields.Integer(
        validate=validate.Range(min=1, max=10**6), metadata={"description": "By default the one not rejected"}
    )


class SettlementRejectionSchema(Schema):
    reason = fields.String(required=True, validate=passes(check_reason), metadata={"pattern": f"^{REASON_PATTERN}$"})
