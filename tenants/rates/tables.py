from __future__ import annotations

from sqlalchemy import ForeignKeyConstraint
from sqlalchemy.orm import Mapped

from tenants.foundation.columns import Key, Rate
from tenants.foundation.database import Base
from tenants.validity.tables import Effective


class RateRow(Effective, Base):
    """What a point costs and pays on some days: of the whole network, or of one participant's stores.

    Two of the same never overlap, which an exclusion constraint holds.
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

    rate_id: Mapped[Key]
    funding_rate: Mapped[Rate]
    redemption_rate: Mapped[Rate]
