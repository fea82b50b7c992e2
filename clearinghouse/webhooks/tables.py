from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from tenants.foundation.columns import Count, Key, Moment, OptionalMoment, OptionalWords, Points, Words
from tenants.foundation.database import Base

ACTIVE, DISABLED, DELETED = "active", "disabled", "deleted"
PENDING, DELIVERED, FAILED = "pending", "delivered", "failed"


class Endpoint(Base):
    """Where a network wants to be told of what happens.

    `types`: the events it wants, none named = all, of those since `active_since`. `failing_since` and
    `failures_in_row` tell of the calls since the last one that went well; until `paused_until` nothing is tried.
    `earlier_secret_until`: until then calls are signed with the secret of the generation before too.
    """

    __tablename__ = "endpoints"
    __table_args__ = (ForeignKeyConstraint(["tenant_id"], ["tenants.networks.tenant_id"]), {"schema": "webhooks"})

    tenant_id: Mapped[Key]
    endpoint_id: Mapped[Key]
    url: Mapped[Words]
    description: Mapped[OptionalWords]
    types: Mapped[list[str]] = mapped_column(ARRAY(Text))
    status: Mapped[Words]
    disabled_because: Mapped[OptionalWords]
    created_at: Mapped[Moment]
    active_since: Mapped[Moment]
    secret_generation: Mapped[Count]
    earlier_secret_until: Mapped[OptionalMoment]
    failing_since: Mapped[OptionalMoment]
    failures_in_row: Mapped[Count]
    paused_until: Mapped[OptionalMoment]
    is_slow: Mapped[bool]


class Delivery(Base):
    """One event for one endpoint: pending, then delivered or failed, and pending again when it is redelivered.

    `lane` is the member, or the event itself when it is of none. In a lane deliveries go in the order of `sequence`
    (of the member's transfers), one at a time: only the first that is pending has a `due_at`. `attempts` counts all
    calls, `retries` those that failed since `queued_at`.
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "endpoint_id"], ["webhooks.endpoints.tenant_id", "webhooks.endpoints.endpoint_id"]
        ),
        UniqueConstraint("tenant_id", "endpoint_id", "event_id"),
        Index(
            "deliveries_lane_idx",
            *("tenant_id", "endpoint_id", "lane", "sequence"),
            postgresql_where=text("state = 'pending'"),
        ),
        Index(
            "deliveries_due_idx",
            *("tenant_id", "endpoint_id", "due_at"),
            postgresql_where=text("due_at IS NOT NULL"),
        ),
        Index(
            "deliveries_turn_key",
            *("tenant_id", "endpoint_id", "lane"),
            unique=True,
            postgresql_where=text("due_at IS NOT NULL"),
        ),
        Index("deliveries_state_idx", "tenant_id", "endpoint_id", "state", "event_id"),
        Index(
            "deliveries_purge_idx",
            *("tenant_id", "finished_at"),
            postgresql_where=text("finished_at IS NOT NULL"),
        ),
        {"schema": "webhooks"},
    )

    tenant_id: Mapped[Key]
    delivery_id: Mapped[Key]
    endpoint_id: Mapped[UUID]
    event_id: Mapped[UUID]
    type: Mapped[Words]
    transfer_id: Mapped[UUID | None]
    payload: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    occurred_at: Mapped[Moment]
    lane: Mapped[UUID]
    sequence: Mapped[Points]
    state: Mapped[Words]
    failed_because: Mapped[OptionalWords]
    due_at: Mapped[OptionalMoment]
    attempts: Mapped[Count]
    retries: Mapped[Count]
    queued_at: Mapped[Moment]
    finished_at: Mapped[OptionalMoment]


class Attempt(Base):
    """One call: the status and the beginning of its answer, or the error that kept it from getting one."""

    __tablename__ = "attempts"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "delivery_id"], ["webhooks.deliveries.tenant_id", "webhooks.deliveries.delivery_id"]
        ),
        {"schema": "webhooks"},
    )

    tenant_id: Mapped[Key]
    delivery_id: Mapped[Key]
    number: Mapped[int] = mapped_column(primary_key=True)
    attempted_at: Mapped[Moment]
    milliseconds: Mapped[Count]
    status_code: Mapped[int | None]
    answer: Mapped[OptionalWords]
    error: Mapped[OptionalWords]
