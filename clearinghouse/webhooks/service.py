"""Endpoints and their deliveries as head office makes, sees and changes them.

`emit` is for whoever has something to tell that is no transfer.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import current_app
from sqlalchemy import exists, func, select, update

from clearinghouse.directory.service import show_moment
from clearinghouse.ledger.tables import Books, OutboxEvent
from clearinghouse.webhooks import queries
from clearinghouse.webhooks.addresses import resolve
from clearinghouse.webhooks.rules import ENDPOINTS_MAX, PING, SECRET_OVERLAP, TYPES, parse_url
from clearinghouse.webhooks.tables import ACTIVE, DELETED, DISABLED, FAILED, PENDING, Attempt, Delivery, Endpoint
from tenants.foundation import clock, ids
from tenants.foundation.database import Unit, unit_of_work
from tenants.foundation.errors import Conflict, InvalidInput, NotFound
from tenants.foundation.secret_key import derive
from tenants.networks.service import check_name

BY_HEAD_OFFICE = "head office"
GONE = "the receiver answered 410 Gone"


def emit(session: Unit, tenant_id: UUID, event_type: str, data: dict[str, Any]) -> None:
    """Have the listeners told of something, once and only if this unit of work commits."""
    assert event_type in TYPES
    if session.scalars(select(Books.events_wanted)).one():
        session.add(
            OutboxEvent(
                tenant_id=tenant_id, event_id=ids.new_id(), type=event_type, payload=data, created_at=clock.now()
            )
        )


def create_endpoint(
    tenant_id: UUID, url: str, types: Sequence[str] = (), description: str | None = None
) -> tuple[Endpoint, str]:
    """The secret is told here and never again."""
    check_url(url)
    check_types(types)
    check_description(description)
    now = clock.now()
    endpoint = Endpoint(
        tenant_id=tenant_id,
        endpoint_id=ids.new_id(),
        url=url,
        description=description,
        types=list(types),
        status=ACTIVE,
        created_at=now,
        active_since=now,
        secret_generation=1,
        failures_in_row=0,
        is_slow=False,
    )
    with unit_of_work(tenant_id) as session:
        lock_books(session)
        count = session.scalar(select(func.count()).where(Endpoint.status != DELETED)) or 0
        if count >= ENDPOINTS_MAX:
            raise Conflict(
                f"A network has at most {ENDPOINTS_MAX} webhooks; delete one that is not needed.",
                code="too_many_webhooks",
            )
        session.add(endpoint)
        note_who_listens(session)
    return endpoint, secrets_of(endpoint, now)[0]


def check_url(url: str) -> None:
    to_private = private_allowed()
    resolve(parse_url(url, to_private), to_private)


def private_allowed() -> bool:
    allowed: bool = current_app.config["SETTINGS"].webhooks_to_private
    return allowed


def check_types(types: Sequence[str]) -> None:
    unknown = [name for name in types if name not in TYPES]
    if unknown:
        raise InvalidInput(
            f"{', '.join(unknown)}: no such event. There are {', '.join(TYPES)}.", code="webhook_event_unknown"
        )


def check_description(description: str | None) -> None:
    if description is not None:
        check_name(description)


def lock_books(session: Unit) -> None:
    """Two changes of who listens come one after the other; postings only read this row and go on."""
    session.execute(select(Books.tenant_id).with_for_update(key_share=True)).one()


def note_who_listens(session: Unit) -> None:
    """Postings write to the outbox of a network only while it has an active endpoint."""
    session.flush()
    session.execute(update(Books).values(events_wanted=exists().where(Endpoint.status == ACTIVE)))


def list_endpoints(tenant_id: UUID) -> list[tuple[Endpoint, int]]:
    """Oldest first, without the deleted, each with the number of its pending deliveries."""
    with unit_of_work(tenant_id) as session:
        endpoints = session.scalars(
            select(Endpoint).where(Endpoint.status != DELETED).order_by(Endpoint.endpoint_id)
        ).all()
        pending = queries.count_pending(session, [endpoint.endpoint_id for endpoint in endpoints])
    return [(endpoint, pending.get(endpoint.endpoint_id, 0)) for endpoint in endpoints]


def get_endpoint(tenant_id: UUID, endpoint_id: UUID) -> tuple[Endpoint, int]:
    with unit_of_work(tenant_id) as session:
        endpoint = found(session.get(Endpoint, (tenant_id, endpoint_id)))
        return endpoint, queries.count_pending(session, [endpoint_id]).get(endpoint_id, 0)


def found(endpoint: Endpoint | None) -> Endpoint:
    if endpoint is None:
        raise NotFound("There is no such webhook in this network.", code="webhook_unknown")
    return endpoint


def locked(session: Unit, tenant_id: UUID, endpoint_id: UUID) -> Endpoint:
    """To be changed; raises for one that is unknown or has been deleted."""
    endpoint = found(queries.lock_endpoint(session, tenant_id, endpoint_id))
    if endpoint.status == DELETED:
        raise Conflict("This webhook has been deleted; make a new one.", code="webhook_deleted")
    return endpoint


def change_endpoint(tenant_id: UUID, endpoint_id: UUID, changes: dict[str, Any]) -> None:
    """`changes` may hold url, types, description, enabled.

    Disabling gives up what is pending, and nothing that happens until it is enabled again will be sent: what failed
    can be redelivered, what was not queued can't.
    """
    if "url" in changes:
        check_url(changes["url"])
    check_types(changes.get("types", ()))
    check_description(changes.get("description"))
    with unit_of_work(tenant_id) as session:
        endpoint = locked(session, tenant_id, endpoint_id)
        for name in ("url", "types", "description"):
            if name in changes:
                setattr(endpoint, name, changes[name])
        if changes.get("enabled") is False and endpoint.status == ACTIVE:
            stop(session, endpoint, DISABLED, BY_HEAD_OFFICE)
        elif changes.get("enabled") is True and endpoint.status == DISABLED:
            endpoint.status, endpoint.disabled_because, endpoint.active_since = ACTIVE, None, clock.now()
            forget_failures(endpoint)
            lock_books(session)
            note_who_listens(session)


def delete_endpoint(tenant_id: UUID, endpoint_id: UUID) -> None:
    """For good; what it was sent can be inspected until it is purged. Deleting twice changes nothing."""
    with unit_of_work(tenant_id) as session:
        endpoint = found(queries.lock_endpoint(session, tenant_id, endpoint_id))
        stop(session, endpoint, DELETED, BY_HEAD_OFFICE)


def stop(session: Unit, endpoint: Endpoint, status: str, because: str) -> None:
    """Holds the endpoint's lock."""
    endpoint.status, endpoint.disabled_because = status, because
    forget_failures(endpoint)
    session.execute(
        update(Delivery)
        .where(Delivery.endpoint_id == endpoint.endpoint_id, Delivery.state == PENDING)
        .values(state=FAILED, failed_because=f"webhook {status}", due_at=None, finished_at=clock.now())
        .execution_options(synchronize_session=False)
    )
    lock_books(session)
    note_who_listens(session)


