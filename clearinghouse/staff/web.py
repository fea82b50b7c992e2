"""The people who settle, as head office adds them and says what they may do, under /v1."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response

from clearinghouse.directory.schemas import CodePageQuerySchema
from clearinghouse.staff.schemas import NewStaffSchema, RolesSchema, StaffPageSchema, StaffSchema
from clearinghouse.staff.service import show_staff
from tenants.credentials.rules import HQ, KEYS
from tenants.credentials.service import Principal
from tenants.credentials.web import authenticated
from tenants.foundation.openapi import refusals
from tenants.foundation.web import answer, answer_page, body, query
from tenants.staff.service import change_roles, create_staff, find_staff_and_participant, leave, list_staff

staff = APIBlueprint("staff", __name__, url_prefix="/v1", tag="Staff")


@staff.post("/staff")
@authenticated(HQ, scope=KEYS)
@body(NewStaffSchema)
@staff.output(StaffSchema, status_code=201)
@refusals(also={404, 500})
def post_staff(principal: Principal, body: dict[str, Any]) -> Response:
    """Add a person who settles

    The person can do nothing over HTTP yet: make a key with `/v1/keys`. An owner acts for one participant and has no
    other role.
    """
    create_staff(principal.tenant_id, body["code"], body["name"], body["roles"], body.get("participant"))
    return answer(show_one(principal.tenant_id, body["code"]), 201)


@staff.get("/staff")
@authenticated(HQ, scope=KEYS)
@query(CodePageQuerySchema)
@staff.output(StaffPageSchema)
@refusals(also={500})
def get_staff(principal: Principal, query: dict[str, Any]) -> Response:
    """List the people who settle, by code; who has left too"""
    limit = query["limit"]
    rows = list_staff(principal.tenant_id, query.get("cursor"), limit + 1)
    return answer_page("staff", [show_staff(*row) for row in rows], limit, "code")


@staff.get("/staff/<code>")
@authenticated(HQ, scope=KEYS)
@staff.output(StaffSchema)
@refusals(also={500})
def get_person(principal: Principal, code: str) -> Response:
    """One person"""
    return answer(show_one(principal.tenant_id, code))


@staff.put("/staff/<code>/roles")
@authenticated(HQ, scope=KEYS)
@body(RolesSchema)
@staff.output(StaffSchema)
@refusals(also={500})
def put_roles(principal: Principal, code: str, body: dict[str, Any]) -> Response:
    """Say which roles a person has from now on

    These and no others; the person's keys follow within seconds. An owner stays one, and nobody else becomes one.
    """
    change_roles(principal.tenant_id, code, body["roles"])
    return answer(show_one(principal.tenant_id, code))


@staff.post("/staff/<code>/leave")
@authenticated(HQ, scope=KEYS)
@staff.output(StaffSchema)
@refusals(also={500}, never={409})
def post_leave(principal: Principal, code: str) -> Response:
    """Have a person leave for good

    The person's keys are refused within seconds. What the person did stays on record. Leaving again changes nothing.
    """
    leave(principal.tenant_id, code)
    return answer(show_one(principal.tenant_id, code))


def show_one(tenant_id: UUID, code: str) -> dict[str, Any]:
    return show_staff(*find_staff_and_participant(tenant_id, code))
