"""What rates and fees have in common."""

from __future__ import annotations

from apiflask import Schema
from marshmallow import fields

from clearinghouse.directory.schemas import code_field


class EffectiveSchema(Schema):
    participant = fields.String(
        allow_none=True, metadata={"description": "Whose stores it is for; null: everybody without one of their own"}
    )
    valid_from = fields.Date(metadata={"example": "2026-12-01"})
    valid_until = fields.Date(allow_none=True, metadata={"description": "The last day; null: it has no end yet"})
    made_by = fields.String()
    made_at = fields.String()
    ended_by = fields.String(allow_none=True, metadata={"description": "Who put its last day after it had been set"})
    ended_at = fields.String(allow_none=True)
    withdrawn_by = fields.String(allow_none=True, metadata={"description": "What is withdrawn has never counted"})
    withdrawn_at = fields.String(allow_none=True)


class NewEffectiveSchema(Schema):
    valid_from = fields.Date(
        required=True, metadata={"description": "The first day, of no approved month", "example": "2026-12-01"}
    )
    valid_until = fields.Date(
        allow_none=True, metadata={"description": "The last day; left out: until another is set"}
    )
    participant = code_field(
        "acme", required=False, description="Whose stores it is for; left out: everybody without one of their own"
    )
    confirm = fields.Boolean(
        load_default=False,
        truthy={True},
        falsy={False},
        metadata={"description": "Sent again with true after `confirmation_needed`: it is meant"},
    )


class EndSchema(Schema):
    valid_until = fields.Date(required=True, metadata={"description": "The last day", "example": "2026-12-31"})


class EffectiveQuerySchema(Schema):
    participant = fields.String(metadata={"description": "Only those of the participant with this code"})
    withdrawn = fields.Boolean(load_default=False, metadata={"description": "Withdrawn ones too"})