def forget_failures(endpoint: Endpoint) -> None:
    endpoint.failing_since, endpoint.failures_in_row, endpoint.paused_until = None, 0, None


def rotate_secret(tenant_id: UUID, endpoint_id: UUID) -> tuple[Endpoint, str]:
    """The new secret. For a day calls are signed with the one before too, and with no older one."""
    now = clock.now()
    with unit_of_work(tenant_id) as session:
        endpoint = locked(session, tenant_id, endpoint_id)
        endpoint.secret_generation += 1
        endpoint.earlier_secret_until = now + SECRET_OVERLAP
    return endpoint, secrets_of(endpoint, now)[0]


def secrets_of(endpoint: Endpoint, now: datetime) -> list[str]:
    """Newest first, as the Standard Webhooks specification writes them; derived, never kept."""
    generations = [endpoint.secret_generation]
    if endpoint.earlier_secret_until is not None and endpoint.earlier_secret_until > now:
        generations.append(endpoint.secret_generation - 1)
    owner = (endpoint.tenant_id.bytes, endpoint.endpoint_id.bytes)
    derived = [derive("webhook", *owner, generation.to_bytes(4, "big")) for generation in generations]
    return ["whsec_" + base64.b64encode(secret).decode() for secret in derived]


def ping(tenant_id: UUID, endpoint_id: UUID) -> Delivery:
    """A delivery of a test event, which goes out with the next that are due."""
    now, event_id = clock.now(), ids.new_id()
    delivery = Delivery(
        tenant_id=tenant_id,
        delivery_id=ids.new_id(),
        endpoint_id=endpoint_id,
        event_id=event_id,
        type=PING,
        payload={"webhook_id": ids.show(ids.WEBHOOK, endpoint_id)},
        occurred_at=now,
        lane=event_id,
        sequence=0,
        state=PENDING,
        due_at=now,
        attempts=0,
        retries=0,
        queued_at=now,
    )
    with unit_of_work(tenant_id) as session:
        in_use(locked(session, tenant_id, endpoint_id)).paused_until = None
        session.add(delivery)
    return delivery


