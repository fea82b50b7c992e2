from __future__ import annotations

from sqlalchemy import ForeignKeyConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tenants.foundation.columns import Key, MinorUnits, Moment, OptionalBigInteger, Words
from tenants.foundation.database import Base

STORE = ["tenants.stores.tenant_id", "tenants.stores.store_id"]


class CapRow(Base):
    """How much a store may have issued and not settled, in minor units, from `made_at` on until the next version.

    None: as much as it likes.
    """

    __tablename__ = "exposure_caps"
    __table_args__ = (ForeignKeyConstraint(["tenant_id", "store_id"], STORE), {"schema": "settlement"})

    tenant_id: Mapped[Key]
    store_id: Mapped[Key]
    version: Mapped[int] = mapped_column(primary_key=True)
    cap: Mapped[OptionalBigInteger]
    made_by: Mapped[Words]
    made_at: Mapped[Moment]


class PolicyRow(Base):
    """What happens to a store that has reached its cap: `settlement.exposure.rules.POLICIES`."""

    __tablename__ = "exposure_policies"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.networks.tenant_id"]),
        {"schema": "settlement"},
    )

    tenant_id: Mapped[Key]
    version: Mapped[int] = mapped_column(primary_key=True)
    policy: Mapped[Words]
    made_by: Mapped[Words]
    made_at: Mapped[Moment]


class ExposureRow(Base):
    """A store's `settlement.exposure.rules.Exposure` as it was `as_of` a moment, with its cap then."""

    __tablename__ = "exposures"
    __table_args__ = (ForeignKeyConstraint(["tenant_id", "store_id"], STORE), {"schema": "settlement"})

    tenant_id: Mapped[Key]
    store_id: Mapped[Key]
    as_of: Mapped[Moment]
    receivable: Mapped[MinorUnits]
    unsettled: Mapped[MinorUnits]
    outstanding: Mapped[MinorUnits]
    deposit: Mapped[MinorUnits]
    exposure: Mapped[MinorUnits]
    cap: Mapped[OptionalBigInteger]
    level: Mapped[Words]
