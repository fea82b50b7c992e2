from __future__ import annotations

from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from tenants.foundation.columns import Day, Moment, OptionalDay, OptionalKey, OptionalMoment, OptionalWords, Words


class Effective:
    """The columns of a row that holds from a day on. `valid_until` is its last day, put once, by `ended_by` if that
    came later; without a participant it is the whole network's. What is withdrawn has never counted."""

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True, sort_order=-1)
    participant_id: Mapped[OptionalKey]
    valid_from: Mapped[Day]
    valid_until: Mapped[OptionalDay]
    made_by: Mapped[Words]
    made_at: Mapped[Moment]
    ended_by: Mapped[OptionalWords]
    ended_at: Mapped[OptionalMoment]
    withdrawn_by: Mapped[OptionalWords]
    withdrawn_at: Mapped[OptionalMoment]
