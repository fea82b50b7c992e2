"""A restored database, and the proof that its books are right."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select

from clearinghouse.app import create_app
from clearinghouse.backups.restoring import Restored
from clearinghouse.health.service import missing_revision
from clearinghouse.ledger.checks import Finding, check_ledger, count_checked
from clearinghouse.ledger.tables import Transfer
from settlement.checks.service import check_settlement
from settlement.proofs.service import prove_all
from tenants.foundation.config import Settings
from tenants.foundation.database import unit_of_work
from tenants.foundation.probes import probing
from tenants.networks.service import list_networks

# It has just recovered, and nobody else asks it anything.
PROBE_SECONDS_MAX = 30.0


@dataclass(frozen=True)
class NetworkProof:
    """`checked`: rows by table. `months`: approved ones that follow from the postings byte for byte; those that do
    not are among the findings. `last_posted_at`: of its newest transfer."""

    code: str
    checked: Mapping[str, int]
    months: int
    last_posted_at: datetime | None
    findings: list[Finding]


def prove_books(restored: Restored) -> list[NetworkProof]:
    """Raises `Unavailable` when the database is of another release."""
    # What proves the books needs no secret, and one made here must not be taken for the one that was lost.
    secret = secrets.token_bytes(32)
    app = create_app(Settings(restored.database_url, "unix:///nowhere", restored.var, secret, rate_limit=False))
    with app.app_context():
        check_release(restored.database_url)
        return [prove_network(tenant_id, code) for tenant_id, code in list_networks()]


def check_release(database_url: str) -> None:
    with probing(database_url, PROBE_SECONDS_MAX) as probe:
        for problem in missing_revision(probe):
            raise problem


def prove_network(tenant_id: UUID, code: str) -> NetworkProof:
    proofs = prove_all(tenant_id)
    broken = [
        Finding("settlement verify", f"{proof.month:%Y-%m}", proof.derived_hash.hex(), proof.kept_hash.hex())
        for proof in proofs
        if not proof.holds
    ]
    with unit_of_work(tenant_id) as session:
        last = session.scalar(select(func.max(Transfer.posted_at)))
    findings = [*check_ledger(tenant_id), *check_settlement(tenant_id), *broken]
    return NetworkProof(code, count_checked(tenant_id), len(proofs) - len(broken), last, findings)
