from __future__ import annotations

from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped

from tenants.foundation.columns import Bytes, Key, Moment, OptionalCount, OptionalMoment, WordList, Words
from tenants.foundation.database import Base


class Credential(Base):
    """An API key: of a terminal (`role` terminal), of head office (`role` hq) or of a person (`role` staff).

    Only the SHA-256 of the key is kept; the key has 256 random bits, so a slow hash would add nothing.
    `key_hint` is its last four characters. `scopes` are names of `tenants.credentials.rules.SCOPES`, none for a
    person's key; `rate_limit` is requests per second, None for the role's own. A key that takes another's place
    names it in `replaces_credential_id`. `last_used_at` is right to about a minute.
    """

    __tablename__ = "credentials"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.networks.tenant_id"]),
        ForeignKeyConstraint(
            ["tenant_id", "terminal_id"], ["tenants.terminals.tenant_id", "tenants.terminals.terminal_id"]
        ),
        ForeignKeyConstraint(["tenant_id", "staff_id"], ["tenants.staff.tenant_id", "tenants.staff.staff_id"]),
        ForeignKeyConstraint(
            ["tenant_id", "replaces_credential_id"],
            ["tenants.credentials.tenant_id", "tenants.credentials.credential_id"],
        ),
        UniqueConstraint("tenant_id", "key_hash"),
        UniqueConstraint("tenant_id", "replaces_credential_id"),
        {"schema": "tenants"},
    )

    tenant_id: Mapped[Key]
    credential_id: Mapped[Key]
    role: Mapped[Words]
    terminal_id: Mapped[UUID | None]
    label: Mapped[Words]
    key_hash: Mapped[Bytes]
    key_hint: Mapped[Words]
    created_at: Mapped[Moment]
    revoked_at: Mapped[OptionalMoment]
    scopes: Mapped[WordList]
    replaces_credential_id: Mapped[UUID | None]
    expires_at: Mapped[OptionalMoment]
    last_used_at: Mapped[OptionalMoment]
    rate_limit: Mapped[OptionalCount]
    staff_id: Mapped[UUID | None]
