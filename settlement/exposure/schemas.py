"""What head office and owners are told of exposures. Money is in integer minor units."""

from __future__ import annotations

from apiflask import Schema
from marshmallow import fields, validate

from clearinghouse.directory.schemas import CodePageQuerySchema
from settlement.exposure.rules import LEVELS, POLICIES
from settlement.exposure.service import MINOR_UNITS_MAX
from tenants.foundation.web import rows_of
from tenants.stores.rules import ISSUING


class ExposureQuerySchema(CodePageQuerySchema):
    level = fields.String(validate=validate.OneOf(LEVELS), metadata={"description": "Only stores of this level"})


class ExposureSchema(Schema):
    """Figures are null until a store of the network has had a cap."""

    store = fields.String()
    name = fields.String()
    participant = fields.String()
    cap = fields.Integer(allow_none=True, metadata={"description": "null: as much as it likes"})
    exposure = fields.Integer(
        allow_none=True, metadata={"description": "receivable + unsettled + outstanding - deposit"}
    )
    level = fields.String(
        allow_none=True,
        validate=validate.OneOf(LEVELS),
        metadata={"description": "warning from 80% of the cap on, reached from all of it on"},
    )
    issuing = fields.String(
        validate=validate.OneOf(ISSUING), metadata={"description": "What the store's tills may do now"}
    )
    receivable = fields.Integer(allow_none=True, metadata={"description": "Approved, and not paid by the store yet"})
    unsettled = fields.Integer(
        allow_none=True, metadata={"description": "What months that are not approved come to so far"}
    )
    outstanding = fields.Integer(
        allow_none=True,
        metadata={"description": "Settled on redemption: points it has issued and members hold, in money"},
    )
    deposit = fields.Integer(allow_none=True, metadata={"description": "What the store has lodged"})
    as_of = fields.String(allow_none=True)


class ExposurePageSchema(Schema):
    exposures = rows_of(ExposureSchema)
    next_cursor = fields.String(allow_none=True)


class NewCapSchema(Schema):
    cap = fields.Integer(
        required=True,
        strict=True,
        allow_none=True,
        validate=validate.Range(0, MINOR_UNITS_MAX),
        metadata={"description": "Minor units; null for none", "example": 500000},
    )


class CapSchema(Schema):
    version = fields.Integer()
    cap = fields.Integer(allow_none=True)
    made_by = fields.String()
    made_at = fields.String()


class CapListSchema(Schema):
    store = fields.String()
    caps = fields.List(fields.Nested(CapSchema))


class NewExposurePolicySchema(Schema):
    policy = fields.String(required=True, validate=validate.OneOf(POLICIES))


class ExposurePolicySchema(Schema):
    version = fields.Integer()
    policy = fields.String(validate=validate.OneOf(POLICIES))
    made_by = fields.String()
    made_at = fields.String()


class ExposurePoliciesSchema(Schema):
    policy = fields.String(
        validate=validate.OneOf(POLICIES), metadata={"description": "In force; block until one is set"}
    )
    versions = fields.List(fields.Nested(ExposurePolicySchema))
