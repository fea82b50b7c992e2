"""The checks of a month, under /v1/settlement."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint
from flask import Response

from settlement.checks.schemas import ChecksQuerySchema, SettlementChecksSchema
from settlement.checks.service import check_month
from settlement.checks.show import show_checks
from tenants.credentials.rules import HQ, READ, SETTLEMENT, STAFF
from tenants.credentials.service import Principal
from tenants.credentials.web import authenticated
from tenants.foundation.months import parse_month
from tenants.foundation.openapi import refusals
from tenants.foundation.web import answer, query

checks = APIBlueprint("checks", __name__, url_prefix="/v1/settlement/windows", tag="Settlement")


@checks.get("/<month>/checks")
@authenticated(HQ, STAFF, scope=(READ, SETTLEMENT))
@query(ChecksQuerySchema)
@checks.output(SettlementChecksSchema)
@refusals(also={409})
def get_checks(principal: Principal, month: str, query: dict[str, Any]) -> Response:
    """Run every check that an approval runs

    It reads all transfers of the month, and tells what is wrong with which.
    """
    settlement, results = check_month(principal.tenant_id, parse_month(month))
    return answer(show_checks(settlement, results, query["limit"]))
