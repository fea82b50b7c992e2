"""To be called inside a unit of work."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import select

from settlement.bank_files.rules import REPEATED, KnownLeg, ReadEntry
from settlement.bank_files.tables import BankEntry, BankFileRow
from settlement.proposals.tables import Leg
from tenants.foundation.database import Unit


def known_legs(session: Unit, legs: Collection[Leg]) -> dict[UUID, KnownLeg]:
    """With what bank files have told of them so far, as it was booked."""
    read: dict[UUID, list[ReadEntry]] = {}
    told = (BankEntry.leg_id.in_([leg.leg_id for leg in legs])) & (BankEntry.outcome != REPEATED)
    for entry in session.scalars(select(BankEntry).where(told)):
        read.setdefault(entry.leg_id, []).append(ReadEntry(entry.reference, entry.is_return, entry.booked_on))
    entries = {leg_id: tuple(sorted(found, key=lambda each: each.order)) for leg_id, found in read.items()}
    return {leg.leg_id: KnownLeg(leg.leg_id, leg.amount, leg.state, entries.get(leg.leg_id, ())) for leg in legs}


def bank_file_read(session: Unit, sha256: bytes, account: str, kind: str, message_id: str) -> BankFileRow | None:
    """The one that has been read with this content, or as this message of the account's bank."""
    same_message = (
        (BankFileRow.account == account) & (BankFileRow.kind == kind) & (BankFileRow.message_id == message_id)
    )
    return session.scalar(select(BankFileRow).where((BankFileRow.sha256 == sha256) | same_message).limit(1))
