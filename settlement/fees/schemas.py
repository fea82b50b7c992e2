from __future__ import annotations

from apiflask import Schema
from marshmallow import fields, validate

from clearinghouse.directory.schemas import code_field, rate_field
from settlement.fees.rules import BASES
from settlement.validity.schemas import EffectiveSchema, NewEffectiveSchema
from tenants.foundation.web import rows_of


class FeeSchema(EffectiveSchema):
    fee_id = fields.String()
    code = fields.String()
    basis = fields.String(metadata={"description": f"One of {', '.join(BASES)}"})
    rate = fields.String()
    tax_rate = fields.String()


class FeeListSchema(Schema):
    fees = rows_of(FeeSchema)


class NewFeeSchema(NewEffectiveSchema):
    code = code_field("service", description="One fee of a code counts at a time; a participant's own before all's")
    basis = fields.String(
        required=True,
        validate=validate.OneOf(list(BASES)),
        metadata={"description": "; ".join(f"{basis}: {meaning}" for basis, meaning in BASES.items())},
    )
    rate = rate_field("0.05", description="Minor units for each, or a share of the volume")
    tax_rate = fields.Decimal(
        required=True,
        as_string=True,
        metadata={"description": "Share of the fee, charged on top", "example": "0.21"},
    )
