from __future__ import annotations

from marshmallow import fields, validate

from settlement.languages.rules import LANGUAGES


def language_field(description: str, **more: object) -> fields.String:
    return fields.String(
        validate=validate.OneOf(list(LANGUAGES)),
        metadata={"description": description},
        **more,  # type: ignore[arg-type]
    )
