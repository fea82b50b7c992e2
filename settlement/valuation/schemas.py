"""What head office may assume and is told. Points and minor units are integers, rates are decimal texts."""

from __future__ import annotations

from apiflask import Schema
from marshmallow import fields, validate

from clearinghouse.directory.schemas import rate_field
from settlement.valuation.assumptions import BREAKAGE_TO, HEAD_OFFICE, RECENT_MAX
from tenants.foundation.web import rows_of


class AssumptionsQuerySchema(Schema):
    cost_per_point = rate_field(
        "1", required=False, description="Minor units that a redeemed point costs; default: the redemption rate"
    )
    price_per_point = rate_field(
        "1", required=False, description="Minor units deferred for a point issued; default: each month's funding rate"
    )
    breakage_to = fields.String(
        load_default=HEAD_OFFICE,
        validate=validate.OneOf(BREAKAGE_TO),
        metadata={"description": "Who is entitled to breakage; if not hq, it stays a liability"},
    )
    final_rate = fields.Decimal(
        as_string=True,
        metadata={
            "description": "Ultimate redemption rate of the oldest month of issue whose end has not been seen yet",
            "example": "0.8",
        },
    )
    recent = fields.Integer(
        strict=False,
        validate=validate.Range(min=1, max=RECENT_MAX),
        metadata={"description": "Each age develops as in the newest so many months of issue; default: as in all"},
    )


class RangeSchema(Schema):
    estimate = fields.Integer()
    low = fields.Integer()
    high = fields.Integer()


class RateRangeSchema(Schema):
    estimate = fields.String(allow_none=True)
    low = fields.String(allow_none=True)
    high = fields.String(allow_none=True)


class CohortSchema(Schema):
    month = fields.String(metadata={"description": "Month of issue"})
    age = fields.Integer(metadata={"description": "Months since"})
    issued = fields.Integer()
    redeemed = fields.Integer()
    expired = fields.Integer()
    outstanding = fields.Integer()
    method = fields.String(metadata={"description": "closed, chain ladder or Cape Cod"})
    developed = fields.String(metadata={"description": "Part of its redemptions that has come by this age"})
    ultimate_redemption_rate = fields.Nested(RateRangeSchema)
    expected_redemptions = fields.Integer(metadata={"description": "Points still to be redeemed"})
    standard_error = fields.Integer()
    redeemed_by_age = fields.List(fields.Integer())


class LiabilitySchema(Schema):
    amount = fields.Integer(metadata={"description": "Minor units, of all below"})
    expected_redemptions = fields.Nested(RangeSchema)
    unredeemed_amount = fields.Integer(metadata={"description": "Breakage to come that is not head office's"})
    expired_amount = fields.Integer(metadata={"description": "Breakage so far that is not head office's"})


class RevenueSchema(Schema):
    allocated = fields.Integer(metadata={"description": "Minor units deferred for all points issued so far"})
    recognised = fields.Integer(metadata={"description": "Of these, earned so far"})
    earned = fields.Integer(metadata={"description": "Of these, in the month"})
    catch_up = fields.Integer(metadata={"description": "Of these, because the estimate has changed"})
    deferred = fields.Integer(metadata={"description": "Contract liability: still to be earned"})


class ReconciliationSchema(Schema):
    outstanding = fields.Integer(metadata={"description": "Points of the months of issue"})
    issued_later = fields.Integer(metadata={"description": "Of lots issued after the month, but used in it"})
    owed = fields.Integer(metadata={"description": "Points that members owe"})
    closing_outstanding = fields.Integer(metadata={"description": "As published: outstanding + issued_later - owed"})
    recovered = fields.Integer(metadata={"description": "As published, of all months"})
    beyond_lots = fields.Integer(metadata={"description": "Of these, redeemed on credit or borne by a store"})
    holds = fields.Boolean()


class UsedAssumptionsSchema(Schema):
    cost_per_point = fields.String()
    price_per_point = fields.String(allow_none=True, metadata={"description": "null: each month's funding rate"})
    breakage_to = fields.String()
    final_rate = fields.String(allow_none=True)
    recent = fields.Integer(allow_none=True)
    young_below = fields.String(metadata={"description": "Cohorts developed less than this are valued by Cape Cod"})
    range_errors = fields.String(metadata={"description": "Standard errors to each side in a range"})


class ValuationSchema(Schema):
    network = fields.String()
    month = fields.String()
    currency = fields.String()
    assumptions = fields.Nested(UsedAssumptionsSchema)
    issued = fields.Integer()
    redeemed = fields.Integer()
    expired = fields.Integer()
    outstanding = fields.Integer()
    ultimate_redemption_rate = fields.String(allow_none=True)
    expected_redemptions = fields.Nested(RangeSchema)
    standard_error = fields.Integer()
    breakage = fields.Nested(RangeSchema, metadata={"description": "Points outstanding never to be redeemed"})
    breakage_amount = fields.Nested(RangeSchema)
    liability = fields.Nested(LiabilitySchema)
    revenue = fields.Nested(
        RevenueSchema,
        allow_none=True,
        metadata={"description": "null: the month before can't be valued without a final_rate"},
    )
    reconciliation = fields.Nested(ReconciliationSchema)
    factors = fields.List(
        fields.String(), metadata={"description": "Redeemed by each age over that by the age before"}
    )
    cape_cod_rate = fields.String()
    cohorts = rows_of(CohortSchema)
