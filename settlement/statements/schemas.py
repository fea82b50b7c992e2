from __future__ import annotations

from apiflask import Schema
from marshmallow import fields, validate

from settlement.statements.texts import ENGLISH, LANGUAGES


def language_field(description: str, **more: object) -> fields.String:
    return fields.String(
        validate=validate.OneOf(list(LANGUAGES)),
        metadata={"description": description},
        **more,  # type: ignore[arg-type]
    )


class StatementQuerySchema(Schema):
    version = fields.Integer(
        validate=validate.Range(min=1, max=10**6), metadata={"description": "By default the one not rejected"}
    )
    language = language_field("Of texts, numbers and dates", load_default=ENGLISH)


class AdviceQuerySchema(Schema):
    language = language_field("Of texts, numbers and dates", load_default=ENGLISH)
