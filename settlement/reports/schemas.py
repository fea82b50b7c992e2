"""What head office and its people are told. Points and minor units are integers, shares are decimal texts."""

from __future__ import annotations

from apiflask import Schema
from marshmallow import fields

from settlement.languages.rules import ENGLISH
from settlement.languages.schemas import language_field


class EfficiencySchema(Schema):
    gross = fields.Integer(metadata={"description": "Minor units to pay for others' points, one by one"})
    bilateral = fields.Integer(metadata={"description": "If each two parties paid only their difference"})
    multilateral = fields.Integer(metadata={"description": "If each party paid or received only its net"})
    gross_payments = fields.Integer()
    bilateral_payments = fields.Integer()
    multilateral_payments = fields.Integer()
    bilateral_saved = fields.String(
        allow_none=True, metadata={"description": "Share of gross; null: nothing is owed", "example": "0.7952"}
    )
    multilateral_saved = fields.String(allow_none=True)


class LargestFlowSchema(Schema):
    issuing_store = fields.String()
    redeeming_store = fields.String()
    points = fields.Integer()
    amount = fields.Integer(metadata={"description": "Minor units that these two would owe each other for them"})


class FigureChangeSchema(Schema):
    absolute = fields.Integer()
    share = fields.String(allow_none=True, metadata={"description": "Of the month before; null: that was zero"})


class FigureChangesSchema(Schema):
    issued = fields.Nested(FigureChangeSchema, allow_none=True)
    recovered = fields.Nested(FigureChangeSchema, allow_none=True)
    expired = fields.Nested(FigureChangeSchema, allow_none=True)
    outstanding = fields.Nested(FigureChangeSchema, allow_none=True)
    collections = fields.Nested(FigureChangeSchema, allow_none=True)
    payouts = fields.Nested(FigureChangeSchema, allow_none=True)
    fees = fields.Nested(FigureChangeSchema, allow_none=True)
    hq_net = fields.Nested(FigureChangeSchema, allow_none=True)


class ComparedMonthSchema(Schema):
    month = fields.String()
    state = fields.String(allow_none=True, metadata={"description": "Of its settlement; null: not proposed yet"})
    version = fields.Integer(allow_none=True)
    issued = fields.Integer(metadata={"description": "Points"})
    recovered = fields.Integer()
    expired = fields.Integer()
    outstanding = fields.Integer()
    collections = fields.Integer(
        allow_none=True, metadata={"description": "Minor units that stores remit; null: not proposed yet"}
    )
    payouts = fields.Integer(allow_none=True, metadata={"description": "Minor units that stores receive"})
    fees = fields.Integer(allow_none=True, metadata={"description": "Without tax"})
    hq_net = fields.Integer(allow_none=True)
    efficiency = fields.Nested(EfficiencySchema, allow_none=True)
    changes = fields.Nested(
        FigureChangesSchema,
        metadata={"description": "Against the month before; null where one of the two is not known"},
    )


class NetworkReportSchema(Schema):
    network = fields.String()
    month = fields.String()
    currency = fields.String()
    version = fields.Integer()
    state = fields.String()
    model = fields.String(metadata={"description": "pooled or on_redemption"})
    efficiency = fields.Nested(EfficiencySchema)
    largest_flows = fields.List(fields.Nested(LargestFlowSchema))
    months = fields.List(fields.Nested(ComparedMonthSchema), metadata={"description": "Twelve, the newest last"})


class AgeingQuerySchema(Schema):
    as_of = fields.Date(metadata={"description": "At the end of this day in the network's time zone; default: today"})


class AgedSchema(Schema):
    not_due = fields.Integer(metadata={"description": "Minor units; due on this day or later"})
    days_1_30 = fields.Integer(metadata={"description": "So many days past the due day"})
    days_31_60 = fields.Integer()
    days_61_90 = fields.Integer()
    over_90 = fields.Integer()
    total = fields.Integer()


class AgedStoreSchema(AgedSchema):
    store = fields.String()
    name = fields.String()
    participant = fields.String()


class AgedDirectionSchema(Schema):
    total = fields.Nested(AgedSchema)
    stores = fields.List(fields.Nested(AgedStoreSchema))


class UnpaidLegSchema(Schema):
    month = fields.String()
    store = fields.String()
    direction = fields.String(metadata={"description": "collection: the store owes it; payout: it is owed it"})
    amount = fields.Integer(metadata={"description": "Minor units, positive"})
    due_on = fields.String()
    days_past_due = fields.Integer(metadata={"description": "Negative: not due yet"})
    bucket = fields.String()
    state = fields.String(metadata={"description": "pending, instructed or failed, at the end of that day"})


class AgeingSchema(Schema):
    as_of = fields.String()
    currency = fields.String()
    collections = fields.Nested(AgedDirectionSchema)
    payouts = fields.Nested(AgedDirectionSchema)
    legs = fields.List(fields.Nested(UnpaidLegSchema))


class FlowSchema(Schema):
    issuing_store = fields.String()
    redeeming_store = fields.String()
    points = fields.Integer()


class FlowsSchema(Schema):
    month = fields.String()
    flows = fields.List(fields.Nested(FlowSchema))


class ExportQuerySchema(Schema):
    language = language_field("Of settlement.xlsx and report.pdf", load_default=ENGLISH)


class DocumentsQuerySchema(Schema):
    language = language_field("Of the statements", load_default=ENGLISH)


class RenderingSchema(Schema):
    jobs = fields.List(fields.String())
