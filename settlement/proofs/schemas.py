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
        fields.String(), metadata={"description": "Lines that the postings come to, up to 100"}
    )
    only_kept = fields.List(
        fields.String(), metadata={"description": "Of the lines that are kept; a hundred of each at most"}
    )
