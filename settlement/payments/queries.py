"""To be called inside a unit of work."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from sqlalchemy import select

from settlement.payments.tables import PaymentFile
from settlement.proposals.tables import Settlement
from tenants.foundation.database import Unit


def files_of_settlement(session: Unit, settlement_id: UUID) -> list[PaymentFile]:
    """Oldest first."""
    statement = select(PaymentFile).where(PaymentFile.settlement_id == settlement_id).order_by(PaymentFile.file_id)
    return list(session.scalars(statement))


def file_and_month(session: Unit, file_id: UUID) -> tuple[PaymentFile, bytes, date] | None:
    join = (Settlement.tenant_id == PaymentFile.tenant_id) & (Settlement.settlement_id == PaymentFile.settlement_id)
    statement = select(PaymentFile, PaymentFile.content, Settlement.month).join(Settlement, join)
    row = session.execute(statement.where(PaymentFile.file_id == file_id)).one_or_none()
    return None if row is None else (row[0], row[1], row[2])
