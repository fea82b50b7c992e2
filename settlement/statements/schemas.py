from __future__ import annotations

from apiflask import Schema
from marshmallow import fields, validate

from settlement.languages.rules import ENGLISH
from settlement.languages.schemas import language_field


class StatementQuerySchema(Schema):
    version = fields.Integer(
        validate=validate.Range(min=1, max=10**6), metadata={"description": "By default the one not rejected"}
    )
    language = language_field("Of texts, numbers and dates", load_default=ENGLISH)


class AdviceQuerySchema(Schema):
    language = language_field("Of texts, numbers and dates", load_default=ENGLISH)
