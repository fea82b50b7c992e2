"""API keys: made, looked up, revoked.

A key is `pos_` or `hq_` and 64 characters: the network's id and 32 random bytes in URL-safe base 64. It
carries the network so that looking it up touches one network's rows, as everything else does.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import time
from dataclasses import dataclass
from uuid import UUID

from flask import current_app
from sqlalchemy import select

from tenants.credentials.tables import Credential
from tenants.foundation import clock, ids
from tenants.foundation.calls import Statement, calls
from tenants.foundation.database import unit_of_work
from tenants.foundation.errors import NotFound, Unauthenticated
from tenants.networks.service import check_name
from tenants.terminals.service import check_terminal_in_use

TERMINAL, HQ = "terminal", "hq"
PREFIXES = {TERMINAL: "pos_", HQ: "hq_"}

# How long a worker trusts what it read of a key: a revoked key dies within this time.
CACHE_SECONDS = 3.0
CACHED_KEYS_MAX = 50_000

FIND_PRINCIPAL = Statement("find_principal", "uuid, bytea", "SELECT * FROM tenants.find_principal($1, $2)")


@dataclass(frozen=True)
class Principal:
    """Who is asking: a terminal of a store, or head office (no store)."""

    tenant_id: UUID
    credential_id: UUID
    role: str
    currency: str
    time_zone: str
    days_accepted_late: int
    terminal_id: UUID | None
    store_id: UUID | None
    store_code: str | None


def create_credential(
    tenant_id: UUID, role: str, label: str, terminal_id: UUID | None = None
) -> tuple[Credential, str]:
    """The key is returned here and never again: only its hash is kept."""
    check_name(label)
    if terminal_id is not None:
        check_terminal_in_use(tenant_id, terminal_id)
    credential, key = make_credential(tenant_id, role, label, terminal_id)
    with unit_of_work(tenant_id) as session:
        session.add(credential)
    return credential, key


def make_credential(
    tenant_id: UUID, role: str, label: str, terminal_id: UUID | None = None
) -> tuple[Credential, str]:
    key = PREFIXES[role] + base64.urlsafe_b64encode(tenant_id.bytes + os.urandom(32)).decode()
    credential = Credential(
        tenant_id=tenant_id,
        credential_id=ids.new_id(),
        role=role,
        terminal_id=terminal_id,
        label=label,
        key_hash=hash_key(key),
        key_hint=key[-4:],
        created_at=clock.now(),
    )
    return credential, key


def list_credentials(tenant_id: UUID, after: UUID | None = None, limit: int | None = None) -> list[Credential]:
    """Oldest first, those made after the key `after`; revoked ones too."""
    statement = select(Credential).order_by(Credential.credential_id).limit(limit)
    if after is not None:
        statement = statement.where(Credential.credential_id > after)
    with unit_of_work(tenant_id) as session:
        return list(session.scalars(statement))


def revoke_credential(tenant_id: UUID, credential_id: UUID) -> Credential:
    """Revoking twice keeps the first time."""
    with unit_of_work(tenant_id) as session:
        credential = session.get(Credential, (tenant_id, credential_id), with_for_update=True)
        if credential is None:
            raise NotFound("There is no such key in this network.", code="key_unknown")
        credential.revoked_at = credential.revoked_at or clock.now()
    return credential


def authenticate(key: str) -> Principal:
    """Raises `Unauthenticated` for a key that is unknown, revoked, or of a closed store's terminal."""
    cache: dict[str, tuple[float, Principal]] = current_app.extensions["principals"]
    cached = cache.get(key)
    if cached is not None and cached[0] > time.monotonic():
        return cached[1]
    principal = find_principal(key)
    if len(cache) >= CACHED_KEYS_MAX:
        cache.clear()
    cache[key] = (time.monotonic() + CACHE_SECONDS, principal)
    return principal


def find_principal(key: str) -> Principal:
    rows = calls().call(FIND_PRINCIPAL, str(tenant_of(key)), hash_key(key))
    if not rows:
        raise Unauthenticated("This key is not valid: it is unknown, revoked, or its store is closed.")
    return Principal(*rows[0])


def tenant_of(key: str) -> UUID:
    prefix, _, rest = key.partition("_")
    try:
        if f"{prefix}_" not in PREFIXES.values():
            raise ValueError(prefix)
        content = base64.b64decode(rest, altchars=b"-_", validate=True)
        return UUID(bytes=content[:16])
    except (ValueError, binascii.Error) as error:
        raise Unauthenticated("This is not an API key: it starts with pos_ or hq_.") from error


def hash_key(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
