from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, text

from clearinghouse.ledger.tables import Transfer
from clearinghouse.webhooks.rules import TRANSFER_TYPES
from clearinghouse.webhooks.tables import ACTIVE, FAILED, PENDING, Attempt, Delivery, Endpoint
from tenants.foundation import clock
from tenants.foundation.database import Unit, compact_json
from tenants.members.tables import Card
from tenants.stores.tables import Store

# All of the outbox in one statement, and so of one moment: whatever part of it was taken by itself could hold a
# member's later event and leave the earlier one for the next time. The first of a lane is due at once unless one
# before it is pending still.
CARRY = text("""
    WITH taken AS (
        DELETE FROM ledger.outbox WHERE tenant_id = :tenant RETURNING *
    ), events AS (
        SELECT o.event_id, coalesce(o.type, CAST(:types AS jsonb) ->> t.kind::text) AS type, o.transfer_id, o.payload,
               o.created_at AS occurred_at, coalesce(t.member_id, o.event_id) AS lane,
               coalesce(t.sequence, 0) AS sequence
        FROM taken AS o
        LEFT JOIN ledger.transfers AS t ON t.tenant_id = o.tenant_id AND t.transfer_id = o.transfer_id
    )
    INSERT INTO webhooks.deliveries
        (tenant_id, delivery_id, endpoint_id, event_id, type, transfer_id, payload, occurred_at, lane, sequence,
         queued_at, due_at)
    SELECT p.tenant_id, ledger.new_id(), p.endpoint_id, e.event_id, e.type, e.transfer_id, e.payload, e.occurred_at,
           e.lane, e.sequence, :now,
           CASE WHEN row_number() OVER (PARTITION BY p.endpoint_id, e.lane ORDER BY e.sequence) = 1
                 AND NOT EXISTS (
                    SELECT FROM webhooks.deliveries AS d
                    WHERE d.tenant_id = :tenant AND d.endpoint_id = p.endpoint_id AND d.lane = e.lane
                      AND d.state = 'pending')
                THEN CAST(:now AS timestamptz) END
    FROM events AS e
    JOIN webhooks.endpoints AS p
      ON p.tenant_id = :tenant AND p.status = 'active' AND p.active_since <= e.occurred_at
     AND (cardinality(p.types) = 0 OR e.type = ANY (p.types))
    WHERE e.type IS NOT NULL
    ORDER BY e.occurred_at, e.sequence
""")

MAKE_FIRST_DUE = text("""
    UPDATE webhooks.deliveries AS d SET due_at = :now
    FROM unnest(CAST(:lanes AS uuid[])) AS wanted (lane)
    CROSS JOIN LATERAL (
        SELECT p.delivery_id FROM webhooks.deliveries AS p
        WHERE p.tenant_id = :tenant AND p.endpoint_id = :endpoint AND p.lane = wanted.lane AND p.state = 'pending'
        ORDER BY p.sequence LIMIT 1
    ) AS first
    WHERE d.tenant_id = :tenant AND d.delivery_id = first.delivery_id AND d.due_at IS NULL
""")
MAKE_NONE_DUE = text("""
    UPDATE webhooks.deliveries SET due_at = NULL
    WHERE tenant_id = :tenant AND endpoint_id = :endpoint AND lane = ANY (CAST(:lanes AS uuid[]))
      AND state = 'pending' AND due_at IS NOT NULL
""")


def lock_endpoint(session: Unit, tenant_id: UUID, endpoint_id: UUID) -> Endpoint | None:
    """Whoever changes which delivery of a lane is due holds this lock; calls to the receiver are made without it."""
    return session.get(Endpoint, (tenant_id, endpoint_id), with_for_update={"key_share": True})


def carry_outbox(session: Unit, tenant_id: UUID) -> None:
    """Make deliveries of the outbox, for every endpoint that wants them, and empty it."""
    # Also what keeps two of these in turn: the later one would overtake the earlier with newer events of a member.
    session.execute(
        select(Endpoint.endpoint_id)
        .where(Endpoint.status == ACTIVE)
        .order_by(Endpoint.endpoint_id)
        .with_for_update(key_share=True)
    ).all()
    session.execute(CARRY, {"tenant": tenant_id, "types": compact_json(TRANSFER_TYPES), "now": clock.now()})