def in_use(endpoint: Endpoint) -> Endpoint:
    if endpoint.status != ACTIVE:
        raise Conflict("This webhook is disabled; enable it first.", code="webhook_disabled")
    return endpoint


def list_deliveries(
    tenant_id: UUID, endpoint_id: UUID, state: str | None, before: UUID | None, limit: int
) -> list[Delivery]:
    """Newest event first, those before the event `before`."""
    with unit_of_work(tenant_id) as session:
        found(session.get(Endpoint, (tenant_id, endpoint_id)))
        return list(queries.list_deliveries(session, endpoint_id, state, before, limit))


def get_delivery(tenant_id: UUID, delivery_id: UUID) -> tuple[Delivery, list[Attempt]]:
    with unit_of_work(tenant_id) as session:
        delivery = found_delivery(session.get(Delivery, (tenant_id, delivery_id)))
        return delivery, list(queries.list_attempts(session, delivery_id))


def found_delivery(delivery: Delivery | None) -> Delivery:
    if delivery is None:
        raise NotFound("There is no such webhook delivery in this network.", code="delivery_unknown")
    return delivery


def redeliver(tenant_id: UUID, delivery_id: UUID) -> None:
    """Send it again, for up to three days, whether it had been delivered, had failed or waits for its next try."""
    with unit_of_work(tenant_id) as session:
        endpoint_id = found_delivery(session.get(Delivery, (tenant_id, delivery_id))).endpoint_id
        endpoint = in_use(locked(session, tenant_id, endpoint_id))
        delivery = session.get(Delivery, (tenant_id, delivery_id), populate_existing=True)
        queue_again(session, endpoint, [found_delivery(delivery)])


def redeliver_failed(tenant_id: UUID, endpoint_id: UUID, since: datetime) -> int:
    """Send again what failed of the events since then, each member's in order; their number."""
    with unit_of_work(tenant_id) as session:
        endpoint = in_use(locked(session, tenant_id, endpoint_id))
        failed = queries.failed_since(session, endpoint_id, since)
        queue_again(session, endpoint, failed)
    return len(failed)


def queue_again(session: Unit, endpoint: Endpoint, deliveries: Sequence[Delivery]) -> None:
    now = clock.now()
    for delivery in deliveries:
        delivery.state, delivery.failed_because, delivery.finished_at = PENDING, None, None
        delivery.queued_at, delivery.retries = now, 0
    endpoint.paused_until = None
    # An earlier event may have come back: what was due until now may have to wait for it.
    lanes = {delivery.lane for delivery in deliveries}
    queries.make_none_due(session, endpoint, lanes)
    queries.make_first_due(session, endpoint, lanes, now)


def show_endpoint(endpoint: Endpoint, pending: int) -> dict[str, Any]:
    return {
        "webhook_id": ids.show(ids.WEBHOOK, endpoint.endpoint_id),
        "url": endpoint.url,
        "events": endpoint.types,
        "description": endpoint.description,
        "status": endpoint.status,
        "disabled_because": endpoint.disabled_because,
        "pending": pending,
        "failing_since": show_optional(endpoint.failing_since),
        "failures_in_row": endpoint.failures_in_row,
        "paused_until": show_optional(endpoint.paused_until),
        "earlier_secret_until": show_optional(endpoint.earlier_secret_until),
        "created_at": show_moment(endpoint.created_at),
    }


def show_delivery(delivery: Delivery) -> dict[str, Any]:
    return {
        "delivery_id": ids.show(ids.DELIVERY, delivery.delivery_id),
        "webhook_id": ids.show(ids.WEBHOOK, delivery.endpoint_id),
        "event_id": ids.show(ids.EVENT, delivery.event_id),
        "type": delivery.type,
        "transfer_id": ids.show(ids.TRANSFER, delivery.transfer_id) if delivery.transfer_id else None,
        "member_id": ids.show(ids.MEMBER, delivery.lane) if delivery.transfer_id else None,
        "status": delivery.state,
        "failed_because": delivery.failed_because,
        "attempts": delivery.attempts,
        "occurred_at": show_moment(delivery.occurred_at),
        "next_attempt_at": show_optional(delivery.due_at),
        "finished_at": show_optional(delivery.finished_at),
    }


def show_attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "attempted_at": show_moment(attempt.attempted_at),
        "milliseconds": attempt.milliseconds,
        "status_code": attempt.status_code,
        "answer": attempt.answer,
        "error": attempt.error,
    }


def show_optional(moment: datetime | None) -> str | None:
    return show_moment(moment) if moment else None
