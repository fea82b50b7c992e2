from __future__ import annotations

from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped

from tenants.foundation.columns import (
    Key,
    Moment,
    OptionalBytes,
    OptionalMoment,
    OptionalWords,
    WordList,
    Words,
)
from tenants.foundation.database import Base


class Staff(Base):
    """A person who settles. `roles` are names of `tenants.staff.rules.ROLES`.

    An owner acts for the stores of the one participant; nobody else has a participant. The name is read and written
    by `tenants.foundation.encryption`; a plain one is what the release before has written.
    """

    __tablename__ = "staff"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.networks.tenant_id"]),
        ForeignKeyConstraint(
            ["tenant_id", "participant_id"],
            ["tenants.participants.tenant_id", "tenants.participants.participant_id"],
        ),
        UniqueConstraint("tenant_id", "code"),
        {"schema": "tenants"},
    )

    tenant_id: Mapped[Key]
    staff_id: Mapped[Key]
    code: Mapped[Words]
    name: Mapped[OptionalWords]
    roles: Mapped[WordList]
    participant_id: Mapped[UUID | None]
    created_at: Mapped[Moment]
    left_at: Mapped[OptionalMoment]
    name_encrypted: Mapped[OptionalBytes]
