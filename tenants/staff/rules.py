"""The people who settle: which roles there are, what each may do, who may have which."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from tenants.credentials.rules import APPROVE, AUDIT, OWN, PAY, PREPARE, READ
from tenants.foundation.errors import Conflict, Forbidden, InvalidInput

PREPARER, APPROVER, TREASURER, OWNER, AUDITOR = "preparer", "approver", "treasurer", "owner", "auditor"

# The one place that says which roles there are, and which scopes a person's keys have from each.
ROLES: dict[str, tuple[str, ...]] = {
    PREPARER: (READ, PREPARE),
    APPROVER: (READ, APPROVE),
    TREASURER: (READ, PAY),
    OWNER: (OWN,),
    AUDITOR: (READ, AUDIT),
}

# Records say so of what the clearinghouse does by itself, in the place of a person's code.
CODES_RESERVED = ("scheduler",)


@dataclass(frozen=True)
class Actor:
    """A person who does something, with the roles of now; `participant_id` is an owner's.

    `command_line_user` is the user of the operating system who acts in this person's name, None over HTTP.
    """

    staff_id: UUID
    code: str
    roles: frozenset[str]
    participant_id: UUID | None
    command_line_user: str | None = None

    @property
    def shown(self) -> str:
        """As records say who did something: `ana`, or `ana (command line: root)`."""
        return (
            self.code if self.command_line_user is None else f"{self.code} (command line: {self.command_line_user})"
        )


def scopes_of_roles(roles: Iterable[str]) -> frozenset[str]:
    return frozenset(scope for role in roles for scope in ROLES[role])


def roles_giving(scopes: Collection[str]) -> list[str]:
    """The roles of which any one gives one of these scopes."""
    return [role for role, given in ROLES.items() if not set(given).isdisjoint(scopes)]


def choose_roles(chosen: Iterable[str]) -> list[str]:
    """In the order of the table, each once. Raises `InvalidInput` for what nobody can be."""
    wanted = set(chosen)
    unknown = sorted(wanted - ROLES.keys())
    if unknown or not wanted:
        what = f"There is no role {', '.join(unknown)}" if unknown else "Name at least one role"
        raise InvalidInput(f"{what}: choose from {', '.join(ROLES)}.", code="invalid_roles")
    if OWNER in wanted and len(wanted) > 1:
        raise InvalidInput(
            "An owner has no role of head office besides: give the same person two codes.", code="invalid_roles"
        )
    return [role for role in ROLES if role in wanted]


def check_code_free_to_use(code: str) -> None:
    if code.lower() in CODES_RESERVED:
        raise InvalidInput(
            f"{code!r} means the clearinghouse itself in records; choose another.", code="invalid_code"
        )


def check_participant(roles: Collection[str], participant_code: str | None) -> None:
    if OWNER in roles and participant_code is None:
        raise InvalidInput("An owner acts for one participant: name it.", code="invalid_roles")
    if OWNER not in roles and participant_code is not None:
        raise InvalidInput("Only an owner acts for a participant: name none.", code="invalid_roles")


def check_change(code: str, old: Collection[str], new: Collection[str]) -> None:
    """Whoever owned stores yesterday does not approve their settlement today, nor the other way round."""
    if (OWNER in old) != (OWNER in new):
        raise Conflict(
            f"{code!r} {'is an owner' if OWNER in old else 'belongs to head office'} and stays so: "
            "have the person leave, and add another code.",
            code="owner_stays",
        )


def check_present(code: str, left_at: datetime | None) -> None:
    if left_at is not None:
        raise Conflict(f"{code!r} has left: add the person under another code.", code="staff_left")


def check_has_role(actor: Actor, roles: Collection[str]) -> None:
    """Any one of `roles` is enough; of none, nothing is asked."""
    if roles and actor.roles.isdisjoint(roles):
        raise Forbidden(
            f"{actor.code!r} is {', '.join(sorted(actor.roles))}; this is for {' or '.join(roles)}.",
            code="role_missing",
            roles=list(roles),
        )
