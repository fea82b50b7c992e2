from __future__ import annotations

from sqlalchemy import BigInteger, ForeignKeyConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tenants.foundation.columns import Bytes, Key, Moment, OptionalBytes, OptionalWords, WordList, Words
from tenants.foundation.database import Base


class AuditEntry(Base):
    """An entry of a network's audit log, or of the installation's (`INSTALLATION`); see `tenants.audit.rules.Entry`.

    The database holds the entries to one chain: each but the first names the hash of one before it, and no two the
    same. Nobody may change or remove one.
    """

    __tablename__ = "audit_log"
    __table_args__ = (
        UniqueConstraint("tenant_id", "hash"),
        UniqueConstraint("tenant_id", "previous_hash"),
        ForeignKeyConstraint(
            ["tenant_id", "previous_hash"], ["tenants.audit_log.tenant_id", "tenants.audit_log.hash"]
        ),
        {"schema": "tenants"},
    )

    tenant_id: Mapped[Key]
    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    happened_at: Mapped[Moment]
    actor_kind: Mapped[Words]
    actor: Mapped[Words]
    via: Mapped[OptionalWords]
    action: Mapped[Words]
    outcome: Mapped[Words]
    error_code: Mapped[OptionalWords]
    subject: Mapped[WordList]
    written: Mapped[WordList]
    request_id: Mapped[OptionalWords]
    body_digest: Mapped[OptionalBytes]
    previous_hash: Mapped[OptionalBytes]
    hash: Mapped[Bytes]
