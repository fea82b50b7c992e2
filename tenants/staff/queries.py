from __future__ import annotations

from uuid import UUID

from sqlalchemy import Select, select

from tenants.foundation.database import Unit
from tenants.foundation.errors import NotFound
from tenants.staff.tables import Staff
from tenants.stores.tables import Participant


def staff_and_participants() -> Select[Staff, Participant]:
    """The participant is None but for owners."""
    join = (Participant.tenant_id == Staff.tenant_id) & (Participant.participant_id == Staff.participant_id)
    return select(Staff, Participant).outerjoin(Participant, join)


def lock_by_code(session: Unit, code: str) -> Staff:
    person = session.scalar(select(Staff).where(Staff.code == code).with_for_update())
    if person is None:
        raise nobody_of(code)
    return person


def get_by_id(session: Unit, tenant_id: UUID, staff_id: UUID) -> Staff:
    person = session.get(Staff, (tenant_id, staff_id))
    if person is None:
        raise NotFound("There is no such person in this network.", code="staff_unknown")
    return person


def nobody_of(code: str) -> NotFound:
    return NotFound(f"There is nobody of code {code!r} in this network.", code="staff_unknown")
