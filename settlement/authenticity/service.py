"""Whether a statement is what head office published: for whoever holds it, without a key."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from flask import current_app
from sqlalchemy import case, func, select

from settlement.authenticity.rules import CODE_BYTES, Claim, read_token, write_token
from settlement.proposals.tables import LineRow, Settlement
from settlement.seals.service import proof_of
from settlement.seals.tables import SealRow
from settlement.windows.tables import Window
from tenants.foundation.database import Unit, unit_of_work
from tenants.foundation.errors import NotFound
from tenants.foundation.secret_key import derive
from tenants.networks.tables import Network
from tenants.stores.tables import Store

PURPOSE = "statement verification"


@dataclass(frozen=True)
class Published:
    """What head office has of a statement. `amount` (minor units): positive the store remits, negative it receives.

    `transfers` is how many of the store's are under the month's seal, and `is_included` whether its leaf is in the
    root; both are None where the month, or the store in it, has none.
    """

    network_name: str
    store_code: str
    store_name: str
    month: date
    version: int
    state: str
    currency: str
    amount: int
    content_hash: bytes
    merkle_root: bytes | None
    transfers: int | None
    is_included: bool | None


def verification_url(tenant_id: UUID, settlement_id: UUID, store_id: UUID) -> str:
    claim = Claim(tenant_id, settlement_id, store_id)
    base: str = current_app.config["SETTINGS"].public_url
    return f"{base}/verify/{write_token(claim, code_of(claim))}"


def code_of(claim: Claim) -> bytes:
    return derive(PURPOSE, *claim.parts)[:CODE_BYTES]


def look_up(token: str) -> Published:
    """Raises `NotFound` for whatever this installation has not written, however it is wrong."""
    claim = check_token(token)
    with unit_of_work(claim.tenant_id) as session:
        settlement = session.get(Settlement, (claim.tenant_id, claim.settlement_id))
        store = session.get(Store, (claim.tenant_id, claim.store_id))
        network = session.get(Network, claim.tenant_id)
        if settlement is None or store is None or network is None:
            raise unknown()
        window = session.get_one(Window, (claim.tenant_id, settlement.month))
        amount = net_of(session, claim)
        seal = session.get(SealRow, (claim.tenant_id, settlement.month, claim.store_id))
        is_sealed = window.merkle_root is not None and seal is not None
        is_included = proof_of(session, settlement.month, claim.store_id).holds if is_sealed else None
    return Published(
        network.name,
        store.code,
        store.name,
        settlement.month,
        settlement.version,
        settlement.state,
        network.currency,
        amount,
        settlement.content_hash,
        window.merkle_root,
        seal.transfers if seal is not None and is_sealed else None,
        is_included,
    )


def check_token(token: str) -> Claim:
    read = read_token(token)
    if read is None:
        raise unknown()
    claim, code = read
    if not hmac.compare_digest(code, code_of(claim)):
        raise unknown()
    return claim


def unknown() -> NotFound:
    return NotFound("No statement has this code.", code="statement_unknown")


def net_of(session: Unit, claim: Claim) -> int:
    owed = case((LineRow.payer_id == claim.store_id, LineRow.amount), else_=-LineRow.amount)
    statement = select(func.coalesce(func.sum(owed), 0)).where(
        LineRow.settlement_id == claim.settlement_id,
        (LineRow.payer_id == claim.store_id) | (LineRow.payee_id == claim.store_id),
    )
    return int(session.scalar(statement) or 0)
