from __future__ import annotations

from apiflask import Schema
from marshmallow import fields

from clearinghouse.directory.schemas import rate_field
from settlement.validity.schemas import EffectiveSchema, NewEffectiveSchema
from tenants.foundation.web import rows_of


class RateSchema(EffectiveSchema):
    rate_id = fields.String()
    funding_rate = fields.String(metadata={"description": "Charged to the issuer: minor units a point"})
    redemption_rate = fields.String(metadata={"description": "Paid to the redeemer: minor units a point"})


class RateGapSchema(Schema):
    valid_from = fields.Date()
    valid_until = fields.Date(allow_none=True)


class RateListSchema(Schema):
    rates = rows_of(RateSchema)
    gaps = fields.List(
        fields.Nested(RateGapSchema),
        metadata={"description": "Days without a rate of the network: their months can't be proposed"},
    )


class NewRateSchema(NewEffectiveSchema):
    funding_rate = rate_field("0.85", description="Charged to the issuer: minor units a point")
    redemption_rate = rate_field("0.8", description="Paid to the redeemer: minor units a point")
