"""People as head office adds them over HTTP, and their keys."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError, ProgrammingError

from clearinghouse.ledger.checks import check_ledger
from tenants.credentials.service import CACHE_SECONDS, find_principal
from tenants.foundation import ids
from tenants.foundation.database import unit_of_work
from tenants.foundation.errors import Conflict, Forbidden, NotFound
from tenants.foundation.ids import new_id
from tenants.staff.rules import APPROVER, AUDITOR, PREPARER
from tenants.staff.service import act_as, actor_of, find_staff
from tenants.staff.tables import Staff
from tests.conftest import NetworkForTests

ANA = {"code": "ana", "name": "Ana Ruiz", "roles": ["treasurer", "preparer"]}
OWNER = {"code": "otto", "name": "Otto Owner", "roles": ["owner"], "participant": "A"}


def forget(network: NetworkForTests) -> None:
    """As after the seconds for which a worker trusts what it read of a key."""
    network.app.extensions["principals"].clear()


def key_of(network: NetworkForTests, code: str) -> dict[str, Any]:
    made = network.hq("POST", "/v1/keys", {"label": code, "staff": code})
    assert made.status_code == 201, made.json
    return made.json


def refused(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json["code"]


def test_a_person_is_added_with_roles_in_their_order(network: NetworkForTests) -> None:
    made = network.hq("POST", "/v1/staff", ANA)

    assert made.status_code == 201
    assert {name: made.json[name] for name in ("code", "name", "roles", "participant", "left_at")} == {
        **ANA,
        "roles": ["preparer", "treasurer"],
        "participant": None,
        "left_at": None,
    }
    assert made.json == network.hq("GET", "/v1/staff/ana").json
    assert network.hq("GET", "/v1/staff").json == {"staff": [made.json], "next_cursor": None}


def test_an_owner_belongs_to_one_participant(network: NetworkForTests) -> None:
    owner = network.hq("POST", "/v1/staff", OWNER)

    assert (owner.status_code, owner.json["participant"], owner.json["roles"]) == (201, "A", ["owner"])
    with network.app.app_context():
        principal = find_principal(key_of(network, "otto")["key"])
    assert (principal.staff_code, principal.scopes) == ("otto", {"own"})
    assert principal.participant_id == find_staff(network.tenant_id, "otto").participant_id is not None


def test_people_are_listed_by_code_page_by_page(network: NetworkForTests) -> None:
    for code in ("c", "a", "b"):
        network.add_staff(code, AUDITOR)

    first = network.hq("GET", "/v1/staff?limit=2").json
    second = network.hq("GET", f"/v1/staff?limit=2&cursor={first['next_cursor']}").json

    assert [person["code"] for person in first["staff"] + second["staff"]] == ["a", "b", "c"]
    assert second["next_cursor"] is None


ABSENT = object()
BAD_PEOPLE = [
    ({"roles": []}, 422, "invalid_input"),
    ({"roles": ["king"]}, 422, "invalid_input"),
    ({"roles": ["preparer", None]}, 422, "invalid_input"),
    ({"roles": "preparer"}, 422, "invalid_input"),
    ({"roles": ["PREPARER"]}, 422, "invalid_input"),
    ({"roles": ABSENT}, 422, "invalid_input"),
    ({"code": ""}, 422, "invalid_input"),
    ({"code": "a b"}, 422, "invalid_input"),
    ({"code": "a" * 41}, 422, "invalid_input"),
    ({"code": ABSENT}, 422, "invalid_input"),
    ({"code": 7}, 422, "invalid_input"),
    ({"code": "Scheduler"}, 422, "invalid_code"),
    ({"name": " "}, 422, "invalid_input"),
    ({"name": "a\x00"}, 422, "invalid_input"),
    ({"email": "ana@example.com"}, 422, "invalid_input"),
    ({"participant": "A"}, 422, "invalid_roles"),
    ({"roles": ["owner"]}, 422, "invalid_roles"),
    ({"roles": ["owner", "auditor"], "participant": "A"}, 422, "invalid_roles"),
    ({"roles": ["owner"], "participant": "nowhere"}, 404, "participant_unknown"),
]


@pytest.mark.parametrize(("change", "status", "code"), BAD_PEOPLE)
def test_whoever_can_not_be_is_not_added(
    network: NetworkForTests, change: dict[str, Any], status: int, code: str
) -> None:
    body = {name: value for name, value in (ANA | change).items() if value is not ABSENT}

    answer = network.hq("POST", "/v1/staff", body)

    assert refused(answer) == (status, code), answer.json
    assert network.hq("GET", "/v1/staff").json["staff"] == []


def test_a_code_names_one_person_for_ever(network: NetworkForTests) -> None:
    network.hq("POST", "/v1/staff", ANA)
    taken = network.hq("POST", "/v1/staff", ANA | {"name": "Another"})
    network.hq("POST", "/v1/staff/ana/leave")

    assert refused(taken) == refused(network.hq("POST", "/v1/staff", ANA)) == (409, "staff_exists")


def test_of_many_who_add_one_code_at_once_one_does(network: NetworkForTests) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: network.hq("POST", "/v1/staff", ANA), range(4)))

    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    assert {a.json["code"] for a in answers if a.status_code == 409} <= {"staff_exists", "already_exists"}
    assert len(network.hq("GET", "/v1/staff").json["staff"]) == 1


def test_a_person_who_has_left_acts_no_more_and_no_key_works(network: NetworkForTests) -> None:
    keys = [network.add_staff("ana", PREPARER), key_of(network, "ana")["key"]]
    for key in keys:
        assert network.call(key, "GET", "/v1/stores").status_code == 200

    left = network.hq("POST", "/v1/staff/ana/leave")
    again = network.hq("POST", "/v1/staff/ana/leave")
    forget(network)

    assert left.status_code == 200 and left.json["left_at"] is not None
    assert again.json == left.json == network.hq("GET", "/v1/staff/ana").json
    for key in keys:
        assert refused(network.call(key, "GET", "/v1/stores")) == (401, "unauthenticated")
    with pytest.raises(Conflict, match="has left") as problem:
        act_as(network.tenant_id, "ana", PREPARER)
    assert problem.value.code == "staff_left"


def test_a_key_dies_within_seconds_when_its_person_leaves(network: NetworkForTests) -> None:
    key = network.add_staff("ana", PREPARER)
    assert network.call(key, "GET", "/v1/stores").status_code == 200

    network.hq("POST", "/v1/staff/ana/leave")
    time.sleep(CACHE_SECONDS)

    assert network.call(key, "GET", "/v1/stores").status_code == 401


def test_a_person_who_has_left_gets_no_key_no_rotation_and_no_roles(network: NetworkForTests) -> None:
    network.add_staff("ana", PREPARER)
    key_id = key_of(network, "ana")["key_id"]
    network.hq("POST", "/v1/staff/ana/leave")

    answers = [
        network.hq("POST", "/v1/keys", {"label": "x", "staff": "ana"}),
        network.hq("POST", f"/v1/keys/{key_id}/rotate"),
        network.hq("PUT", "/v1/staff/ana/roles", {"roles": ["auditor"]}),
    ]

    assert [refused(answer) for answer in answers] == [(409, "staff_left")] * 3
    assert network.hq("POST", f"/v1/keys/{key_id}/revoke").status_code == 200


def test_a_key_may_do_what_the_persons_roles_of_now_allow(network: NetworkForTests) -> None:
    key = network.add_staff("ana", PREPARER)
    close = ("POST", "/v1/settlement/windows/2030-01/close")
    before = network.call(key, *close)

    changed = network.hq("PUT", "/v1/staff/ana/roles", {"roles": ["auditor", "approver"]})
    forget(network)
    after = network.call(key, *close)

    assert before.status_code == 409
    assert (changed.status_code, changed.json["roles"]) == (200, ["approver", "auditor"])
    assert refused(after) == (403, "scope_missing")
    assert after.json["detail"].endswith("it comes with the role preparer.")
    assert network.call(key, "GET", "/v1/stores").status_code == 200


BAD_ROLES = [
    ({"roles": []}, (422, "invalid_input")),
    ({"roles": ["king"]}, (422, "invalid_input")),
    ({"roles": None}, (422, "invalid_input")),
    ({}, (422, "invalid_input")),
    ({"roles": ["auditor"], "participant": "A"}, (422, "invalid_input")),
    ({"roles": ["auditor", "owner"]}, (422, "invalid_roles")),
    ({"roles": ["owner"]}, (409, "owner_stays")),
]


@pytest.mark.parametrize(("body", "expected"), BAD_ROLES)
def test_roles_that_a_person_can_not_have_change_nothing(
    network: NetworkForTests, body: dict[str, Any], expected: tuple[int, str]
) -> None:
    network.add_staff("ana", PREPARER)

    assert refused(network.hq("PUT", "/v1/staff/ana/roles", body)) == expected
    assert network.hq("GET", "/v1/staff/ana").json["roles"] == ["preparer"]


def test_an_owner_gets_no_role_of_head_office(network: NetworkForTests) -> None:
    network.add_staff("otto", "owner", participant="A")

    assert refused(network.hq("PUT", "/v1/staff/otto/roles", {"roles": ["auditor"]})) == (409, "owner_stays")
    assert network.hq("PUT", "/v1/staff/otto/roles", {"roles": ["owner"]}).json["participant"] == "A"


def test_roles_and_leaving_at_once_never_give_roles_to_who_has_left(network: NetworkForTests) -> None:
    network.add_staff("ana", PREPARER)

    def ask(number: int) -> int:
        if number == 2:
            return network.hq("POST", "/v1/staff/ana/leave").status_code
        return network.hq("PUT", "/v1/staff/ana/roles", {"roles": ["auditor"]}).status_code

    with ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(ask, range(4)))

    assert statuses.pop(2) == 200
    assert set(statuses) <= {200, 409}
    assert network.hq("GET", "/v1/staff/ana").json["left_at"] is not None


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/staff/nobody", None),
        ("PUT", "/v1/staff/nobody/roles", {"roles": ["auditor"]}),
        ("POST", "/v1/staff/nobody/leave", None),
        ("POST", "/v1/keys", {"label": "x", "staff": "nobody"}),
    ],
)
def test_nobody_is_not_found(network: NetworkForTests, method: str, path: str, body: Any) -> None:
    assert refused(network.hq(method, path, body)) == (404, "staff_unknown")


def test_a_persons_key_is_made_listed_rotated_and_revoked(network: NetworkForTests) -> None:
    network.hq("POST", "/v1/staff", ANA)
    staff_id = network.hq("GET", "/v1/staff/ana").json["staff_id"]

    made = key_of(network, "ana")
    rotated = network.hq("POST", f"/v1/keys/{made['key_id']}/rotate", {"overlap_hours": 0}).json["new_key"]
    forget(network)

    assert made["key"].startswith("stf_") and rotated["key"].startswith("stf_")
    for key in (made, rotated):
        assert (key["role"], key["staff_id"], key["terminal_id"], key["scopes"]) == ("staff", staff_id, None, [])
    assert network.call(made["key"], "GET", "/v1/stores").status_code == 401
    assert network.call(rotated["key"], "GET", "/v1/stores").status_code == 200
    listed = {key["key_id"]: key for key in network.hq("GET", "/v1/keys").json["keys"]}
    assert listed[rotated["key_id"]]["replaces"] == made["key_id"]
    network.hq("POST", f"/v1/keys/{rotated['key_id']}/revoke")
    forget(network)
    assert network.call(rotated["key"], "GET", "/v1/stores").status_code == 401


def test_a_persons_key_takes_no_scopes(network: NetworkForTests) -> None:
    network.hq("POST", "/v1/staff", ANA)

    answer = network.hq("POST", "/v1/keys", {"label": "x", "staff": "ana", "scopes": ["read"]})

    assert refused(answer) == (422, "invalid_scope")


def test_a_persons_key_makes_neither_keys_nor_people(network: NetworkForTests) -> None:
    key = network.add_staff("ana", "preparer", "approver", "treasurer", "auditor")
    key_id = network.hq("GET", "/v1/keys").json["keys"][0]["key_id"]
    terminal = ids.show(ids.TERMINAL, network.tills["A"].terminal_id)

    answers = [
        network.call(key, "POST", "/v1/keys", {"label": "x"}),
        network.call(key, "POST", "/v1/keys", {"label": "x", "staff": "ana"}),
        network.call(key, "POST", f"/v1/terminals/{terminal}/keys"),
        network.call(key, "POST", f"/v1/keys/{key_id}/rotate"),
        network.call(key, "GET", "/v1/keys"),
        network.call(key, "POST", "/v1/staff", OWNER),
        network.call(key, "PUT", "/v1/staff/ana/roles", {"roles": ["auditor"]}),
    ]

    assert [refused(answer) for answer in answers] == [(403, "wrong_kind_of_key")] * 7


def test_head_office_makes_keys_of_people_with_the_scope_for_it_alone(network: NetworkForTests) -> None:
    network.hq("POST", "/v1/staff", ANA)
    keys = {
        scope: network.hq("POST", "/v1/keys", {"label": scope, "scopes": [scope]}).json["key"]
        for scope in ("keys", "settlement")
    }

    answers = {
        scope: network.call(key, "POST", "/v1/keys", {"label": "x", "staff": "ana"}) for scope, key in keys.items()
    }

    assert answers["keys"].status_code == 201
    assert refused(answers["settlement"]) == (403, "scope_missing")


def test_an_auditor_reads_and_changes_nothing(network: NetworkForTests, card: str) -> None:
    network.tills["A"].accrue(card, 1000)
    key = network.add_staff("ida", AUDITOR)

    [transfer] = network.call(key, "GET", "/v1/transfers").json["transfers"]
    answers = [
        network.call(key, "POST", "/v1/stores", {"code": "X", "name": "X"}),
        network.call(key, "POST", f"/v1/cards/{card}/block"),
        network.call(key, "POST", "/v1/settlement/windows/2026-01/close"),
        network.call(key, "POST", "/v1/settlement/windows/2026-01/documents"),
    ]

    assert transfer["store"] == "A"
    assert [answer.status_code for answer in answers] == [403] * 4
    assert check_ledger(network.tenant_id) == []


def test_an_owner_sees_nothing_of_the_other_stores(network: NetworkForTests) -> None:
    key = network.add_staff("otto", "owner", participant="A")

    for path in ("/v1/stores", "/v1/transfers", "/v1/settlement/windows", "/v1/day-closes", "/v1/members"):
        assert refused(network.call(key, "GET", path)) == (403, "scope_missing")


def test_records_name_the_person_whose_key_was_used(network: NetworkForTests) -> None:
    key = network.add_staff("ana", PREPARER)

    closed = network.call(key, "POST", "/v1/settlement/windows/2026-01/close")

    [window] = network.hq("GET", "/v1/settlement/windows").json["windows"]
    assert closed.status_code == 200
    assert (window["month"], window["closed_by"]) == ("2026-01", "ana")


def test_a_preparer_accepts_a_day_in_the_own_name(network: NetworkForTests, card: str) -> None:
    till = network.tills["A"]
    terminal = ids.show(ids.TERMINAL, till.terminal_id)
    till.accrue(card, 1000, occurred_at="2026-03-10T12:00:00Z")
    totals = {kind: {"count": 0, "points": 0, "amount": 0} for kind in ("accruals", "redemptions", "reversals")}
    till.call("POST", "/v1/day-closes", {"business_date": "2026-03-10", "totals": totals})
    path = f"/v1/day-closes/{terminal}/2026-03-10"

    seen = network.call(network.add_staff("ida", AUDITOR), "GET", path)
    accepted = network.call(
        network.add_staff("ana", PREPARER), "POST", f"{path}/acceptance", {"reason": "printer broke"}
    )

    assert (seen.status_code, accepted.status_code) == (200, 201)
    assert [each["accepted_by"] for each in accepted.json["acceptances"]] == ["ana"]


def test_who_acts_is_known_with_the_roles_of_now(network: NetworkForTests) -> None:
    key = network.add_staff("ana", PREPARER, AUDITOR)
    person = find_staff(network.tenant_id, "ana")

    with network.app.app_context():
        over_http = actor_of(find_principal(key))
        head_office = find_principal(network.hq_key)
    at_the_command_line = act_as(network.tenant_id, "ana", APPROVER, PREPARER)

    for actor in (over_http, at_the_command_line):
        assert (actor.staff_id, actor.code, actor.participant_id) == (person.staff_id, "ana", None)
        assert actor.roles == {"preparer", "auditor"}
    assert over_http.shown == "ana"
    assert at_the_command_line.shown.startswith("ana (command line: ")
    assert (head_office.staff_id, head_office.staff_code, head_office.participant_id) == (None, None, None)
    with pytest.raises(Forbidden) as problem:
        actor_of(head_office)
    assert problem.value.code == "wrong_kind_of_key"


@pytest.mark.parametrize(
    ("code", "roles", "error", "expected"),
    [
        ("ana", [APPROVER], Forbidden, "role_missing"),
        ("nobody", [PREPARER], NotFound, "staff_unknown"),
        ("nobody", [], NotFound, "staff_unknown"),
    ],
)
def test_who_is_not_there_or_lacks_the_role_can_not_act(
    network: NetworkForTests, code: str, roles: list[str], error: type[Exception], expected: str
) -> None:
    network.add_staff("ana", PREPARER)

    with pytest.raises(error) as problem:
        act_as(network.tenant_id, code, *roles)
    assert problem.value.code == expected


def test_people_of_another_network_are_nobody(
    network: NetworkForTests, make_network: Callable[..., NetworkForTests]
) -> None:
    key = network.add_staff("ana", PREPARER)
    other = make_network()

    assert refused(other.hq("GET", "/v1/staff/ana")) == (404, "staff_unknown")
    assert other.hq("POST", "/v1/staff", ANA).status_code == 201
    assert network.call(key, "GET", "/v1/network").json["code"] == network.code


IMPOSSIBLE = [
    ({"roles": []}, IntegrityError, "staff_roles_check"),
    ({"roles": ["king"]}, IntegrityError, "staff_roles_check"),
    ({"roles": ["owner"]}, IntegrityError, "staff_owner_check"),
    ({"code": "ida"}, ProgrammingError, "permission denied"),
    ({"name": "Ida"}, ProgrammingError, "permission denied"),
    ({"participant_id": new_id()}, ProgrammingError, "permission denied"),
]


@pytest.mark.parametrize(("values", "error", "said"), IMPOSSIBLE)
def test_the_database_keeps_nobody_who_can_not_be_and_lets_nobody_become_another(
    network: NetworkForTests, values: dict[str, Any], error: type[Exception], said: str
) -> None:
    network.add_staff("ana", PREPARER)
    staff_id = find_staff(network.tenant_id, "ana").staff_id

    with pytest.raises(error, match=said), unit_of_work(network.tenant_id) as session:
        person = session.get_one(Staff, (network.tenant_id, staff_id))
        for name, value in values.items():
            setattr(person, name, value)
