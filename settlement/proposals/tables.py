from __future__ import annotations

from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from settlement.states.tables import Stateful, reached
from tenants.foundation.columns import (
    Bytes,
    Count,
    Day,
    Exact,
    Key,
    MinorUnits,
    Moment,
    OptionalBigInteger,
    OptionalKey,
    OptionalMoment,
    OptionalRate,
    Words,
)
from tenants.foundation.database import Base


class Settlement(Stateful, Base):
    """One version of what a month comes to in money; one version of a month at most is not rejected.

    `stores_net` and `hq_net` (minor units; positive: pays) are each summed from the lines, and are zero together.
    `rounding` is what rounding has added to what head office takes in. `content_hash` is the SHA-256 of
    `settlement.proposals.rules.canonical`. Whoever proposed it can't approve it.
    """

    __tablename__ = "settlements"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "month"], ["settlement.windows.tenant_id", "settlement.windows.month"]),
        ForeignKeyConstraint(["tenant_id", "proposed_by"], ["tenants.staff.tenant_id", "tenants.staff.staff_id"]),
        ForeignKeyConstraint(["tenant_id", "approved_by"], ["tenants.staff.tenant_id", "tenants.staff.staff_id"]),
        reached("settlement_id"),
        UniqueConstraint("tenant_id", "month", "version"),
        Index(
            "settlements_live_key",
            "tenant_id",
            "month",
            unique=True,
            postgresql_where=text("state <> 'rejected'"),
        ),
        {"schema": "settlement"},
    )

    settlement_id: Mapped[Key]
    month: Mapped[Day]
    version: Mapped[Count]
    model: Mapped[Words]
    minimum_payout: Mapped[MinorUnits]
    proposed_by: Mapped[UUID]
    proposed_at: Mapped[Moment]
    approved_by: Mapped[OptionalKey]
    approved_at: Mapped[OptionalMoment]
    stores_net: Mapped[MinorUnits]
    hq_net: Mapped[MinorUnits]
    rounding: Mapped[Exact]
    identities: Mapped[list[dict[str, str]]] = mapped_column(JSONB)
    content_hash: Mapped[Bytes]


class LineRow(Base):
    """A `settlement.proposals.rules.Line` of a settlement."""

    __tablename__ = "lines"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "settlement_id"],
            ["settlement.settlements.tenant_id", "settlement.settlements.settlement_id"],
            deferrable=True,
            initially="DEFERRED",
        ),
        {"schema": "settlement"},
    )

    tenant_id: Mapped[Key]
    settlement_id: Mapped[Key]
    line: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[Words]
    payer_id: Mapped[UUID]
    payee_id: Mapped[UUID]
    quantity: Mapped[OptionalBigInteger]
    rate: Mapped[OptionalRate]
    exact: Mapped[Exact]
    amount: Mapped[MinorUnits]
    origin_month: Mapped[Day]
    reference: Mapped[OptionalKey]
    note: Mapped[Words]


class Leg(Stateful, Base):
    """The one payment of a store in an approved settlement. `amount` (minor units): positive remits, negative
    receives, never zero."""

    __tablename__ = "legs"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "settlement_id"],
            ["settlement.settlements.tenant_id", "settlement.settlements.settlement_id"],
        ),
        ForeignKeyConstraint(["tenant_id", "store_id"], ["tenants.stores.tenant_id", "tenants.stores.store_id"]),
        reached("leg_id"),
        UniqueConstraint("tenant_id", "settlement_id", "store_id"),
        Index("legs_unpaid_idx", "tenant_id", "state", "due_on", postgresql_where=text("state <> 'confirmed'")),
        {"schema": "settlement"},
    )

    leg_id: Mapped[Key]
    settlement_id: Mapped[UUID]
    store_id: Mapped[UUID]
    amount: Mapped[MinorUnits]
    due_on: Mapped[Day]
