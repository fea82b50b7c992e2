"""Carrying events to their receivers: outbox to deliveries, deliveries to calls, calls to what came of them.

Nothing here is done inside a till's request. A call is made between two transactions: whoever is killed meanwhile
leaves the delivery pending, so that it is made again.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from threading import Event, Lock
from typing import Any
from uuid import UUID

from sqlalchemy import select, text, update
from standardwebhooks import Webhook

from clearinghouse.ledger.service import record_of
from clearinghouse.ledger.tables import Transfer
from clearinghouse.pos.service import show_transfer
from clearinghouse.webhooks import queries
from clearinghouse.webhooks.calling import Answer, Caller
from clearinghouse.webhooks.rules import (
    FAILURES_UNTIL_PAUSE,
    GIVE_UP_AFTER,
    JITTER_PERCENT_MAX,
    next_attempt_at,
    paused_until,
)
from clearinghouse.webhooks.service import (
    GONE,
    forget_failures,
    private_allowed,
    secrets_of,
    stop,
)
from clearinghouse.webhooks.tables import ACTIVE, DELIVERED, DISABLED, FAILED, PENDING, Attempt, Delivery, Endpoint
from tenants.foundation import clock, ids
from tenants.foundation.acts import unrecorded
from tenants.foundation.database import Unit, db, unit_of_work
from tenants.foundation.web import json_bytes
from tenants.networks.service import get_network

CALLS_AT_ONCE = 8
ROUND_CALLS = 64
# How long one job goes on with an endpoint, so that the others get their turn.
SLICE_SECONDS = 5.0
# A receiver that takes this long for an answer, on average, is served apart from the fast ones.
SLOW_MILLISECONDS = 1000

GAVE_UP = "not accepted within 3 days"

# A lock whose worker vanished with its whole machine is free again after a minute, not after hours.
WATCH_CONNECTION = text(
    "SELECT set_config('tcp_keepalives_idle', '30', false), set_config('tcp_keepalives_interval', '10', false), "
    "set_config('tcp_keepalives_count', '3', false)"
)
TRY_LOCK = text("SELECT pg_try_advisory_lock(hashtextextended(:name, 0))")
UNLOCK = text("SELECT pg_advisory_unlock(hashtextextended(:name, 0))")


@dataclass(frozen=True)
class Parcel:
    """A delivery made ready: everything that a thread needs, without the database."""

    delivery_id: UUID
    event_id: str
    body: str


@dataclass(frozen=True)
class Outcome:
    delivery_id: UUID
    attempted_at: datetime
    answer: Answer


@dataclass
class Round:
    """The deliveries that are tried together; no two are of the same member."""

    url: str
    secrets: list[str]
    parcels: list[Parcel]
    outcomes: list[Outcome] = field(default_factory=list)


def networks_with_work() -> list[UUID]:
    """Those with something in the outbox or something due."""
    found = list(db.session.scalars(text("SELECT tenant_id FROM webhooks.networks_with_work()")))
    db.session.rollback()
    return found


@unrecorded()
def carry(tenant_id: UUID) -> list[tuple[UUID, bool]]:
    """Empty the network's outbox into deliveries; the endpoints that have something due, and whether each is slow."""
    with unit_of_work(tenant_id) as session:
        queries.carry_outbox(session, tenant_id)
    with unit_of_work(tenant_id) as session:
        return [(endpoint.endpoint_id, endpoint.is_slow) for endpoint in queries.due_endpoints(session, clock.now())]


@unrecorded()
def deliver(tenant_id: UUID, endpoint_id: UUID) -> tuple[UUID, bool] | None:
    """Try what is due, for some seconds; the endpoint again, as `carry` gives it, when more is due then.

    Does nothing while somebody else delivers to this endpoint.
    """
    until = time.monotonic() + SLICE_SECONDS
    with alone(endpoint_id) as is_alone:
        if not is_alone:
            return None
        give_up_on(tenant_id, endpoint_id)
        with closing(Caller(private_allowed())) as caller, ThreadPoolExecutor(CALLS_AT_ONCE) as pool:
            while (round_ := next_round(tenant_id, endpoint_id)) is not None:
                call_all(pool, caller, round_, until)
                endpoint = note_round(tenant_id, endpoint_id, round_.outcomes)
                if time.monotonic() >= until:
                    return endpoint_id, endpoint.is_slow
    return None


