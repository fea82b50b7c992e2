"""The audit log as head office and auditors read it, under /v1/audit."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint
from flask import Response

from clearinghouse.audit.schemas import (
    AuditPageSchema,
    AuditQuerySchema,
    AuditVerificationSchema,
    VerificationQuerySchema,
)
from clearinghouse.audit.show import show, show_verified
from tenants.audit.rules import parse_head
from tenants.audit.service import Wanted, list_entries, verify
from tenants.credentials.rules import AUDIT, HQ, KEYS, STAFF
from tenants.credentials.service import Principal
from tenants.credentials.web import authenticated
from tenants.foundation.web import answer, answer_page, query

audit = APIBlueprint("audit", __name__, url_prefix="/v1/audit", tag="Audit")


@audit.get("")
@authenticated(HQ, STAFF, scope=(KEYS, AUDIT))
@query(AuditQuerySchema)
@audit.output(AuditPageSchema)
def get_audit(principal: Principal, query: dict[str, Any]) -> Response:
    """List administrative acts, newest first

    Every change that head office, its people, the command line or a job has made, every refusal for lack of rights,
    and every list of personal data. What tills post is in the ledger.
    """
    limit, before = query.pop("limit"), query.pop("cursor", None)
    entries = list_entries(principal.tenant_id, limit + 1, before, Wanted(**query))
    return answer_page("entries", [show(*entry) for entry in entries], limit, "sequence")


@audit.get("/verification")
@authenticated(HQ, STAFF, scope=(KEYS, AUDIT))
@query(VerificationQuerySchema)
@audit.output(AuditVerificationSchema)
def get_verification(principal: Principal, query: dict[str, Any]) -> Response:
    """Recompute the chain of entries

    It reads them all, and compares them with the ends of the chain that were noted outside the database.
    """
    heads = [parse_head(query["head"])] if "head" in query else []
    return answer(show_verified(verify(principal.tenant_id, *heads)))
