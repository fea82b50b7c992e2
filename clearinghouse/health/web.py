from __future__ import annotations

from collections.abc import Sequence

from apiflask import APIBlueprint, Schema
from flask import Response
from marshmallow import fields

from clearinghouse.health.service import readiness
from tenants.foundation.errors import ClearinghouseError
from tenants.foundation.openapi import refusals
from tenants.foundation.web import answer, problem

health = APIBlueprint("health", __name__, tag="Health")


class AliveSchema(Schema):
    status = fields.String(metadata={"example": "alive"})


class NoticeSchema(Schema):
    code = fields.String(metadata={"description": "Stable", "example": "no_scheduler"})
    detail = fields.String(metadata={"description": "What is wrong and what to do about it"})


class ReadySchema(Schema):
    status = fields.String(metadata={"example": "ready"})
    queue = fields.String(metadata={"description": "unavailable: jobs wait, tills are served", "example": "ready"})
    warnings = fields.List(
        fields.Nested(NoticeSchema),
        metadata={"description": "What an operator should look at though tills are served"},
    )


@health.get("/healthz")
@health.output(AliveSchema)
def healthz() -> Response:
    """Whether the process is alive"""
    return answer({"status": "alive"})


@health.get("/readyz")
@health.output(ReadySchema)
@refusals(also={503})
def readyz() -> Response:
    """Whether the process can serve tills, what is missing if it can't, and what else should be looked at"""
    found = readiness()
    warnings = show(found.warnings)
    if found.missing:
        return problem(
            503,
            "not_ready",
            "This process can't serve yet; see missing.",
            missing=show(found.missing),
            warnings=warnings,
        )
    has_queue = "queue_unavailable" not in (error.code for error in found.warnings)
    return answer({"status": "ready", "queue": "ready" if has_queue else "unavailable", "warnings": warnings})


def show(errors: Sequence[ClearinghouseError]) -> list[dict[str, str]]:
    return [{"code": error.code, "detail": error.message} for error in errors]
