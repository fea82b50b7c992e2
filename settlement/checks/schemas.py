from __future__ import annotations

from apiflask import Schema
from marshmallow import fields, validate

FINDINGS_SHOWN, FINDINGS_SHOWN_MAX = 20, 1_000


class CheckFindingSchema(Schema):
    subject = fields.String()
    expected = fields.String()
    found = fields.String()


class SettlementCheckSchema(Schema):
    name = fields.String()
    state = fields.String(metadata={"description": "green, red, or yellow: worth knowing, but stops nothing"})
    blocks = fields.Boolean(metadata={"description": "Whether nothing is approved while it is red"})
    findings_count = fields.Integer(metadata={"description": "Beyond a hundred differences some are counted as one"})
    findings = fields.List(fields.Nested(CheckFindingSchema))


class SettlementChecksSchema(Schema):
    month = fields.String()
    version = fields.Integer()
    state = fields.String(metadata={"description": "Of the settlement: proposed, approved, settling or settled"})
    all_green = fields.Boolean(metadata={"description": "Whether it may be approved; yellow counts as green"})
    checks = fields.List(fields.Nested(SettlementCheckSchema))


class ChecksQuerySchema(Schema):
    limit = fields.Integer(
        load_default=FINDINGS_SHOWN,
        validate=validate.Range(min=0, max=FINDINGS_SHOWN_MAX),
        metadata={"description": "Findings shown of each check"},
    )
