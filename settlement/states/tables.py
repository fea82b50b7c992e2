from __future__ import annotations

from uuid import UUID

from sqlalchemy import Computed, ForeignKeyConstraint, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tenants.foundation.columns import Count, Key, Moment, Words
from tenants.foundation.database import Base


class Transition(Base):
    """A step that is allowed. The table is the same for every network."""

    __tablename__ = "transitions"
    __table_args__ = {"schema": "settlement"}

    subject: Mapped[str] = mapped_column(Text, primary_key=True)
    from_state: Mapped[str] = mapped_column(Text, primary_key=True)
    to_state: Mapped[str] = mapped_column(Text, primary_key=True)


class StateChange(Base):
    """One step of a window, settlement, leg or dispute: who took it, when and why. Never changed."""

    __tablename__ = "state_changes"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.networks.tenant_id"]),
        ForeignKeyConstraint(
            ["tenant_id", "subject_id", "after_sequence", "from_state"],
            [
                "settlement.state_changes.tenant_id",
                "settlement.state_changes.subject_id",
                "settlement.state_changes.sequence",
                "settlement.state_changes.to_state",
            ],
        ),
        ForeignKeyConstraint(
            ["subject", "from_state", "to_state"],
            [
                "settlement.transitions.subject",
                "settlement.transitions.from_state",
                "settlement.transitions.to_state",
            ],
        ),
        UniqueConstraint("tenant_id", "subject_id", "sequence", "to_state", name="state_changes_reached_key"),
        {"schema": "settlement"},
    )

    tenant_id: Mapped[Key]
    subject_id: Mapped[Key]
    sequence: Mapped[int] = mapped_column(primary_key=True)
    after_sequence: Mapped[int | None] = mapped_column(Computed("NULLIF(sequence, 1) - 1", persisted=True))
    subject: Mapped[Words]
    from_state: Mapped[Words]
    to_state: Mapped[Words]
    changed_by: Mapped[Words]
    changed_at: Mapped[Moment]
    reason: Mapped[Words]


class Stateful:
    """The columns of a row that has states; its table also needs `reached`."""

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True, sort_order=-1)
    state: Mapped[Words]
    state_sequence: Mapped[Count]


def reached(subject_id: str) -> ForeignKeyConstraint:
    """`state` is what the state change number `state_sequence` reached."""
    changes = "settlement.state_changes"
    return ForeignKeyConstraint(
        ["tenant_id", subject_id, "state_sequence", "state"],
        [f"{changes}.tenant_id", f"{changes}.subject_id", f"{changes}.sequence", f"{changes}.to_state"],
    )
