from __future__ import annotations

from apiflask import Schema
from marshmallow import fields


class SettlementProofSchema(Schema):
    month = fields.String()
    version = fields.Integer()
    state = fields.String()
    holds = fields.Boolean(metadata={"description": "Whether both are the same, byte for byte, as approved"})
    lines = fields.Integer()
    content_hash = fields.String(metadata={"description": "SHA-256 of what was approved, in hexadecimal"})
    derived_hash = fields.String(metadata={"description": "SHA-256 of what the postings come to now"})
    kept_hash = fields.String(metadata={"description": "SHA-256 of the lines that are kept"})
    only_derived = fields.List(
        fields.String(),
        metadata={"description": "Lines that the postings come to and nobody kept; 100 at most"},
    )
    only_kept = fields.List(
        fields.String(), metadata={"description": "Lines that are kept, and that the postings do not come to"}
    )
