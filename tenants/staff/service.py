"""The people who settle: added, given roles, gone; and who of them is acting."""

from __future__ import annotations

import getpass
from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import select

from tenants.credentials.service import Principal
from tenants.foundation import clock, ids
from tenants.foundation.database import unit_of_work
from tenants.foundation.encryption import write_field
from tenants.foundation.errors import Conflict, Forbidden, NotFound
from tenants.networks.service import check_code, check_name
from tenants.staff.queries import lock_by_code, nobody_of, staff_and_participants
from tenants.staff.rules import (
    Actor,
    check_change,
    check_code_free_to_use,
    check_has_role,
    check_participant,
    check_present,
    choose_roles,
)
from tenants.staff.tables import Staff
from tenants.stores.tables import Participant


def create_staff(
    tenant_id: UUID, code: str, name: str, roles: Iterable[str], participant_code: str | None = None
) -> Staff:
    """`participant_code` is for an owner, and only for one."""
    check_code(code)
    check_code_free_to_use(code)
    check_name(name)
    chosen = choose_roles(roles)
    check_participant(chosen, participant_code)
    with unit_of_work(tenant_id) as session:
        if session.scalar(select(Staff.staff_id).where(Staff.code == code)):
            raise Conflict(f"There is somebody of code {code!r} already.", code="staff_exists")
        participant = None
        if participant_code is not None:
            participant = session.scalar(select(Participant).where(Participant.code == participant_code))
            if participant is None:
                raise NotFound(f"There is no participant {participant_code!r}.", code="participant_unknown")
        person = Staff(
            tenant_id=tenant_id,
            staff_id=ids.new_id(),
            code=code,
            roles=chosen,
            participant_id=participant and participant.participant_id,
            created_at=clock.now(),
        )
        write_field(person, "name", name)
        session.add(person)
    return person


def list_staff(
    tenant_id: UUID, after: str | None = None, limit: int | None = None
) -> list[tuple[Staff, Participant | None]]:
    """By code, those that follow the code `after`; who has left too. Of owners with the participant."""
    statement = staff_and_participants().order_by(Staff.code).limit(limit)
    if after is not None:
        statement = statement.where(Staff.code > after)
    with unit_of_work(tenant_id) as session:
        return [(person, participant) for person, participant in session.execute(statement)]


def find_staff(tenant_id: UUID, code: str) -> Staff:
    """Who has left is found too. Raises `NotFound`."""
    return find_staff_and_participant(tenant_id, code)[0]


def find_staff_and_participant(tenant_id: UUID, code: str) -> tuple[Staff, Participant | None]:
    check_code(code)
    with unit_of_work(tenant_id) as session:
        row = session.execute(staff_and_participants().where(Staff.code == code)).one_or_none()
    if row is None:
        raise nobody_of(code)
    return row.Staff, row.Participant


def change_roles(tenant_id: UUID, code: str, roles: Iterable[str]) -> Staff:
    """All roles from now on; the person's keys follow within `CACHE_SECONDS`. Raises `Conflict`."""
    check_code(code)
    chosen = choose_roles(roles)
    with unit_of_work(tenant_id) as session:
        person = lock_by_code(session, code)
        check_present(code, person.left_at)
        check_change(code, person.roles, chosen)
        person.roles = chosen
    return person


def leave(tenant_id: UUID, code: str) -> Staff:
    """For good: the person acts no more, and the person's keys are refused. Leaving twice keeps the first time."""
    check_code(code)
    with unit_of_work(tenant_id) as session:
        person = lock_by_code(session, code)
        person.left_at = person.left_at or clock.now()
    return person


def act_as(tenant_id: UUID, code: str, *roles: str) -> Actor:
    """Who acts at the command line, with any one of `roles`. Raises `NotFound`, `Conflict` or `Forbidden`."""
    person = find_staff(tenant_id, code)
    check_present(code, person.left_at)
    actor = Actor(person.staff_id, code, frozenset(person.roles), person.participant_id, getpass.getuser())
    check_has_role(actor, roles)
    return actor


def actor_of(principal: Principal) -> Actor:
    """Who acts over HTTP. Raises `Forbidden` for a key that is not a person's."""
    if principal.staff_id is None or principal.staff_code is None:
        raise Forbidden("This is for people: use the key of one.", code="wrong_kind_of_key")
    return Actor(principal.staff_id, principal.staff_code, principal.roles, principal.participant_id)
