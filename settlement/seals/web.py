"""What a month's transfers hash to, under /v1/settlement."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response

from settlement.seals.schemas import SealsSchema, StoreProofSchema
from settlement.seals.service import list_seals, prove_store
from settlement.seals.show import show_seals, show_store_proof
from tenants.credentials.rules import HQ, OWN, READ, SETTLEMENT, STAFF
from tenants.credentials.service import Principal
from tenants.credentials.web import authenticated
from tenants.foundation.months import parse_month
from tenants.foundation.openapi import refusals
from tenants.foundation.web import answer

seals = APIBlueprint("seals", __name__, url_prefix="/v1/settlement/windows", tag="Settlement")


@seals.get("/<month>/seals")
@authenticated(HQ, STAFF, scope=(READ, SETTLEMENT))
@seals.output(SealsSchema)
@refusals(also={409})
def get_seals(principal: Principal, month: str) -> Response:
    """What each store's transfers of a month hash to, and the root over all of them"""
    return answer(show_seals(list_seals(principal.tenant_id, parse_month(month))))


@seals.get("/<month>/seals/<store>")
@authenticated(HQ, STAFF, scope=(READ, SETTLEMENT, OWN))
@seals.output(StoreProofSchema)
@refusals(also={409})
def get_seal(principal: Principal, month: str, store: str) -> Response:
    """Prove that the root holds all transfers of a store

    `HQ` is for those that no store made. An owner sees the own stores.
    """
    proof = prove_store(principal.tenant_id, parse_month(month), store, principal.participant_id)
    return answer(show_store_proof(proof))
