"""A key does what its scopes say, on every route there is, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from apiflask import APIFlask
from sqlalchemy.exc import IntegrityError

from clearinghouse.ledger.checks import check_ledger
from tenants.credentials.rules import HQ, READ, SCOPES, SETTLEMENT, STAFF, TERMINAL, scopes_of
from tenants.credentials.service import create_credential, list_credentials
from tenants.credentials.tables import Credential
from tenants.credentials.web import authenticated
from tenants.foundation import ids
from tenants.foundation.database import unit_of_work
from tenants.foundation.errors import Forbidden
from tenants.staff.rules import OWNER, ROLES
from tests.conftest import NetworkForTests, Till
from tests.directory.routes import NOBODYS

# Well formed where a parameter has a form; of nobody.
VALUES = {"month": "1999-01", "name": "flows.csv", "store": "nowhere"} | NOBODYS

# What the walk below can't know: whether a route names the scope that it should.
EXPECTED = [
    ("POST", "/v1/accruals", {"terminal": {"accrue"}}),
    ("POST", "/v1/redemptions", {"terminal": {"redeem"}}),
    ("POST", "/v1/reversals", {"terminal": {"reverse"}}),
    ("POST", "/v1/batches", {"terminal": {"accrue", "redeem", "reverse"}}),
    ("GET", "/v1/cards/<number>", {"terminal": {"read"}, "hq": {"read"}, "staff": {"read"}}),
    ("GET", "/v1/transfers", {"terminal": {"read"}, "hq": {"read"}, "staff": {"read"}}),
    ("GET", "/v1/stores", {"hq": {"read", "directory"}, "staff": {"read"}}),
    ("POST", "/v1/stores", {"hq": {"directory"}}),
    ("POST", "/v1/cards/<number>/block", {"hq": {"directory"}}),
    ("POST", "/v1/programme/versions", {"hq": {"directory"}}),
    ("GET", "/v1/keys", {"hq": {"keys"}}),
    ("POST", "/v1/keys", {"hq": {"keys"}}),
    ("POST", "/v1/terminals/<terminal_id>/keys", {"hq": {"keys"}}),
    ("PATCH", "/v1/keys/<key_id>", {"hq": {"keys"}}),
    ("POST", "/v1/keys/<key_id>/rotate", {"hq": {"keys"}}),
    ("POST", "/v1/keys/<key_id>/revoke", {"hq": {"keys"}}),
    ("GET", "/v1/staff", {"hq": {"keys"}}),
    ("POST", "/v1/staff", {"hq": {"keys"}}),
    ("PUT", "/v1/staff/<code>/roles", {"hq": {"keys"}}),
    ("POST", "/v1/staff/<code>/leave", {"hq": {"keys"}}),
    (
        *("GET", "/v1/day-closes"),
        {"terminal": {"close", "read"}, "hq": {"read", "settlement"}, "staff": {"read"}},
    ),
    (
        *("POST", "/v1/day-closes/<terminal_id>/<business_date>/acceptance"),
        {"hq": {"settlement"}, "staff": {"prepare"}},
    ),
    ("GET", "/v1/settlement/windows/<month>", {"hq": {"read", "settlement"}, "staff": {"read"}}),
    ("POST", "/v1/settlement/windows/<month>/close", {"hq": {"settlement"}, "staff": {"prepare"}}),
    ("POST", "/v1/settlement/windows/<month>/documents", {"hq": {"settlement"}, "staff": {"prepare"}}),
    ("POST", "/v1/settlement/adjustments", {"staff": {"prepare"}}),
    ("GET", "/v1/settlement/adjustments", {"hq": {"read", "settlement"}, "staff": {"read"}}),
    ("GET", "/v1/settlement/disputes/<dispute_id>", {"hq": {"read", "settlement"}, "staff": {"read"}}),
    ("POST", "/v1/settlement/disputes/<dispute_id>/accept", {"staff": {"prepare"}}),
    ("POST", "/v1/settlement/disputes/<dispute_id>/reject", {"staff": {"prepare"}}),
    ("GET", "/v1/settlement/own/months", {"staff": {"own"}}),
    ("GET", "/v1/settlement/own/windows/<month>/stores/<store>/lines", {"staff": {"own"}}),
    ("POST", "/v1/settlement/own/disputes", {"staff": {"own"}}),
]


# Roles, what `authenticated` is told of scopes, and what OpenAPI says then.
SECURITY = [
    ([TERMINAL], (), [{TERMINAL: []}]),
    ([HQ], "read", [{HQ: ["read"]}]),
    ([HQ, STAFF], ("settlement", "prepare"), [{HQ: ["settlement"]}, {STAFF: ["prepare"]}]),
    ([HQ, STAFF], ("read", "settlement"), [{HQ: ["read"]}, {HQ: ["settlement"]}, {STAFF: ["read"]}]),
    (
        [HQ, STAFF],
        {HQ: "settlement", STAFF: ("read", "own")},
        [{HQ: ["settlement"]}, {STAFF: ["read"]}, {STAFF: ["own"]}],
    ),
]


def routes(app: APIFlask) -> Iterator[tuple[str, str, dict[str, set[str]]]]:
    """(method, rule, the scopes that each role may come with), of every route under /v1."""
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith("/v1/"):
            security = app.view_functions[rule.endpoint]._spec["security"]
            allowed: dict[str, set[str]] = {}
            for requirement in security:
                for role, scopes in requirement.items():
                    allowed.setdefault(role, set()).update(scopes)
            for method in sorted(rule.methods - {"HEAD", "OPTIONS"}):
                yield method, rule.rule, allowed


def path_of(rule: str) -> str:
    return re.sub(r"<(?:\w+:)?(\w+)>", lambda found: VALUES.get(found[1], "nothing"), rule)


def make_key(network: NetworkForTests, role: str, scopes: set[str]) -> str:
    terminal_id = network.tills["A"].terminal_id if role == TERMINAL else None
    return create_credential(network.tenant_id, role, "test", terminal_id, scopes)[1]


def keys_lacking(network: NetworkForTests, role: str, scopes: frozenset[str]) -> list[str]:
    """Keys with everything that one of their role may do but `scopes`; an owner can't be anything else besides."""
    if role != STAFF:
        return [make_key(network, role, set(SCOPES[role]) - scopes)]
    roles = [name for name, given in ROLES.items() if scopes.isdisjoint(given)]
    return [make_person(network, chosen) for chosen in (set(roles) - {OWNER}, set(roles) & {OWNER}) if chosen]


