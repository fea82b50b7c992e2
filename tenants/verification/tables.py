from __future__ import annotations

from sqlalchemy import ForeignKeyConstraint
from sqlalchemy.orm import Mapped

from tenants.foundation.columns import Count, Key, Moment, OptionalBytes, OptionalMoment, OptionalWords
from tenants.foundation.database import Base


class MobileWallet(Base):
    """The wallet on a member's phone. Its secret is derived from `generation` and kept nowhere.

    `code_failures` wrong codes came in a row, the last at `code_failed_at`; `last_attempt` tells a request that is
    sent again from the next guess.
    """

    __tablename__ = "mobile_wallets"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "member_id"], ["tenants.members.tenant_id", "tenants.members.member_id"]),
        {"schema": "tenants"},
    )

    tenant_id: Mapped[Key]
    member_id: Mapped[Key]
    generation: Mapped[Count]
    code_failures: Mapped[Count]
    code_failed_at: Mapped[OptionalMoment]
    last_attempt: Mapped[OptionalBytes]
    generated_at: Mapped[Moment]


class Pin(Base):
    """A member's PIN, hashed by argon2; no hash: it has been removed.

    `failures` tries have been counted since the last right one, three lock it; `last_attempt` is the last counted,
    `last_change` the last change that a till has made: both tell a request that is sent again from a new one.
    """

    __tablename__ = "pins"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "member_id"], ["tenants.members.tenant_id", "tenants.members.member_id"]),
        {"schema": "tenants"},
    )

    tenant_id: Mapped[Key]
    member_id: Mapped[Key]
    pin_hash: Mapped[OptionalWords]
    failures: Mapped[Count]
    last_attempt: Mapped[OptionalBytes]
    last_change: Mapped[OptionalBytes]
    set_at: Mapped[OptionalMoment]
    locked_at: Mapped[OptionalMoment]
