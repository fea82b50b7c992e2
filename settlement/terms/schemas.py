from __future__ import annotations

from apiflask import Schema
from marshmallow import fields, validate

from clearinghouse.dayclose.service import check_reason
from settlement.terms.rules import DAYS_MAX, MINIMUM_PAYOUT_MAX, MODELS, POSTPONED_DAYS_MAX, Terms
from tenants.foundation.web import passes, rows_of

MODEL = "pooled: a store pays for points when it issues them; on_redemption: when they are used, to who recovers them"
MINIMUM = "Minor units; what head office owes a store below it is carried forward"
DAYS = {
    "dispute_days": "Until when stores dispute, in days after the month's end",
    "approval_days": "When it is to be approved",
    "collection_days": "When head office collects",
    "payout_days": "When head office pays out",
}


def days_field(name: str) -> fields.Integer:
    metadata = {"description": DAYS[name], "example": getattr(Terms(), name)}
    return fields.Integer(strict=True, validate=validate.Range(1, DAYS_MAX), metadata=metadata)


class TermsPartsSchema(Schema):
    model = fields.String(validate=validate.OneOf(list(MODELS)), metadata={"description": MODEL})
    minimum_payout = fields.Integer(
        strict=True, validate=validate.Range(0, MINIMUM_PAYOUT_MAX), metadata={"description": MINIMUM}
    )
    dispute_days = days_field("dispute_days")
    approval_days = days_field("approval_days")
    collection_days = days_field("collection_days")
    payout_days = days_field("payout_days")


class NewTermsSchema(TermsPartsSchema):
    """What is left out stays as it is."""

    from_month = fields.String(
        required=True,
        metadata={
            "description": "The first month, not closed yet",
            "pattern": r"^\d{4}-(0[1-9]|1[0-2])$",
            "example": "2026-12",
        },
    )


class SettlementTermsSchema(TermsPartsSchema):
    from_month = fields.String()
    version = fields.Integer(metadata={"description": "Of a month the newest counts"})
    made_by = fields.String()
    made_at = fields.String()


class TermsInForceSchema(TermsPartsSchema):
    month = fields.String(metadata={"description": "The first open month"})


class TermsListSchema(Schema):
    terms = rows_of(SettlementTermsSchema)
    in_force = fields.Nested(TermsInForceSchema)


class PostponementSchema(Schema):
    days = fields.Integer(required=True, strict=True, validate=validate.Range(1, POSTPONED_DAYS_MAX))
    reason = fields.String(validate=passes(check_reason), metadata={"example": "two stores have not answered"})
