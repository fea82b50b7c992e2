"""A key does what its scopes say, on every route there is, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from apiflask import APIFlask
from sqlalchemy.exc import IntegrityError

from clearinghouse.ledger.checks import check_ledger
from tenants.credentials.rules import HQ, SCOPES, TERMINAL, scopes_of
from tenants.credentials.service import create_credential, list_credentials
from tenants.credentials.tables import Credential
from tenants.foundation import ids
from tenants.foundation.database import unit_of_work
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
    ("GET", "/v1/cards/<number>", {"terminal": {"read"}, "hq": {"read"}}),
    ("GET", "/v1/transfers", {"terminal": {"read"}, "hq": {"read"}}),
    ("GET", "/v1/stores", {"hq": {"read", "directory"}}),
    ("POST", "/v1/stores", {"hq": {"directory"}}),
    ("POST", "/v1/cards/<number>/block", {"hq": {"directory"}}),
    ("POST", "/v1/programme/versions", {"hq": {"directory"}}),
    ("GET", "/v1/keys", {"hq": {"keys"}}),
    ("POST", "/v1/keys", {"hq": {"keys"}}),
    ("POST", "/v1/terminals/<terminal_id>/keys", {"hq": {"keys"}}),
    ("PATCH", "/v1/keys/<key_id>", {"hq": {"keys"}}),
    ("POST", "/v1/keys/<key_id>/rotate", {"hq": {"keys"}}),
    ("POST", "/v1/keys/<key_id>/revoke", {"hq": {"keys"}}),
    ("GET", "/v1/settlement/windows/<month>", {"hq": {"read", "settlement"}, "staff": {"read"}}),
    ("POST", "/v1/settlement/windows/<month>/close", {"hq": {"settlement"}, "staff": {"prepare"}}),
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


def call(network: NetworkForTests, key: str, method: str, path: str, json: Any = None) -> Any:
    return network.app.test_client().open(path, method=method, json=json, headers={"Authorization": f"Bearer {key}"})


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


def test_a_key_with_every_scope_but_the_one_is_refused_on_every_route(
    app: APIFlask, network: NetworkForTests
) -> None:
    keys: dict[tuple[str, frozenset[str]], str] = {}
    for method, rule, allowed in routes(app):
        for role, scopes in allowed.items():
            others = frozenset(set(SCOPES[role]) - scopes)
            if (role, others) not in keys:
                keys[role, others] = make_key(network, role, set(others))

            answer = call(network, keys[role, others], method, path_of(rule))

            assert (answer.status_code, answer.json["code"]) == (403, "scope_missing"), (method, rule)
            assert set(answer.json["scopes"]) >= scopes, (method, rule)
            assert all(scope in answer.json["detail"] for scope in scopes)


def test_one_fitting_scope_is_enough_on_every_route_and_no_other_is(app: APIFlask, network: NetworkForTests) -> None:
    keys = {(role, scope): make_key(network, role, {scope}) for role in SCOPES for scope in SCOPES[role]}
    for method, rule, allowed in routes(app):
        for (role, scope), key in keys.items():
            if role in allowed:
                answer = call(network, key, method, path_of(rule))

                code = (answer.get_json(silent=True) or {}).get("code")
                assert (code == "scope_missing") == (scope not in allowed[role]), (method, rule, scope)
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

    everything = call(network, maker, "POST", "/v1/keys", {"label": "x"})
    more = call(network, maker, "POST", "/v1/keys", {"label": "x", "scopes": ["read", "settlement"]})
    rotated = call(network, maker, "POST", f"/v1/keys/{strong['key_id']}/rotate")
    less = call(network, maker, "POST", "/v1/keys", {"label": "x", "scopes": ["read"]})
    till = call(network, maker, "POST", f"/v1/terminals/{terminal}/keys")

    for refused in (everything, more, rotated):
        assert (refused.status_code, refused.json["code"]) == (403, "scope_missing")
    assert more.json["scopes"] == ["settlement"]
    assert (less.status_code, till.status_code) == (201, 201)
    assert strong["key_id"] in [
        k["key_id"] for k in network.hq("GET", "/v1/keys").json["keys"] if not k["expires_at"]
    ]


@pytest.mark.parametrize(
    ("role", "scopes"), [(HQ, ["*"]), (HQ, ["accrue"]), (HQ, []), (TERMINAL, ["keys"]), (TERMINAL, ["read", "keys"])]
)
def test_the_database_keeps_no_scope_that_the_role_does_not_have(
    network: NetworkForTests, role: str, scopes: list[str]
) -> None:
    key_id = next(key.credential_id for key in list_credentials(network.tenant_id) if key.role == role)

    with pytest.raises(IntegrityError, match="credentials_scopes_check"), unit_of_work(network.tenant_id) as session:
        credential = session.get(Credential, (network.tenant_id, key_id))
        assert credential is not None
        credential.scopes = scopes
