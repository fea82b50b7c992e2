from __future__ import annotations

from dataclasses import fields
from datetime import datetime, timedelta
from uuid import UUID

from flask import current_app
from sqlalchemy import select

from clearinghouse.programme.rules import Programme, Terms, check_terms
from clearinghouse.programme.tables import ProgrammeVersion
from tenants.foundation import clock
from tenants.foundation.calls import Statement, calls
from tenants.foundation.database import unit_of_work
from tenants.foundation.errors import InvalidInput
from tenants.foundation.money import minor_digits
from tenants.foundation.trusted import Trusted
from tenants.networks.service import check_rate

# How long a worker may go on with the versions it has read: a new version is announced at least that early.
CACHE_SECONDS = 5.0
CACHED_NETWORKS_MAX = 10_000

Versions = list[tuple[datetime, Programme]]

COLUMNS = ("version", "effective_from", *(term.name for term in fields(Terms)))
FIND_VERSIONS = Statement(
    "find_versions",
    "uuid",
    f"SELECT currency, {', '.join(f'(version).{column}' for column in COLUMNS)} FROM programme.find_versions($1)",
)


def list_versions(tenant_id: UUID) -> list[ProgrammeVersion]:
    with unit_of_work(tenant_id) as session:
        return list(session.scalars(select(ProgrammeVersion).order_by(ProgrammeVersion.version)))


def check_programme(terms: Terms) -> None:
    check_terms(terms)
    check_rate(terms.base_rate)
    check_rate(terms.redemption_value)
    if not terms.redemption_value:
        raise InvalidInput("redemption_value must be more than 0.", code="invalid_rate")


def terms_of(version: ProgrammeVersion) -> Terms:
    return Terms(**{term.name: getattr(version, term.name) for term in fields(Terms)})


def add_version(tenant_id: UUID, terms: Terms, effective_from: datetime) -> int:
    """The number of the new version.

    A version can't begin before the one before it, nor in the past: what has been earned stays
    explained by the version that was in force.
    """
    check_programme(terms)
    with unit_of_work(tenant_id) as session:
        versions = session.scalars(select(ProgrammeVersion).order_by(ProgrammeVersion.version)).all()
        soonest = clock.now() + timedelta(seconds=CACHE_SECONDS)
        if effective_from <= max([soonest, *(v.effective_from for v in versions)]):
            raise InvalidInput(
                "A new version must take effect in the future, after the one before it.", code="version_too_early"
            )
        version = make_version(tenant_id, len(versions) + 1, terms, effective_from)
        session.add(version)
    return version.version


def make_version(tenant_id: UUID, number: int, terms: Terms, effective_from: datetime) -> ProgrammeVersion:
    return ProgrammeVersion(
        tenant_id=tenant_id,
        version=number,
        effective_from=effective_from,
        created_at=clock.now(),
        **vars(terms),
    )


def programme_at(tenant_id: UUID, moment: datetime) -> Programme:
    """The version in force at `moment`; before the first version, the first."""
    programmes: Trusted[UUID, Versions] = current_app.extensions["programmes"]
    versions = programmes.get(tenant_id)
    if not versions:
        raise InvalidInput("This network has no programme yet.", code="no_programme")
    in_force = versions[0][1]
    for effective_from, programme in versions:
        if effective_from > moment:
            break
        in_force = programme
    return in_force


def trusted_versions() -> Trusted[UUID, Versions]:
    return Trusted(find_versions, lambda versions: CACHE_SECONDS, CACHED_NETWORKS_MAX)


def find_versions(tenant_id: UUID) -> Versions:
    return [
        (effective_from, Programme(number, Terms(*terms), minor_digits(currency)))
        for currency, number, effective_from, *terms in calls().call(FIND_VERSIONS, str(tenant_id))
    ]
