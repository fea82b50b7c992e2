from __future__ import annotations

from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from tenants.foundation.columns import Key, Moment, Words
from tenants.foundation.database import Base


class PaymentToken(Base):
    """A payment card of a member, by the keyed hash of its provider's token; without a member it is unbound."""

    __tablename__ = "payment_tokens"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "member_id"], ["tenants.members.tenant_id", "tenants.members.member_id"]),
        Index("payment_tokens_member_idx", "tenant_id", "member_id"),
        {"schema": "tenants"},
    )

    tenant_id: Mapped[Key]
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    member_id: Mapped[UUID | None]
    bound_at: Mapped[Moment]
    bound_by: Mapped[Words]
