"""What is sent and answered about disputes. Amounts are integers, in minor units."""

from __future__ import annotations

from apiflask import Schema
from marshmallow import fields, validate

from clearinghouse.dayclose.service import REASON_PATTERN, check_reason
from clearinghouse.directory.schemas import PageQuerySchema, PageSchema, code_field
from settlement.adjustments.rules import AMOUNT_MAX
from settlement.states.rules import ACCEPTED, EXPIRED, OPENED, REJECTED
from settlement.windows.schemas import ChangeSchema
from tenants.foundation.web import passes, rows_of

# Kind, two parties and a reference; the names of kinds are short.
LINE_KEY_CHARACTERS_MAX = 200


def why_field(description: str) -> fields.String:
    metadata = {"pattern": f"^{REASON_PATTERN}$", "description": description}
    return fields.String(required=True, validate=passes(check_reason), metadata=metadata)


class NewDisputeSchema(Schema):
    month = fields.String(required=True, metadata={"example": "2026-11"})
    store = code_field("S-001")
    line = fields.String(
        required=True,
        validate=validate.Length(1, LINE_KEY_CHARACTERS_MAX),
        metadata={"description": "`key` of a line of the draft statement"},
    )
    amount = fields.Integer(
        strict=True,
        validate=validate.Range(1, AMOUNT_MAX),
        metadata={"description": "How much of the line; when left out, all that is not disputed yet"},
    )
    reason = why_field("What is wrong with it; head office reads it")


class DecisionSchema(Schema):
    reason = why_field("Why; the store reads it")


class DisputeQuerySchema(PageQuerySchema):
    month = fields.String(metadata={"example": "2026-11"})
    state = fields.String(validate=validate.OneOf([OPENED, ACCEPTED, REJECTED, EXPIRED]))


class DisputeSchema(Schema):
    dispute_id = fields.String()
    month = fields.String()
    store = fields.String()
    line = fields.String(metadata={"description": "Names the line in every version of its month"})
    kind = fields.String(metadata={"description": "Of the line"})
    amount = fields.Integer(metadata={"description": "How much of the line is disputed"})
    reason = fields.String()
    opened_by = fields.String()
    opened_at = fields.String()
    state = fields.String(metadata={"description": "opened, accepted, rejected or expired"})
    decide_by = fields.String(metadata={"description": "Not decided by then, it expires: the line stands"})
    decided_by = fields.String(allow_none=True)
    decided_at = fields.String(allow_none=True)
    decision = fields.String(allow_none=True, metadata={"description": "Why it was decided so"})


class DisputeWithChangesSchema(DisputeSchema):
    changes = fields.List(fields.Nested(ChangeSchema))


class DisputePageSchema(PageSchema):
    disputes = rows_of(DisputeSchema)
