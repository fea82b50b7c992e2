from __future__ import annotations

from typing import Any

from apiflask import Schema
from marshmallow import fields, validate

from clearinghouse.directory.schemas import PageSchema, code_field, name_field
from tenants.foundation.web import rows_of
from tenants.staff.rules import OWNER, ROLES


def roles_field(**options: Any) -> fields.List:
    given = "; ".join(f"{role}: {', '.join(scopes)}" for role, scopes in ROLES.items())
    return fields.List(
        fields.String(validate=validate.OneOf(list(ROLES))),
        metadata={"description": f"With the scopes that the person's keys have from each. {given}"},
        **options,
    )


class NewStaffSchema(Schema):
    code = code_field("ana", description="As records name the person; never given to another")
    name = name_field("Ana Ruiz")
    roles = roles_field(required=True, validate=validate.Length(1))
    participant = code_field(
        "acme", required=False, description=f"Code of the legal entity that an {OWNER} acts for; of nobody else"
    )


class RolesSchema(Schema):
    roles = roles_field(required=True, validate=validate.Length(1))


class StaffSchema(Schema):
    code = fields.String()
    name = fields.String()
    roles = roles_field()
    participant = fields.String(allow_none=True)
    staff_id = fields.String()
    created_at = fields.String()
    left_at = fields.String(allow_none=True)


class StaffPageSchema(PageSchema):
    staff = rows_of(StaffSchema)
