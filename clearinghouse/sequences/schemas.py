from __future__ import annotations

from typing import Any

from apiflask import Schema
from marshmallow import fields, validate


def ranges(description: str, **metadata: Any) -> fields.List:
    """Pairs [first, last], both included."""
    pair = fields.List(fields.Integer(), validate=validate.Length(equal=2))
    return fields.List(pair, metadata={"description": description, "example": [[4, 7], [9, 9]], **metadata})


class SequenceSchema(Schema):
    """Ranges are lists of [first, last], both included."""

    terminal_id = fields.String()
    store = fields.String()
    terminal = fields.String(metadata={"description": "Code of the terminal in its store"})
    highest_sequence = fields.Integer(metadata={"description": "The highest it is known to have used; 0 for none"})
    missing_sequences = ranges("Between the lowest received and the highest known; the first 100")
    missing_count = fields.Integer()
    received_sequences = ranges("Those that were answered, refused or not; the last 100")
    received_count = fields.Integer()
    repeated_sequences = ranges("Those that came again with another event; the last 100")
    repeated_count = fields.Integer()
    clock_skew_seconds = fields.Integer(
        allow_none=True, metadata={"description": "Its clock minus the clearinghouse's when it last told its time"}
    )
    seen_at = fields.String(allow_none=True, metadata={"description": "When its last numbered batch came"})
