from __future__ import annotations

from uuid import UUID

import pytest

from tenants.credentials.rules import SCOPES, STAFF
from tenants.foundation.errors import ClearinghouseError, Conflict, Forbidden, InvalidInput
from tenants.staff.rules import (
    ROLES,
    Actor,
    check_change,
    check_has_role,
    check_participant,
    choose_roles,
    roles_giving,
    scopes_of_roles,
)

ANA = UUID(int=1)

SCOPES_OF_ROLES = [
    (["preparer"], {"read", "prepare"}),
    (["approver"], {"read", "approve"}),
    (["treasurer"], {"read", "pay"}),
    (["auditor"], {"read", "audit"}),
    (["owner"], {"own"}),
    (["preparer", "treasurer"], {"read", "prepare", "pay"}),
    ([], set()),
]


@pytest.mark.parametrize(("roles", "scopes"), SCOPES_OF_ROLES)
def test_a_person_may_do_what_any_of_the_roles_allows(roles: list[str], scopes: set[str]) -> None:
    assert scopes_of_roles(roles) == scopes


def test_every_scope_of_people_comes_from_a_role_and_no_other_does() -> None:
    assert scopes_of_roles(ROLES) == SCOPES[STAFF].keys()
    assert all(roles_giving([scope]) for scope in SCOPES[STAFF])
    assert roles_giving(["settlement", "pay"]) == ["treasurer"]


CHOICES = [
    (["auditor"], ["auditor"]),
    (["treasurer", "preparer", "treasurer"], ["preparer", "treasurer"]),
    (["auditor", "treasurer", "approver", "preparer"], ["preparer", "approver", "treasurer", "auditor"]),
    (["owner", "owner"], ["owner"]),
    ([], "at least one role"),
    (["king"], "no role king"),
    (["preparer", "Approver", "king"], "no role Approver, king"),
    ([""], "no role"),
    (["owner", "auditor"], "two codes"),
    (["owner", "preparer"], "two codes"),
]


@pytest.mark.parametrize(("chosen", "expected"), CHOICES)
def test_roles_are_of_the_table_in_its_order_and_an_owner_has_no_other(
    chosen: list[str], expected: list[str] | str
) -> None:
    if isinstance(expected, list):
        assert choose_roles(chosen) == expected
        return
    with pytest.raises(InvalidInput, match=expected) as refused:
        choose_roles(chosen)
    assert refused.value.code == "invalid_roles"


PARTICIPANTS = [
    (["owner"], "acme", None),
    (["preparer", "auditor"], None, None),
    (["owner"], None, "name it"),
    (["preparer"], "acme", "name none"),
]


@pytest.mark.parametrize(("roles", "participant", "refused"), PARTICIPANTS)
def test_an_owner_and_nobody_else_acts_for_a_participant(
    roles: list[str], participant: str | None, refused: str | None
) -> None:
    if refused is None:
        check_participant(roles, participant)
        return
    with pytest.raises(InvalidInput, match=refused):
        check_participant(roles, participant)


CHANGES = [
    (["preparer"], ["approver", "auditor"], None),
    (["owner"], ["owner"], None),
    (["owner"], ["auditor"], "is an owner and stays so"),
    (["auditor"], ["owner"], "belongs to head office and stays so"),
]


@pytest.mark.parametrize(("old", "new", "refused"), CHANGES)
def test_nobody_changes_sides_between_stores_and_head_office(
    old: list[str], new: list[str], refused: str | None
) -> None:
    if refused is None:
        check_change("ana", old, new)
        return
    with pytest.raises(Conflict, match=refused) as problem:
        check_change("ana", old, new)
    assert problem.value.code == "owner_stays"


WANTED = [
    ({"preparer"}, ["preparer"], None),
    ({"preparer"}, ["approver", "preparer"], None),
    ({"auditor"}, [], None),
    ({"preparer"}, ["approver"], "'ana' is preparer; this is for approver."),
    ({"treasurer", "auditor"}, ["preparer", "approver"], "'ana' is auditor, treasurer; this is for preparer or"),
]


@pytest.mark.parametrize(("held", "wanted", "refused"), WANTED)
def test_one_of_the_roles_that_are_asked_for_is_enough(
    held: set[str], wanted: list[str], refused: str | None
) -> None:
    problem: ClearinghouseError | None = None
    try:
        check_has_role(Actor(ANA, "ana", frozenset(held), None), wanted)
    except Forbidden as error:
        problem = error

    assert (problem and problem.code) == (refused and "role_missing")
    assert problem is None or (problem.message.startswith(refused or "") and problem.details == {"roles": wanted})


SHOWN = [(None, "ana"), ("root", "ana (command line: root)")]


@pytest.mark.parametrize(("user", "shown"), SHOWN)
def test_records_name_the_person_and_who_acts_in_that_name_at_the_command_line(user: str | None, shown: str) -> None:
    assert Actor(ANA, "ana", frozenset({"auditor"}), None, user).shown == shown
