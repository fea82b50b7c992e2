from __future__ import annotations

from uuid import UUID

from sqlalchemy import ForeignKeyConstraint
from sqlalchemy.orm import Mapped

from tenants.foundation.columns import Count, Key, Moment, Points, WordList, Words
from tenants.foundation.database import Base


class Erasure(Base):
    """The certificate that a member was erased: by whom, when, why and of what how much; nothing of the member.

    `fields` names what was known. `members` counts this one and those that had been merged into it. Points that were
    left have expired with the transfer.
    """

    __tablename__ = "erasures"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "member_id"], ["tenants.members.tenant_id", "tenants.members.member_id"]),
        ForeignKeyConstraint(
            ["tenant_id", "transfer_id"], ["ledger.transfers.tenant_id", "ledger.transfers.transfer_id"]
        ),
        {"schema": "tenants"},
    )

    tenant_id: Mapped[Key]
    member_id: Mapped[Key]
    reason: Mapped[Words]
    erased_by: Mapped[Words]
    erased_at: Mapped[Moment]
    fields: Mapped[WordList]
    members: Mapped[Count]
    cards: Mapped[Count]
    payment_tokens: Mapped[Count]
    points_forfeited: Mapped[Points]
    transfer_id: Mapped[UUID | None]
