"""What is sent and answered about adjustments. Amounts are integers, in minor units."""

from __future__ import annotations

from apiflask import Schema
from marshmallow import fields, validate

from clearinghouse.dayclose.service import REASON_PATTERN, check_reason
from clearinghouse.directory.schemas import PageQuerySchema, PageSchema, code_field
from clearinghouse.pos.schemas import IDEMPOTENCY_KEY_PATTERN
from settlement.adjustments.rules import AMOUNT_MAX, REASONS
from tenants.foundation.web import passes, rows_of


class PersonsIdempotencyHeaderSchema(Schema):
    idempotency_key = fields.String(
        required=True,
        data_key="Idempotency-Key",
        metadata={"description": "Unique for each person; kept for ever", "pattern": IDEMPOTENCY_KEY_PATTERN},
    )


class NewAdjustmentSchema(Schema):
    payer = code_field("S-001", description="Code of a store, or HQ")
    payee = code_field("HQ", description="Code of a store, or HQ")
    amount = fields.Integer(required=True, strict=True, validate=validate.Range(1, AMOUNT_MAX))
    reason = fields.String(required=True, validate=validate.OneOf(REASONS))
    note = fields.String(
        validate=passes(check_reason),
        metadata={"pattern": f"^{REASON_PATTERN}$", "description": "Stands on the statement"},
    )
    origin_month = fields.String(
        metadata={
            "description": "The month it belongs to; when left out, the open month, which settles it",
            "example": "2026-11",
        }
    )


class AdjustmentQuerySchema(PageQuerySchema):
    month = fields.String(metadata={"description": "Only those that this month settles", "example": "2026-11"})


class AdjustmentSchema(Schema):
    adjustment_id = fields.String()
    settlement_month = fields.String(metadata={"description": "The month that settles it: the first open one then"})
    origin_month = fields.String(metadata={"description": "The month it belongs to"})
    payer = fields.String(metadata={"description": "Code of a store, or HQ"})
    payee = fields.String()
    amount = fields.Integer(metadata={"description": "What the payer owes the payee"})
    reason = fields.String(
        metadata={"description": "Besides those that people give: dispute_released and leg_carried"}
    )
    note = fields.String()
    reference = fields.String(
        allow_none=True, metadata={"description": "The dispute that was rejected, or the payment that failed"}
    )
    made_by = fields.String()
    made_at = fields.String()


class AdjustmentPageSchema(PageSchema):
    adjustments = rows_of(AdjustmentSchema)