def make_first_due(session: Unit, endpoint: Endpoint, lanes: Iterable[UUID], now: datetime) -> None:
    """Of each lane, let the first that is pending be tried. Holds the endpoint's lock."""
    session.flush()
    session.execute(MAKE_FIRST_DUE, {**lanes_of(endpoint, lanes), "now": now})


def make_none_due(session: Unit, endpoint: Endpoint, lanes: Iterable[UUID]) -> None:
    session.flush()
    session.execute(MAKE_NONE_DUE, lanes_of(endpoint, lanes))


def lanes_of(endpoint: Endpoint, lanes: Iterable[UUID]) -> dict[str, object]:
    names = [str(lane) for lane in lanes]
    return {"tenant": endpoint.tenant_id, "endpoint": endpoint.endpoint_id, "lanes": names}


def is_tried(now: datetime) -> ColumnElement[bool]:
    """Of an endpoint: active, not resting, with something due."""
    is_due = (
        select(Delivery.delivery_id)
        .where(
            Delivery.tenant_id == Endpoint.tenant_id,
            Delivery.endpoint_id == Endpoint.endpoint_id,
            Delivery.due_at <= now,
        )
        .exists()
    )
    is_resting = func.coalesce(Endpoint.paused_until > now, False)
    return (Endpoint.status == ACTIVE) & ~is_resting & is_due


def due_endpoints(session: Unit, now: datetime) -> Sequence[Endpoint]:
    return session.scalars(select(Endpoint).where(is_tried(now)).order_by(Endpoint.endpoint_id)).all()


def due_deliveries(session: Unit, endpoint_id: UUID, now: datetime, limit: int) -> Sequence[Delivery]:
    return session.scalars(
        select(Delivery)
        .where(Delivery.endpoint_id == endpoint_id, Delivery.due_at <= now)
        .order_by(Delivery.due_at, Delivery.delivery_id)
        .limit(limit)
    ).all()


def transfers_with_names(
    session: Unit, transfer_ids: Iterable[UUID]
) -> dict[UUID, tuple[Transfer, str | None, str | None]]:
    """By id, each with the code of its store and the number of its card."""
    rows = session.execute(
        select(Transfer, Store.code, Card.number)
        .outerjoin(Store, (Store.tenant_id == Transfer.tenant_id) & (Store.store_id == Transfer.store_id))
        .outerjoin(Card, (Card.tenant_id == Transfer.tenant_id) & (Card.card_id == Transfer.card_id))
        .where(Transfer.transfer_id.in_(list(transfer_ids)))
    )
    return {transfer.transfer_id: (transfer, code, number) for transfer, code, number in rows}


def count_pending(session: Unit, endpoint_ids: Sequence[UUID]) -> dict[UUID, int]:
    rows = session.execute(
        select(Delivery.endpoint_id, func.count())
        .where(Delivery.endpoint_id.in_(endpoint_ids), Delivery.state == PENDING)
        .group_by(Delivery.endpoint_id)
    )
    return {endpoint_id: count for endpoint_id, count in rows}


def list_deliveries(
    session: Unit, endpoint_id: UUID, state: str | None, before: UUID | None, limit: int
) -> Sequence[Delivery]:
    """Newest event first, those before the event `before`."""
    statement = select(Delivery).where(Delivery.endpoint_id == endpoint_id)
    if state is not None:
        statement = statement.where(Delivery.state == state)
    if before is not None:
        statement = statement.where(Delivery.event_id < before)
    return session.scalars(statement.order_by(Delivery.event_id.desc()).limit(limit)).all()


def list_attempts(session: Unit, delivery_id: UUID) -> Sequence[Attempt]:
    return session.scalars(select(Attempt).where(Attempt.delivery_id == delivery_id).order_by(Attempt.number)).all()


def failed_since(session: Unit, endpoint_id: UUID, since: datetime) -> Sequence[Delivery]:
    return session.scalars(
        select(Delivery).where(
            Delivery.endpoint_id == endpoint_id, Delivery.state == FAILED, Delivery.occurred_at >= since
        )
    ).all()
