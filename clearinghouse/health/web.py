from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response

from clearinghouse.health.service import queue_problem, what_is_missing
from tenants.foundation.web import answer, problem

health = APIBlueprint("health", __name__, tag="Health")


@health.get("/healthz")
def healthz() -> Response:
    """Whether the process is alive"""
    return answer({"status": "alive"})


@health.get("/readyz")
def readyz() -> Response:
    """Whether the process can serve tills, and what is missing if it can't"""
    missing = [{"code": error.code, "detail": error.message} for error in what_is_missing()]
    if missing:
        return problem(503, "not_ready", "This process can't serve yet; see missing.", missing=missing)
    queue = queue_problem()
    return answer({"status": "ready", "queue": "unavailable" if queue else "ready"})
