"""What head office is told. Points and minor units are integers; a positive net remits, a negative receives."""

from __future__ import annotations

from apiflask import Schema
from marshmallow import fields


class WindowSchema(Schema):
    month = fields.String(metadata={"example": "2026-11"})
    state = fields.String(metadata={"description": "closed, or settled once every store has paid or been paid"})
    closed_at = fields.String()
    closed_by = fields.String()
    published_at = fields.String(allow_none=True, metadata={"description": "When its points were proven"})
    dispute_until = fields.String(metadata={"description": "The last day on which stores dispute its settlement"})
    approve_by = fields.String()
    collect_on = fields.String()
    pay_on = fields.String()
    day_close_differences = fields.Integer(
        allow_none=True, metadata={"description": "Of the newest closed month; null: look at the month itself"}
    )


class WindowListSchema(Schema):
    windows = fields.List(fields.Nested(WindowSchema))
    first_open_month = fields.String()


class IdentitySchema(Schema):
    name = fields.String()
    left = fields.String()
    right = fields.String()
    holds = fields.Boolean()


class ChangeSchema(Schema):
    from_state = fields.String()
    to_state = fields.String()
    changed_by = fields.String()
    changed_at = fields.String()
    reason = fields.String()


class ClosedWindowSchema(WindowSchema):
    issued = fields.Integer(
        allow_none=True, metadata={"description": "Points, as all figures here; null until published"}
    )
    recovered = fields.Integer(allow_none=True)
    expired = fields.Integer(allow_none=True)
    borne = fields.Integer(
        allow_none=True, metadata={"description": "Points that stores answer for without having issued them"}
    )
    opening_outstanding = fields.Integer(allow_none=True)
    closing_outstanding = fields.Integer(allow_none=True)
    identities = fields.List(fields.Nested(IdentitySchema))
    merkle_root = fields.String(
        allow_none=True, metadata={"description": "Over the hashes of all its transfers; null until sealed"}
    )
    changes = fields.List(fields.Nested(ChangeSchema))
