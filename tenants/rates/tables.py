from __future__ import annotations

from uuid import UUID

from sqlalchemy import ForeignKeyConstraint
from sqlalchemy.orm import Mapped

from tenants.foundation.columns import Day, Key, Moment, OptionalDay, OptionalMoment, OptionalWords, Rate, Words
from tenants.foundation.database import Base


class RateRow(Base):
    """What a point costs and pays on some days: of the whole network, or of one participant's stores.

    `valid_until` is the last day. What is withdrawn has never counted; two of the same never overlap.
    """

    __tablename__ = "rates"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.networks.tenant_id"]),
        ForeignKeyConstraint(
            ["tenant_id", "participant_id"],
            ["tenants.participants.tenant_id", "tenants.participants.participant_id"],
        ),
        {"schema": "tenants"},
    )

    tenant_id: Mapped[Key]
    rate_id: Mapped[Key]
    participant_id: Mapped[UUID | None]
    valid_from: Mapped[Day]
    valid_until: Mapped[OptionalDay]
    funding_rate: Mapped[Rate]
    redemption_rate: Mapped[Rate]
    made_by: Mapped[Words]
    made_at: Mapped[Moment]
    withdrawn_by: Mapped[OptionalWords]
    withdrawn_at: Mapped[OptionalMoment]
