"""What head office is told. Points and minor units are integers; a positive net remits, a negative receives."""

from __future__ import annotations

from apiflask import Schema
from marshmallow import fields


class WindowSchema(Schema):
    month = fields.String(metadata={"example": "2026-11"})
    state = fields.String(metadata={"description": "closed, or published once it has been netted"})
    closed_at = fields.String()
    closed_by = fields.String()
    published_at = fields.String(allow_none=True)
    day_close_differences = fields.Integer(
        allow_none=True, metadata={"description": "Of the newest closed month; null: look at the month itself"}
    )


class WindowListSchema(Schema):
    windows = fields.List(fields.Nested(WindowSchema))
    first_open_month = fields.String()


class PositionSchema(Schema):
    store = fields.String()
    name = fields.String()
    participant = fields.String()
    issued = fields.Integer()
    recovered = fields.Integer()
    expired = fields.Integer()
    borne = fields.Integer(metadata={"description": "Points that stores answer for without having issued them"})
    net_points = fields.Integer()
    to_pay = fields.Integer()
    to_receive = fields.Integer()
    net = fields.Integer()
    direction = fields.String(metadata={"description": "remit, receive or none"})


class IdentitySchema(Schema):
    name = fields.String()
    left = fields.String()
    right = fields.String()
    holds = fields.Boolean()


class TotalsSchema(Schema):
    network = fields.String()
    month = fields.String()
    currency = fields.String()
    funding_rate = fields.String(metadata={"description": "Minor units per point issued"})
    redemption_rate = fields.String(metadata={"description": "Minor units per point recovered"})
    issued = fields.Integer()
    recovered = fields.Integer()
    expired = fields.Integer()
    borne = fields.Integer()
    opening_outstanding = fields.Integer()
    closing_outstanding = fields.Integer()
    hq_net = fields.Integer(metadata={"description": "Closes the sum of the stores' nets to zero"})
    hq_direction = fields.String()
    closed_at = fields.String()
    published_at = fields.String()
    day_close_differences = fields.Integer(
        metadata={"description": "Days of tills that differ from the ledger or lack a close, and were not accepted"}
    )


class PositionsSchema(TotalsSchema):
    positions = fields.List(fields.Nested(PositionSchema))


class SettlementSchema(PositionsSchema):
    identities = fields.List(fields.Nested(IdentitySchema))


class FlowSchema(Schema):
    issuing_store = fields.String()
    redeeming_store = fields.String()
    points = fields.Integer()


class FlowsSchema(Schema):
    month = fields.String()
    flows = fields.List(fields.Nested(FlowSchema))


class RenderingSchema(Schema):
    jobs = fields.List(fields.String())