def make_person(network: NetworkForTests, roles: set[str]) -> str:
    participant = "A" if OWNER in roles else None
    return network.add_staff(f"p{uuid4().hex}", *roles, participant=participant)


def test_every_route_names_a_scope_for_each_role(app: APIFlask) -> None:
    found = list(routes(app))

    assert len(found) >= 35
    for method, rule, allowed in found:
        assert allowed and all(allowed.values()), (method, rule)
        assert all(scopes <= set(SCOPES[role]) for role, scopes in allowed.items()), (method, rule)


@pytest.mark.parametrize(("method", "rule", "expected"), EXPECTED)
def test_a_route_asks_for_the_scope_of_what_it_does(
    app: APIFlask, method: str, rule: str, expected: dict[str, set[str]]
) -> None:
    assert {(m, r): allowed for m, r, allowed in routes(app)}[method, rule] == expected


@pytest.mark.parametrize(("roles", "scope", "expected"), SECURITY)
def test_each_role_may_be_asked_for_a_scope_of_its_own(roles: list[str], scope: Any, expected: list[Any]) -> None:
    view = authenticated(*roles, scope=scope)(lambda principal: None)

    assert view._spec["security"] == expected


def test_a_scope_that_is_asked_of_one_role_opens_nothing_to_another(network: NetworkForTests) -> None:
    view = authenticated(HQ, STAFF, scope={HQ: SETTLEMENT, STAFF: READ})(lambda principal: principal.role)

    def ask(key: str) -> str:
        with network.app.test_request_context(headers={"Authorization": f"Bearer {key}"}):
            return view()

    assert ask(make_key(network, HQ, {"settlement"})) == "hq"
    assert ask(make_person(network, {"auditor"})) == "staff"
    with pytest.raises(Forbidden, match="lacks the scope settlement: head office can make one"):
        ask(make_key(network, HQ, {"read"}))
    with pytest.raises(Forbidden, match="lacks the scope read: it comes with the role preparer or approver or"):
        ask(make_person(network, {OWNER}))


def test_a_view_can_not_ask_for_a_scope_that_the_role_never_has() -> None:
    with pytest.raises(AssertionError):
        authenticated(HQ, STAFF, scope="prepare")


def test_a_key_with_every_scope_but_the_one_is_refused_on_every_route(
    app: APIFlask, network: NetworkForTests
) -> None:
    keys: dict[tuple[str, frozenset[str]], list[str]] = {}
    for method, rule, allowed in routes(app):
        for role, scopes in allowed.items():
            lacking = role, frozenset(scopes)
            keys[lacking] = keys.get(lacking) or keys_lacking(network, *lacking)
            for key in keys[lacking]:
                answer = network.call(key, method, path_of(rule))

                assert (answer.status_code, answer.json["code"]) == (403, "scope_missing"), (method, rule)
                assert set(answer.json["scopes"]) == scopes, (method, rule)
                assert all(scope in answer.json["detail"] for scope in scopes)


def test_one_fitting_scope_is_enough_on_every_route_and_no_other_is(app: APIFlask, network: NetworkForTests) -> None:
    keys = [(r, {scope}, make_key(network, r, {scope})) for r in (TERMINAL, HQ) for scope in SCOPES[r]]
    keys += [(STAFF, set(given), make_person(network, {name})) for name, given in ROLES.items()]
    for method, rule, allowed in routes(app):
        for role, held, key in keys:
            if role in allowed:
                answer = network.call(key, method, path_of(rule))

                code = (answer.get_json(silent=True) or {}).get("code")
                assert (code == "scope_missing") == held.isdisjoint(allowed[role]), (method, rule, held)
                assert answer.status_code not in (401, 429, 500), (method, rule, answer.data)