@contextmanager
def alone(endpoint_id: UUID) -> Iterator[bool]:
    """Whether nobody else is at it. The lock goes with its connection, so one who is killed does not keep it."""
    key = {"name": f"webhooks.{endpoint_id}"}
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        try:
            connection.execute(WATCH_CONNECTION)
            is_free = connection.scalar(TRY_LOCK, key)
            yield bool(is_free)
            if is_free:
                connection.execute(UNLOCK, key)
        except BaseException:
            connection.invalidate()
            raise


def give_up_on(tenant_id: UUID, endpoint_id: UUID, now: datetime | None = None) -> int:
    """Of an endpoint that has accepted nothing for three days, fail what has been waiting that long; their number."""
    now = now or clock.now()
    with unit_of_work(tenant_id) as session:
        endpoint = queries.lock_endpoint(session, tenant_id, endpoint_id)
        if endpoint is None or endpoint.failing_since is None or endpoint.failing_since > now - GIVE_UP_AFTER:
            return 0
        lanes = session.scalars(
            update(Delivery)
            .where(
                Delivery.endpoint_id == endpoint_id,
                Delivery.state == PENDING,
                Delivery.queued_at <= now - GIVE_UP_AFTER,
            )
            .values(state=FAILED, failed_because=GAVE_UP, due_at=None, finished_at=now)
            .returning(Delivery.lane)
            .execution_options(synchronize_session=False)
        ).all()
        queries.make_first_due(session, endpoint, set(lanes), now)
    return len(lanes)


def next_round(tenant_id: UUID, endpoint_id: UUID) -> Round | None:
    """What to try now; fewer at a time while the endpoint is failing or slow. None when there is nothing."""
    now = clock.now()
    with unit_of_work(tenant_id) as session:
        endpoint = session.get(Endpoint, (tenant_id, endpoint_id))
        if endpoint is None or endpoint.status != ACTIVE or (endpoint.paused_until or now) > now:
            return None
        is_bad = endpoint.is_slow or endpoint.failures_in_row >= FAILURES_UNTIL_PAUSE
        due = queries.due_deliveries(session, endpoint_id, now, CALLS_AT_ONCE if is_bad else ROUND_CALLS)
        if not due:
            return None
        return Round(endpoint.url, secrets_of(endpoint, now), make_parcels(session, tenant_id, due))


def make_parcels(session: Unit, tenant_id: UUID, deliveries: Sequence[Delivery]) -> list[Parcel]:
    """With bodies as the Standard Webhooks specification recommends: type, timestamp, data."""
    currency = get_network(tenant_id).currency
    transfer_ids = [delivery.transfer_id for delivery in deliveries if delivery.transfer_id]
    transfers = queries.transfers_with_names(session, transfer_ids)
    parcels = []
    for delivery in deliveries:
        transfer_id = delivery.transfer_id
        data = data_of(*transfers[transfer_id], currency) if transfer_id else delivery.payload
        content = {"type": delivery.type, "timestamp": delivery.occurred_at.isoformat(), "data": data}
        body = json_bytes(content).decode()
        parcels.append(Parcel(delivery.delivery_id, ids.show(ids.EVENT, delivery.event_id), body))
    return parcels


def data_of(transfer: Transfer, store_code: str | None, card: str | None, currency: str) -> dict[str, Any]:
    """The transfer as the API shows it, whose it is, and its place among all transfers of the member."""
    return {
        "member_id": ids.show(ids.MEMBER, transfer.member_id),
        "sequence": transfer.sequence,
        **show_transfer(record_of(transfer), currency, store_code, card),
    }


def call_all(pool: ThreadPoolExecutor, caller: Caller, round_: Round, until: float) -> None:
    """Fills the outcomes. After some failures in a row, or when the time is over, no further call is begun."""
    stopped, counting, failures = Event(), Lock(), 0

    def call(parcel: Parcel) -> Outcome | None:
        nonlocal failures
        if stopped.is_set() or (round_.outcomes and time.monotonic() >= until):
            return None
        now = clock.now()
        answer = caller.call(round_.url, parcel.body.encode(), headers_of(parcel, round_.secrets, now))
        # Counted by who called: whoever collects the outcomes may be late, and more calls be begun meanwhile.
        with counting:
            failures = 0 if answer.is_success else failures + 1
            if failures >= FAILURES_UNTIL_PAUSE or answer.status == HTTPStatus.GONE:
                stopped.set()
        return Outcome(parcel.delivery_id, now, answer)

    try:
        for future in as_completed([pool.submit(call, parcel) for parcel in round_.parcels]):
            outcome = future.result()
            if outcome is not None:
                round_.outcomes.append(outcome)
    finally:
        stopped.set()


