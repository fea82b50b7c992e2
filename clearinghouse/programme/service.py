from __future__ import annotations

import time
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from flask import current_app
from sqlalchemy import select

from clearinghouse.programme.rules import Programme, parse_policy
from clearinghouse.programme.tables import ProgrammeVersion
from tenants.foundation import clock
from tenants.foundation.database import unit_of_work
from tenants.foundation.errors import InvalidInput
from tenants.foundation.money import minor_digits
from tenants.networks.service import get_network

# How long a worker may go on with the versions it has read: a new version is announced at least that early.
CACHE_SECONDS = 5.0

Versions = list[tuple[datetime, Programme]]


def list_versions(tenant_id: UUID) -> list[ProgrammeVersion]:
    with unit_of_work(tenant_id) as session:
        return list(session.scalars(select(ProgrammeVersion).order_by(ProgrammeVersion.version)))


def add_version(
    tenant_id: UUID,
    base_rate: Decimal,
    redemption_value: Decimal,
    expiry_policy: str,
    effective_from: datetime,
) -> int:
    """The number of the new version.

    A version can't begin before the one before it, nor in the past (the first can): what has been
    earned stays explained by the version that was in force.
    """
    parse_policy(expiry_policy)
    if base_rate < 0 or redemption_value <= 0:
        raise InvalidInput("base_rate can't be negative and redemption_value must be positive.", code="invalid_rate")
    existing = list_versions(tenant_id)
    if existing and effective_from <= max(existing[-1].effective_from, clock.now()):
        raise InvalidInput(
            "A new version must take effect in the future, after the one before it.", code="version_too_early"
        )
    version = len(existing) + 1
    with unit_of_work(tenant_id) as session:
        session.add(
            ProgrammeVersion(
                tenant_id=tenant_id,
                version=version,
                effective_from=effective_from,
                base_rate=base_rate,
                redemption_value=redemption_value,
                expiry_policy=expiry_policy,
                created_at=clock.now(),
            )
        )
    return version


def programme_at(tenant_id: UUID, moment: datetime) -> Programme:
    """The version in force at `moment`; before the first version, the first."""
    versions = cached_versions(tenant_id)
    if not versions:
        raise InvalidInput("This network has no programme yet.", code="no_programme")
    in_force = versions[0][1]
    for effective_from, programme in versions:
        if effective_from > moment:
            break
        in_force = programme
    return in_force


def cached_versions(tenant_id: UUID) -> Versions:
    cache: dict[UUID, tuple[float, Versions]] = current_app.extensions["programmes"]
    cached = cache.get(tenant_id)
    if cached is None or cached[0] < time.monotonic():
        cached = (time.monotonic() + CACHE_SECONDS, load_versions(tenant_id))
        cache[tenant_id] = cached
    return cached[1]


def load_versions(tenant_id: UUID) -> Versions:
    with unit_of_work(tenant_id):
        digits = minor_digits(get_network(tenant_id).currency)
    return [
        (v.effective_from, Programme(v.version, v.base_rate, v.redemption_value, v.expiry_policy, digits))
        for v in list_versions(tenant_id)
    ]