@pytest.mark.parametrize("scope", ["accrue", "redeem", "reverse"])
def test_an_event_of_a_batch_without_its_scope_is_refused_alone(
    network: NetworkForTests, card: str, scope: str
) -> None:
    till = network.tills["A"]
    till.accrue(card, 10000, order_ref="first")
    limited = Till(till.client, make_key(network, TERMINAL, {scope}), "A", till.store_id, till.terminal_id)
    events = [
        {"kind": "accrual", "idempotency_key": "a", "card": card, "order_ref": "a", "amount": 500},
        {"kind": "redemption", "idempotency_key": "b", "card": card, "order_ref": "b", "points": 5},
        {"kind": "reversal", "idempotency_key": "c", "original_order_ref": "first", "original_kind": "accrual"},
    ]

    answer = limited.call("POST", "/v1/batches", {"events": events})

    assert answer.status_code == 200
    kinds = dict(zip(("accrue", "redeem", "reverse"), answer.json["results"], strict=True))
    assert kinds.pop(scope)["outcome"] == "posted"
    for needed, result in kinds.items():
        assert result["outcome"] == "refused"
        assert (result["problem"]["code"], result["problem"]["scopes"]) == ("scope_missing", [needed])
    assert check_ledger(network.tenant_id) == []


def test_a_key_has_all_scopes_of_its_role_unless_told_otherwise(network: NetworkForTests) -> None:
    terminal = ids.show(ids.TERMINAL, network.tills["A"].terminal_id)

    all_of_hq = network.hq("POST", "/v1/keys", {"label": "x"}).json
    all_of_till = network.hq("POST", f"/v1/terminals/{terminal}/keys").json
    some = network.hq("POST", f"/v1/terminals/{terminal}/keys", {"scopes": ["read", "accrue", "read"]}).json

    assert all_of_hq["scopes"] == scopes_of(HQ)
    assert all_of_till["scopes"] == scopes_of(TERMINAL)
    assert some["scopes"] == ["accrue", "read"]
    listed = {key["key_id"]: key["scopes"] for key in network.hq("GET", "/v1/keys").json["keys"]}
    assert listed[some["key_id"]] == ["accrue", "read"]


@pytest.mark.parametrize(
    "scopes", [[], ["*"], ["accrue"], ["read", "root"], "read", None, [None], [["read"]], ["READ"], ["read\x00"]]
)
def test_scopes_that_head_office_does_not_have_are_refused(network: NetworkForTests, scopes: Any) -> None:
    answer = network.hq("POST", "/v1/keys", {"label": "x", "scopes": scopes})

    assert (answer.status_code, answer.json["code"]) == (422, "invalid_input")
    assert "scopes" in answer.json["errors"]


def test_a_key_gives_out_no_head_office_scope_that_it_lacks(network: NetworkForTests) -> None:
    maker = make_key(network, HQ, {"keys", "read"})
    strong = network.hq("POST", "/v1/keys", {"label": "strong"}).json
    terminal = ids.show(ids.TERMINAL, network.tills["A"].terminal_id)

    everything = network.call(maker, "POST", "/v1/keys", {"label": "x"})
    more = network.call(maker, "POST", "/v1/keys", {"label": "x", "scopes": ["read", "settlement"]})
    rotated = network.call(maker, "POST", f"/v1/keys/{strong['key_id']}/rotate")
    less = network.call(maker, "POST", "/v1/keys", {"label": "x", "scopes": ["read"]})
    till = network.call(maker, "POST", f"/v1/terminals/{terminal}/keys")

    for refused in (everything, more, rotated):
        assert (refused.status_code, refused.json["code"]) == (403, "scope_missing")
    assert more.json["scopes"] == ["settlement"]
    assert (less.status_code, till.status_code) == (201, 201)
    assert strong["key_id"] in [
        k["key_id"] for k in network.hq("GET", "/v1/keys").json["keys"] if not k["expires_at"]
    ]


@pytest.mark.parametrize(
    ("role", "scopes"),
    [
        *((HQ, ["*"]), (HQ, ["accrue"]), (HQ, []), (TERMINAL, ["keys"]), (TERMINAL, ["read", "keys"])),
        *((STAFF, ["read"]), (STAFF, ["prepare"]), (STAFF, ["keys"])),
    ],
)
def test_the_database_keeps_no_scope_that_the_role_does_not_have(
    network: NetworkForTests, role: str, scopes: list[str]
) -> None:
    network.add_staff("ana", "preparer")
    key_id = next(key.credential_id for key in list_credentials(network.tenant_id) if key.role == role)

    with pytest.raises(IntegrityError, match="credentials_scopes_check"), unit_of_work(network.tenant_id) as session:
        credential = session.get(Credential, (network.tenant_id, key_id))
        assert credential is not None
        credential.scopes = scopes
