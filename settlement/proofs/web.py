"""Whether an approved settlement still follows from the postings, under /v1/settlement."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response

from settlement.proofs.schemas import SettlementProofSchema
from settlement.proofs.service import prove_month
from settlement.proofs.show import show_proofs
from tenants.credentials.rules import HQ, READ, SETTLEMENT, STAFF
from tenants.credentials.service import Principal
from tenants.credentials.web import authenticated
from tenants.foundation.months import parse_month
from tenants.foundation.openapi import refusals
from tenants.foundation.web import answer

proofs = APIBlueprint("proofs", __name__, url_prefix="/v1/settlement/windows", tag="Settlement")


@proofs.get("/<month>/settlement/verification")
@authenticated(HQ, STAFF, scope=(READ, SETTLEMENT))
@proofs.output(SettlementProofSchema)
@refusals(also={409})
def get_verification(principal: Principal, month: str) -> Response:
    """Derive an approved settlement from the postings again

    And compare it, byte for byte, with the lines that are kept and with what was approved. It reads all postings of
    the month.
    """
    proof = prove_month(principal.tenant_id, parse_month(month))
    [shown] = show_proofs(principal.tenant_id, [proof])
    return answer(shown)