def headers_of(parcel: Parcel, secrets: Iterable[str], now: datetime) -> dict[str, str]:
    signatures = [Webhook(secret).sign(parcel.event_id, now, parcel.body) for secret in secrets]
    return {
        "Content-Type": "application/json",
        "User-Agent": "clearinghouse-webhooks/1",
        "webhook-id": parcel.event_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def note_round(tenant_id: UUID, endpoint_id: UUID, outcomes: Sequence[Outcome]) -> Endpoint:
    """What came of a round, in one transaction: attempts, deliveries, whose turn is next, how the endpoint is."""
    now = clock.now()
    with unit_of_work(tenant_id) as session:
        endpoint = queries.lock_endpoint(session, tenant_id, endpoint_id)
        assert endpoint is not None
        tried = select(Delivery).where(Delivery.delivery_id.in_([outcome.delivery_id for outcome in outcomes]))
        deliveries = {delivery.delivery_id: delivery for delivery in session.scalars(tried)}
        for outcome in outcomes:
            delivery = deliveries[outcome.delivery_id]
            delivery.attempts += 1
            session.add(attempt_of(delivery, outcome))
            note_outcome(delivery, outcome.answer, now)
            note_health(endpoint, outcome.answer, now)
        note_speed(endpoint, outcomes)
        finished = {delivery.lane for delivery in deliveries.values() if delivery.state != PENDING}
        queries.make_first_due(session, endpoint, finished, now)
        if any(outcome.answer.status == HTTPStatus.GONE for outcome in outcomes) and endpoint.status == ACTIVE:
            stop(session, endpoint, DISABLED, GONE)
    return endpoint


def attempt_of(delivery: Delivery, outcome: Outcome) -> Attempt:
    return Attempt(
        tenant_id=delivery.tenant_id,
        delivery_id=delivery.delivery_id,
        number=delivery.attempts,
        attempted_at=outcome.attempted_at,
        milliseconds=outcome.answer.milliseconds,
        status_code=outcome.answer.status,
        answer=outcome.answer.text,
        error=outcome.answer.error,
    )


def note_outcome(delivery: Delivery, answer: Answer, now: datetime) -> None:
    """A delivery that was given up during the call has still been delivered if the receiver says so."""
    if answer.is_success:
        delivery.state, delivery.failed_because = DELIVERED, None
        delivery.due_at, delivery.finished_at = None, now
    elif delivery.state == PENDING:
        delivery.retries += 1
        jitter = random.randint(0, JITTER_PERCENT_MAX)  # nosec B311 # nothing is kept secret by it
        again_at = next_attempt_at(now, delivery.queued_at, delivery.retries, jitter, answer.retry_after)
        # Not when it has come to wait for an earlier one that is redelivered.
        if again_at is not None and delivery.due_at is not None:
            delivery.due_at = again_at
        elif again_at is None:
            delivery.state, delivery.failed_because = FAILED, GAVE_UP
            delivery.due_at, delivery.finished_at = None, now


def note_health(endpoint: Endpoint, answer: Answer, now: datetime) -> None:
    if answer.is_success:
        forget_failures(endpoint)
        return
    endpoint.failing_since = endpoint.failing_since or now
    endpoint.failures_in_row += 1
    endpoint.paused_until = paused_until(now, endpoint.failures_in_row, answer.retry_after)


def note_speed(endpoint: Endpoint, outcomes: Sequence[Outcome]) -> None:
    total = sum(outcome.answer.milliseconds for outcome in outcomes)
    endpoint.is_slow = total > SLOW_MILLISECONDS * len(outcomes)


@unrecorded()
def purge(tenant_id: UUID) -> int:
    """Forget what was finished long ago; the number of deliveries."""
    purged = 0
    while True:
        with unit_of_work(tenant_id) as session:
            some: int = session.execute(
                text("SELECT webhooks.purge_deliveries(:tenant)"), {"tenant": tenant_id}
            ).scalar_one()
        if some == 0:
            return purged
        purged += some
