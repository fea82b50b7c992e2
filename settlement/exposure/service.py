"""Caps on what stores have issued and not settled, and what is made of them every minute.

Head office sets a cap and says, for the whole network, what happens when it is reached: the store's tills may issue
no more points (`block`), or head office funds what they issue (`hq_funded`). Only the store's row says so; the tills'
keys carry it, so a posting asks for nothing more than it did before.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select, update

from clearinghouse.webhooks.rules import EXPOSURE_TYPES
from clearinghouse.webhooks.service import emit
from settlement.exposure import queries
from settlement.exposure.queries import Months
from settlement.exposure.rules import (
    NORMAL,
    POLICIES,
    Exposure,
    issuing_of,
    level_of,
    outstanding_of,
    owed_for,
    unsettled_of,
)
from settlement.exposure.tables import CapRow, ExposureRow, PolicyRow
from settlement.rollup.queries import lock_rollup, store_periods
from settlement.rollup.service import keep_months
from settlement.terms.queries import terms_of
from settlement.terms.rules import ON_REDEMPTION
from tenants.foundation import clock
from tenants.foundation.acts import unrecorded
from tenants.foundation.database import Unit, unit_of_work
from tenants.foundation.errors import InvalidInput
from tenants.networks.service import check_code, today_in
from tenants.networks.tables import Network
from tenants.rates.queries import rate_book
from tenants.rates.rules import RateBook
from tenants.stores.service import find_store, unknown_store
from tenants.stores.tables import Participant, Store

log = logging.getLogger(__name__)

MINOR_UNITS_MAX = 2**53


@dataclass(frozen=True)
class Measured:
    """A store with its exposure as it was last made, and the cap in force now."""

    store: Store
    participant_code: str
    exposure: ExposureRow | None
    cap: int | None


def set_cap(tenant_id: UUID, store_code: str, cap: int | None, made_by: str) -> CapRow:
    """In minor units, None for none; in force at once. Raises `InvalidInput` or `NotFound`."""
    check_cap(cap)
    store = find_store(tenant_id, store_code)
    with unit_of_work(tenant_id) as session:
        lock_store(session, store.store_id)
        row = CapRow(
            tenant_id=tenant_id,
            store_id=store.store_id,
            version=queries.next_version(session, CapRow, CapRow.store_id == store.store_id),
            cap=cap,
            made_by=made_by,
            made_at=clock.now(),
        )
        session.add(row)
    update_exposures(tenant_id)
    return row


def check_cap(cap: int | None) -> None:
    if cap is not None and not 0 <= cap <= MINOR_UNITS_MAX:
        raise InvalidInput(f"A cap is 0 to {MINOR_UNITS_MAX} minor units, or none.", code="invalid_cap")


def lock_store(session: Unit, store_id: UUID) -> str:
    """Whoever changes a store's caps or deposits takes turns; no posting asks for this row. The store's code."""
    statement = select(Store.code).where(Store.store_id == store_id)
    return session.scalars(statement.with_for_update(key_share=True)).one()


def list_caps(tenant_id: UUID, store_code: str) -> list[CapRow]:
    """Newest first."""
    store = find_store(tenant_id, store_code)
    statement = select(CapRow).where(CapRow.store_id == store.store_id).order_by(CapRow.version.desc())
    with unit_of_work(tenant_id) as session:
        return list(session.scalars(statement))


def set_policy(tenant_id: UUID, policy: str, made_by: str) -> PolicyRow:
    """For every store of the network, at once."""
    if policy not in POLICIES:
        raise InvalidInput(f"{policy!r} is no policy: choose from {', '.join(POLICIES)}.", code="invalid_policy")
    with unit_of_work(tenant_id) as session:
        # Two at once: the second waits here.
        session.execute(select(Network.tenant_id).with_for_update(key_share=True)).one()
        row = PolicyRow(
            tenant_id=tenant_id,
            version=queries.next_version(session, PolicyRow),
            policy=policy,
            made_by=made_by,
            made_at=clock.now(),
        )
        session.add(row)
    update_exposures(tenant_id)
    return row


def list_policies(tenant_id: UUID) -> list[PolicyRow]:
    """Newest first; none as long as nobody has set one, which means `block`."""
    with unit_of_work(tenant_id) as session:
        return list(session.scalars(select(PolicyRow).order_by(PolicyRow.version.desc())))


def has_caps(tenant_id: UUID) -> bool:
    with unit_of_work(tenant_id) as session:
        return queries.has_caps(session)


@unrecorded()
def update_exposures(tenant_id: UUID, now: datetime | None = None, anew: bool = False) -> int:
    """Measure every store, and have those at their cap issue no more, or at head office's expense.

    Nothing as long as no store has or had a cap. `anew` sums all postings again. The number of stores whose level
    changed. Raises `Conflict` for a day without a rate.
    """
    now = now or clock.now()
    with unit_of_work(tenant_id) as session:
        if not queries.has_caps(session):
            return 0
        summed = months_summed(session, queries.months_now(session, today_in(tenant_id)))
    keep_months(tenant_id, summed, now, anew)
    with unit_of_work(tenant_id) as session:
        lock_rollup(session, tenant_id)
        caps = queries.caps_now(session)
        exposures = measure(session, today_in(tenant_id))
        before = queries.levels_before(session)
        queries.write_exposures(session, exposures, caps, now)
        changed = {
            store_id: level
            for store_id, exposure in exposures.items()
            if (level := level_of(exposure.total, caps.get(store_id))) != before.get(store_id, NORMAL)
        }
        issuing = apply_policy(session, exposures, caps)
        tell(session, tenant_id, changed, exposures, caps, issuing, now)
    return len(changed)


def months_summed(session: Unit, months: Months) -> list[date]:
    """Those whose postings count: on redemption all, for any point still held may become owed."""
    if is_on_redemption(session, months):
        return sorted({*months.approved, *months.unapproved})
    return months.unproposed


def is_on_redemption(session: Unit, months: Months) -> bool:
    return bool(months.unapproved) and terms_of(session, months.unapproved[-1]).model == ON_REDEMPTION


def measure(session: Unit, today: date) -> dict[UUID, Exposure]:
    """Of every store, now."""
    months = queries.months_now(session, today)
    rates = rate_book(session)
    participants = {store.store_id: store.participant_id for store in session.scalars(select(Store))}
    owed = queries.proposed_nets(session, months.proposed)
    money = queries.money_of(session, months)
    models = {month: terms_of(session, month).model for month in months.unproposed}
    grown: list[tuple[UUID, int]] = []
    for period in store_periods(session, months_summed(session, months), rates.first_days()):
        grown.append((period.store_id, period.outstanding))
        if period.month in models:
            rate = rates.on(participants[period.store_id], period.day)
            key = period.store_id, period.month
            owed[key] = owed.get(key, Decimal(0)) + owed_for(period, rate, models[period.month])
    for (store_id, what, month), amount in money.items():
        if what == "adjustment" and month is not None:
            owed[store_id, month] = owed.get((store_id, month), Decimal(0)) + amount
    held = outstanding(grown, rates, participants, today) if is_on_redemption(session, months) else {}
    return exposures_of(participants, owed, money, held)


def outstanding(
    grown: Sequence[tuple[UUID, int]], rates: RateBook, participants: Mapping[UUID, UUID], today: date
) -> dict[UUID, int]:
    funding = {store_id: rates.on(participant_id, today).funding for store_id, participant_id in participants.items()}
    return outstanding_of(grown, funding)


def exposures_of(
    stores: Mapping[UUID, UUID],
    owed: Mapping[tuple[UUID, date], Decimal],
    money: Mapping[tuple[UUID, str, date | None], int],
    held: Mapping[UUID, int],
) -> dict[UUID, Exposure]:
    by_month: dict[UUID, dict[date, Decimal]] = {}
    for (store_id, month), amount in owed.items():
        by_month.setdefault(store_id, {})[month] = amount
    return {
        store_id: Exposure(
            money.get((store_id, "receivable", None), 0),
            unsettled_of(by_month.get(store_id, {})),
            held.get(store_id, 0),
            money.get((store_id, "deposit", None), 0),
        )
        for store_id in stores
    }


def apply_policy(
    session: Unit, exposures: Mapping[UUID, Exposure], caps: Mapping[UUID, int | None]
) -> dict[UUID, str]:
    """Has the stores' rows say who may issue; the same by store. The tills know within `CACHE_SECONDS`."""
    policy = queries.policy_now(session)
    issuing = {
        store_id: issuing_of(level_of(exposure.total, caps.get(store_id)), policy)
        for store_id, exposure in exposures.items()
    }
    for store_id, was in session.execute(select(Store.store_id, Store.issuing).order_by(Store.store_id)).all():
        if was != issuing.get(store_id, was):
            session.execute(update(Store).where(Store.store_id == store_id).values(issuing=issuing[store_id]))
    return issuing


