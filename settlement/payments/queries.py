"""To be called inside a unit of work."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import undefer

from settlement.payments.tables import PaymentFile
from settlement.proposals.tables import Settlement
from tenants.foundation.database import Unit
from tenants.foundation.encryption import read_bytes
from tenants.foundation.errors import IntegrityFailure

# The content is deferred otherwise.
WITH_CONTENT = (undefer(PaymentFile.content), undefer(PaymentFile.content_encrypted))


def files_of_settlement(session: Unit, settlement_id: UUID) -> list[PaymentFile]:
    """Oldest first."""
    statement = select(PaymentFile).where(PaymentFile.settlement_id == settlement_id).order_by(PaymentFile.file_id)
    return list(session.scalars(statement))


def file_and_month(session: Unit, file_id: UUID) -> tuple[PaymentFile, bytes, date] | None:
    join = (Settlement.tenant_id == PaymentFile.tenant_id) & (Settlement.settlement_id == PaymentFile.settlement_id)
    statement = select(PaymentFile, Settlement.month).join(Settlement, join).options(*WITH_CONTENT)
    row = session.execute(statement.where(PaymentFile.file_id == file_id)).one_or_none()
    return None if row is None else (row[0], read_bytes(row[0], "content") or b"", row[1])


def contents_of_settlement(session: Unit, settlement_id: UUID) -> dict[UUID, bytes]:
    """What the files hold, by their ids; nothing of one that was altered."""
    statement = select(PaymentFile).where(PaymentFile.settlement_id == settlement_id).options(*WITH_CONTENT)
    return {file.file_id: content_or_nothing(file) for file in session.scalars(statement)}


def content_or_nothing(file: PaymentFile) -> bytes:
    try:
        return read_bytes(file, "content") or b""
    except IntegrityFailure:
        return b""
