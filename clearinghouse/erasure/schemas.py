from __future__ import annotations

from apiflask import Schema
from marshmallow import fields, validate

from clearinghouse.erasure.rules import REASONS, RETENTION


class NewErasureSchema(Schema):
    reason = fields.String(
        required=True,
        validate=validate.OneOf(list(REASONS)),
        metadata={"description": "; ".join(f"{name}: {meaning}" for name, meaning in REASONS.items())},
    )
    confirm = fields.String(
        required=True, metadata={"description": "The member's id once more: it can't be undone", "example": "mem_…"}
    )
    forfeit_points = fields.Boolean(
        load_default=False, metadata={"description": "Let the points that are left expire"}
    )


class ErasureSchema(Schema):
    member_id = fields.String()
    erased_at = fields.String()
    reason = fields.String(validate=validate.OneOf([*REASONS, RETENTION]))
    erased_by = fields.String(metadata={"description": "Id of a key, `command line` or `retention`"})
    fields_ = fields.List(
        fields.String(),
        attribute="fields",
        data_key="fields",
        metadata={"description": "What was known: reference, name, phone, email, pin, wallet"},
    )
    members = fields.Integer(metadata={"description": "This one and those that had been merged into it"})
    cards = fields.Integer(metadata={"description": "How many; their numbers are gone"})
    payment_tokens = fields.Integer(metadata={"description": "How many were bound"})
    points_forfeited = fields.Integer()
    transfer_id = fields.String(allow_none=True, metadata={"description": "With which the points have expired"})
