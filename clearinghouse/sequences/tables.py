from __future__ import annotations

from sqlalchemy import ForeignKeyConstraint
from sqlalchemy.dialects.postgresql import INT8MULTIRANGE
from sqlalchemy.orm import Mapped, mapped_column

from tenants.foundation.columns import Key, Moment, OptionalBigInteger, Points
from tenants.foundation.database import Base


class TerminalSequence(Base):
    """Which of its sequence numbers a terminal has sent; the ranges are text as PostgreSQL writes it.

    `received` are those that were answered, `posted` those whose event is in the ledger, `repeated` those that came
    again with another event. `highest` is the highest number that the terminal is known to have used.
    `clock_skew_seconds` is its clock minus ours when it last told its time.
    """

    __tablename__ = "sequences"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "terminal_id"], ["tenants.terminals.tenant_id", "tenants.terminals.terminal_id"]
        ),
        {"schema": "ledger"},
    )

    tenant_id: Mapped[Key]
    terminal_id: Mapped[Key]
    received: Mapped[str] = mapped_column(INT8MULTIRANGE)
    posted: Mapped[str] = mapped_column(INT8MULTIRANGE)
    repeated: Mapped[str] = mapped_column(INT8MULTIRANGE)
    highest: Mapped[Points]
    clock_skew_seconds: Mapped[OptionalBigInteger]
    seen_at: Mapped[Moment]