def tell(
    session: Unit,
    tenant_id: UUID,
    changed: Mapping[UUID, str],
    exposures: Mapping[UUID, Exposure],
    caps: Mapping[UUID, int | None],
    issuing: Mapping[UUID, str],
    as_of: datetime,
) -> None:
    codes = {store.store_id: store.code for store in session.scalars(select(Store))}
    for store_id, level in changed.items():
        event = {
            "store": codes[store_id],
            "exposure": exposures[store_id].total,
            "cap": caps.get(store_id),
            "level": level,
            "issuing": issuing[store_id],
            "as_of": as_of.isoformat(timespec="seconds"),
        }
        log.info("exposure of %s is %s", codes[store_id], level)
        emit(session, tenant_id, EXPOSURE_TYPES[level], event)


def list_exposures(
    tenant_id: UUID,
    after: str | None = None,
    limit: int | None = None,
    participant_id: UUID | None = None,
    level: str | None = None,
    store_code: str | None = None,
) -> list[Measured]:
    """Every store, by code, those after the code `after`; only those of a participant, or of a level."""
    owners = (Participant.tenant_id == Store.tenant_id) & (Participant.participant_id == Store.participant_id)
    statement = (
        select(Store, Participant.code, ExposureRow)
        .join(Participant, owners)
        .outerjoin(ExposureRow, (ExposureRow.tenant_id == Store.tenant_id) & (ExposureRow.store_id == Store.store_id))
        .order_by(Store.code)
        .limit(limit)
    )
    filters = (
        (Store.participant_id, participant_id),
        (ExposureRow.level, level),
        (Store.code, store_code),
    )
    for column, value in filters:
        if value is not None:
            statement = statement.where(column == value)
    if after is not None:
        statement = statement.where(Store.code > after)
    with unit_of_work(tenant_id) as session:
        caps = queries.caps_now(session)
        rows = session.execute(statement).all()
    return [Measured(store, code, row, caps.get(store.store_id)) for store, code, row in rows]


def get_exposure(tenant_id: UUID, store_code: str, participant_id: UUID | None = None) -> Measured:
    """Raises `NotFound` also for a store of another participant than `participant_id`."""
    check_code(store_code)
    found = list_exposures(tenant_id, participant_id=participant_id, store_code=store_code)
    if not found:
        raise unknown_store(store_code)
    return found[0]
