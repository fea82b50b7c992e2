"""What an owner of stores is answered. Amounts are integers, in minor units; a positive net remits."""

from __future__ import annotations

from apiflask import Schema
from marshmallow import fields, validate

from clearinghouse.directory.schemas import PageSchema
from settlement.proposals.schemas import SettlementLineSchema
from tenants.foundation.web import rows_of


class OwnMonthQuerySchema(Schema):
    limit = fields.Integer(load_default=12, validate=validate.Range(1, 120))
    cursor = fields.String(metadata={"description": "next_cursor of the page before"})


class OwnVersionSchema(Schema):
    month = fields.String()
    version = fields.Integer()
    state = fields.String(metadata={"description": "proposed: a draft; approved, settling or settled: final"})
    dispute_until = fields.String(metadata={"description": "The last day for disputing it"})
    collect_on = fields.String(metadata={"description": "When head office collects from those that remit"})
    pay_on = fields.String(metadata={"description": "When it pays those that receive"})


class OwnNetSchema(Schema):
    store = fields.String()
    net = fields.Integer(metadata={"description": "Positive remits, negative receives"})
    direction = fields.String(metadata={"description": "remit, receive or none"})


class OwnMonthSchema(OwnVersionSchema):
    stores = rows_of(OwnNetSchema)


class OwnMonthPageSchema(PageSchema):
    months = rows_of(OwnMonthSchema)


class OwnLineSchema(SettlementLineSchema):
    disputed = fields.Integer(metadata={"description": "How much of it is disputed, or was so with success"})
    disputable = fields.Integer(metadata={"description": "How much of it can be disputed now"})


class OwnLinesSchema(OwnVersionSchema):
    store = fields.String()
    net = fields.Integer(metadata={"description": "Positive remits, negative receives"})
    direction = fields.String(metadata={"description": "remit, receive or none"})
    lines = rows_of(OwnLineSchema)
