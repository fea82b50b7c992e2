"""What stores have issued and not settled, under /v1/settlement."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint
from flask import Response

from settlement.exposure.schemas import (
    CapListSchema,
    ExposurePageSchema,
    ExposurePoliciesSchema,
    ExposureQuerySchema,
    ExposureSchema,
    NewCapSchema,
    NewExposurePolicySchema,
)
from settlement.exposure.service import (
    get_exposure,
    list_caps,
    list_exposures,
    list_policies,
    set_cap,
    set_policy,
)
from settlement.exposure.show import show_cap, show_exposure, show_policies
from tenants.credentials.rules import HQ, OWN, PAY, READ, SETTLEMENT, STAFF
from tenants.credentials.service import Principal, show_caller
from tenants.credentials.web import authenticated
from tenants.foundation.web import answer, answer_page, body, query
from tenants.stores.service import check_own

exposures = APIBlueprint("exposures", __name__, url_prefix="/v1/settlement", tag="Exposure and deposits")


@exposures.get("/exposures")
@authenticated(HQ, STAFF, scope=(READ, SETTLEMENT, OWN))
@query(ExposureQuerySchema)
@exposures.output(ExposurePageSchema)
def get_exposures(principal: Principal, query: dict[str, Any]) -> Response:
    """How much each store has issued and not settled

    By code; an owner sees the own stores. Measured every minute, and when a cap, the policy or a deposit changes.
    """
    limit = query["limit"]
    found = list_exposures(
        principal.tenant_id, query.get("cursor"), limit + 1, principal.participant_id, query.get("level")
    )
    return answer_page("exposures", [show_exposure(one) for one in found], limit, "store")


@exposures.get("/exposures/<store>")
@authenticated(HQ, STAFF, scope=(READ, SETTLEMENT, OWN))
@exposures.output(ExposureSchema)
def get_one_exposure(principal: Principal, store: str) -> Response:
    """How much a store has issued and not settled"""
    return answer(show_exposure(get_exposure(principal.tenant_id, store, principal.participant_id)))


@exposures.get("/exposures/<store>/caps")
@authenticated(HQ, STAFF, scope=(READ, SETTLEMENT, OWN))
@exposures.output(CapListSchema)
def get_caps(principal: Principal, store: str) -> Response:
    """Every cap that a store has had, newest first"""
    check_own(principal.tenant_id, principal.participant_id, store)
    return answer({"store": store, "caps": [show_cap(row) for row in list_caps(principal.tenant_id, store)]})


@exposures.post("/exposures/<store>/caps")
@authenticated(HQ, STAFF, scope=(SETTLEMENT, PAY))
@body(NewCapSchema)
@exposures.output(ExposureSchema, status_code=201)
def post_cap(principal: Principal, store: str, body: dict[str, Any]) -> Response:
    """Set how much a store may have issued and not settled

    In force at once: the store is measured, and its tills follow within seconds.
    """
    set_cap(principal.tenant_id, store, body["cap"], show_caller(principal))
    return answer(show_exposure(get_exposure(principal.tenant_id, store)), 201)


@exposures.get("/exposure-policies")
@authenticated(HQ, STAFF, scope=(READ, SETTLEMENT))
@exposures.output(ExposurePoliciesSchema)
def get_policies(principal: Principal) -> Response:
    """What happens to a store that has reached its cap, now and before"""
    return answer(show_policies(list_policies(principal.tenant_id)))


@exposures.post("/exposure-policies")
@authenticated(HQ, STAFF, scope=(SETTLEMENT, PAY))
@body(NewExposurePolicySchema)
@exposures.output(ExposurePoliciesSchema, status_code=201)
def post_policy(principal: Principal, body: dict[str, Any]) -> Response:
    """Say what happens to a store that has reached its cap

    `block`: its tills may issue no points until it has settled. `hq_funded`: they may, and head office funds them.
    For all stores, at once.
    """
    set_policy(principal.tenant_id, body["policy"], show_caller(principal))
    return answer(show_policies(list_policies(principal.tenant_id)), 201)
