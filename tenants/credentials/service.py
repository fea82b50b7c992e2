"""API keys: made, looked up, changed, replaced, revoked.

A key is `pos_`, `hq_` or `stf_` and 64 characters: the network's id and 32 random bytes in URL-safe base 64. It
carries the network so that looking it up touches one network's rows, as everything else does.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from flask import current_app
from sqlalchemy import select

from tenants.credentials.rules import (
    HQ,
    OVERLAP_DEFAULT,
    STAFF,
    TERMINAL,
    check_expiry,
    check_overlap,
    check_rate_limit,
    choose_scopes,
    end_of_overlap,
    missing_scopes,
)
from tenants.credentials.tables import Credential
from tenants.foundation import clock, ids
from tenants.foundation.calls import Statement, calls
from tenants.foundation.database import Unit, unit_of_work
from tenants.foundation.errors import Conflict, Forbidden, NotFound, Unauthenticated
from tenants.foundation.trusted import Trusted
from tenants.networks.service import check_name
from tenants.staff.queries import get_by_id
from tenants.staff.rules import check_present, roles_giving, scopes_of_roles
from tenants.terminals.service import check_terminal_in_use

PREFIXES = {TERMINAL: "pos_", HQ: "hq_", STAFF: "stf_"}

# How long a worker trusts what it read of a key: a revoked or changed key is known as such within this time.
CACHE_SECONDS = 3.0
CACHED_KEYS_MAX = 50_000


@dataclass(frozen=True)
class Principal:
    """Who is asking: a terminal of a store, head office (no store), or a person (`staff_id`).

    `rate_limit` is requests per second, None for the role's own; `expires_at` is when the key stops by itself.
    `roles` are a person's, `participant_id` is an owner's. `issuing` is that of a terminal's store
    (`tenants.stores.rules.ISSUING`).
    """

    tenant_id: UUID
    credential_id: UUID
    role: str
    currency: str
    time_zone: str
    days_accepted_late: int
    terminal_id: UUID | None
    store_id: UUID | None
    store_code: str | None
    scopes: frozenset[str]
    rate_limit: int | None
    expires_at: datetime | None
    staff_id: UUID | None
    staff_code: str | None
    participant_id: UUID | None
    roles: frozenset[str]
    issuing: str | None


FIND_PRINCIPAL = Statement(
    "find_principal",
    "uuid, bytea",
    f"SELECT {', '.join(field.name for field in fields(Principal))} FROM tenants.find_principal($1, $2)",
)


def create_credential(
    tenant_id: UUID,
    role: str,
    label: str,
    terminal_id: UUID | None = None,
    scopes: Iterable[str] | None = None,
    expires_at: datetime | None = None,
    rate_limit: int | None = None,
    maker: Principal | None = None,
    staff_id: UUID | None = None,
) -> tuple[Credential, str]:
    """The key is returned here and never again: only its hash is kept.

    Without `scopes` it may do all that its role can; a person's key takes none. `maker` is the head office key that
    asks for it, if one does.
    """
    check_name(label)
    check_rate_limit(rate_limit)
    check_expiry(expires_at, clock.now())
    check_holder(tenant_id, terminal_id, staff_id)
    until = expires_at and expires_at.astimezone(UTC)
    credential, key = make_credential(
        tenant_id, role, label, terminal_id, scopes, expires_at=until, rate_limit=rate_limit, staff_id=staff_id
    )
    check_may_hand_on(maker, credential)
    with unit_of_work(tenant_id) as session:
        session.add(credential)
    return credential, key


def check_may_hand_on(maker: Principal | None, credential: Credential) -> None:
    if maker is None:
        return
    missing = missing_scopes(credential.scopes, maker.scopes, credential.role)
    if missing:
        raise Forbidden(
            f"Your key can't give out what it may not do itself: {', '.join(missing)}. Name fewer scopes, "
            "or use a key that has them.",
            code="scope_missing",
            scopes=missing,
        )


def make_credential(
    tenant_id: UUID,
    role: str,
    label: str,
    terminal_id: UUID | None = None,
    scopes: Iterable[str] | None = None,
    **columns: Any,
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
        scopes=choose_scopes(role, scopes),
        **columns,
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
        credential = lock_credential(session, tenant_id, credential_id)
        credential.revoked_at = credential.revoked_at or clock.now()
    return credential


def lock_credential(session: Unit, tenant_id: UUID, credential_id: UUID) -> Credential:
    credential = session.get(Credential, (tenant_id, credential_id), with_for_update=True)
    if credential is None:
        raise NotFound("There is no such key in this network.", code="key_unknown")
    return credential


def check_alive(credential: Credential, now: datetime) -> None:
    if credential.revoked_at is not None:
        raise Conflict("This key was revoked: make a new one.", code="key_revoked")
    if credential.expires_at is not None and credential.expires_at <= now:
        raise Conflict("This key has expired: make a new one.", code="key_expired")


def change_credential(tenant_id: UUID, credential_id: UUID, rate_limit: int | None) -> Credential:
    """`rate_limit` is requests per second, None for the role's own. Raises `Conflict` for a key that has ended."""
    check_rate_limit(rate_limit)
    with unit_of_work(tenant_id) as session:
        credential = lock_credential(session, tenant_id, credential_id)
        check_alive(credential, clock.now())
        credential.rate_limit = rate_limit
    return credential


