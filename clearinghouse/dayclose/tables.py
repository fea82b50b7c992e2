from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import ForeignKeyConstraint, Integer, Numeric
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from tenants.foundation.columns import Bytes, Count, Key, MinorUnits, Moment, Points, Words
from tenants.foundation.database import Base

TERMINAL = ["tenants.terminals.tenant_id", "tenants.terminals.terminal_id"]


class DayClose(Base):
    """What a terminal says it did on a business day; the newest attempt counts, all are kept.

    `entries` are lists of the fields of `rules.Entry`, None when the till gave totals only. `fingerprint` is a sum of
    hashes over them, so that a whole month can be compared order by order without reading them.
    """

    __tablename__ = "day_closes"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "terminal_id"], TERMINAL),
        {"schema": "ledger"},
    )

    tenant_id: Mapped[Key]
    terminal_id: Mapped[Key]
    business_date: Mapped[date] = mapped_column(primary_key=True)
    attempt: Mapped[int] = mapped_column(Integer, primary_key=True)
    accruals_count: Mapped[Points]
    accruals_points: Mapped[Points]
    accruals_amount: Mapped[MinorUnits]
    redemptions_count: Mapped[Points]
    redemptions_points: Mapped[Points]
    redemptions_amount: Mapped[MinorUnits]
    reversals_count: Mapped[Points]
    reversals_points: Mapped[Points]
    reversals_amount: Mapped[MinorUnits]
    entries: Mapped[list[list[Any]] | None] = mapped_column(JSONB(none_as_null=True))
    fingerprint: Mapped[Decimal | None] = mapped_column(Numeric)
    content_hash: Mapped[Bytes]
    submitted_at: Mapped[Moment]


class DayCloseAcceptance(Base):
    """Head office accepts a difference as it was then: of this attempt (0: the day was never closed) to a ledger with
    so many transfers."""

    __tablename__ = "day_close_acceptances"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "terminal_id"], TERMINAL),
        {"schema": "ledger"},
    )

    tenant_id: Mapped[Key]
    terminal_id: Mapped[Key]
    business_date: Mapped[date] = mapped_column(primary_key=True)
    acceptance_id: Mapped[Key]
    attempt: Mapped[Count]
    transfers_count: Mapped[Points]
    reason: Mapped[Words]
    accepted_by: Mapped[Words]
    accepted_at: Mapped[Moment]
