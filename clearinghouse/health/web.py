from __future__ import annotations

from apiflask import APIBlueprint, Schema
from flask import Response
from marshmallow import fields

from clearinghouse.health.service import queue_problem, what_is_missing
from tenants.foundation.openapi import refusals
from tenants.foundation.web import answer, problem

health = APIBlueprint("health", __name__, tag="Health")


class AliveSchema(Schema):
    status = fields.String(metadata={"example": "alive"})


class ReadySchema(Schema):
    status = fields.String(metadata={"example": "ready"})
    queue = fields.String(metadata={"description": "unavailable: jobs wait, tills are served", "example": "ready"})


@health.get("/healthz")
@health.output(AliveSchema)
def healthz() -> Response:
    """Whether the process is alive"""
    return answer({"status": "alive"})


@health.get("/readyz")
@health.output(ReadySchema)
@refusals(also={503})
def readyz() -> Response:
    """Whether the process can serve tills, and what is missing if it can't"""
    missing = [{"code": error.code, "detail": error.message} for error in what_is_missing()]
    if missing:
        return problem(503, "not_ready", "This process can't serve yet; see missing.", missing=missing)
    queue = queue_problem()
    return answer({"status": "ready", "queue": "unavailable" if queue else "ready"})