def rotate_credential(
    tenant_id: UUID, credential_id: UUID, overlap: timedelta = OVERLAP_DEFAULT, maker: Principal | None = None
) -> tuple[Credential, str, Credential]:
    """A new key in place of another, which goes on until the overlap is over: the new one, its key, the old one.

    Raises `Conflict` for a key that has ended or that another has replaced already.
    """
    check_overlap(overlap)
    check_holder_of(tenant_id, credential_id)
    with unit_of_work(tenant_id) as session:
        old = lock_credential(session, tenant_id, credential_id)
        now = clock.now()
        check_alive(old, now)
        check_not_replaced(session, old)
        check_may_hand_on(maker, old)
        old.expires_at = end_of_overlap(old.expires_at, now, overlap)
        new, key = make_credential(
            tenant_id,
            old.role,
            old.label,
            old.terminal_id,
            old.scopes,
            rate_limit=old.rate_limit,
            staff_id=old.staff_id,
            replaces_credential_id=old.credential_id,
        )
        session.add(new)
    return new, key, old


def check_holder_of(tenant_id: UUID, credential_id: UUID) -> None:
    """As `check_holder`; what else is wrong with the key is found later."""
    with unit_of_work(tenant_id) as session:
        credential = session.get(Credential, (tenant_id, credential_id))
    if credential is not None:
        check_holder(tenant_id, credential.terminal_id, credential.staff_id)


def check_holder(tenant_id: UUID, terminal_id: UUID | None, staff_id: UUID | None) -> None:
    """Raises `NotFound`, or `Conflict` for a terminal of a closed store and for a person who has left."""
    if terminal_id is not None:
        check_terminal_in_use(tenant_id, terminal_id)
    if staff_id is not None:
        with unit_of_work(tenant_id) as session:
            person = get_by_id(session, tenant_id, staff_id)
        check_present(person.code, person.left_at)


def check_not_replaced(session: Unit, credential: Credential) -> None:
    successor = session.scalar(
        select(Credential.credential_id).where(Credential.replaces_credential_id == credential.credential_id)
    )
    if successor is not None:
        shown = ids.show(ids.KEY, successor)
        raise Conflict(f"{shown} has replaced this key already: rotate that one.", code="key_replaced", key_id=shown)


def authenticate(key: str) -> Principal:
    """Raises `Unauthenticated` for a key that is unknown, revoked, expired, or whose holder is gone."""
    principals: Trusted[str, Principal] = current_app.extensions["principals"]
    return principals.get(key)


def trusted_principals() -> Trusted[str, Principal]:
    return Trusted(find_principal, seconds_trusted, CACHED_KEYS_MAX)


def seconds_trusted(principal: Principal) -> float:
    if principal.expires_at is None:
        return CACHE_SECONDS
    return min(CACHE_SECONDS, (principal.expires_at - clock.now()).total_seconds())


def check_scope(principal: Principal, *scopes: str) -> None:
    """Raises `Forbidden` when the key has none of `scopes`; of none, nothing is asked."""
    if scopes and principal.scopes.isdisjoint(scopes):
        helps = "head office can make one that has it"
        if principal.role == STAFF:
            helps = f"it comes with the role {' or '.join(roles_giving(scopes))}"
        raise Forbidden(
            f"This key lacks the scope {' or '.join(scopes)}: {helps}.", code="scope_missing", scopes=list(scopes)
        )


def show_caller(principal: Principal) -> str:
    """Who did something, as records of it say: the code of a person, or the id of the key that was used."""
    return principal.staff_code or f"key {ids.show(ids.KEY, principal.credential_id)}"


def find_principal(key: str) -> Principal:
    rows = calls().call(FIND_PRINCIPAL, str(tenant_of(key)), hash_key(key))
    if not rows:
        raise Unauthenticated(
            "This key is not valid: it is unknown, revoked, expired, its store is closed, or its person has left."
        )
    found = dict(zip((field.name for field in fields(Principal)), rows[0], strict=True))
    roles = frozenset(found["roles"] or ())
    scopes = scopes_of_roles(roles) if found["role"] == STAFF else frozenset(found["scopes"])
    return Principal(**{**found, "roles": roles, "scopes": scopes})


def tenant_of(key: str) -> UUID:
    prefix, _, rest = key.partition("_")
    try:
        if f"{prefix}_" not in PREFIXES.values():
            raise ValueError(prefix)
        content = base64.b64decode(rest, altchars=b"-_", validate=True)
        return UUID(bytes=content[:16])
    except (ValueError, binascii.Error) as error:
        raise Unauthenticated("This is not an API key: one is pos_, hq_ or stf_ and 64 characters.") from error


def hash_key(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
