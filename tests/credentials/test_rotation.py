"""Keys that take another's place, that end by themselves, that tell when they were used."""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from tenants.credentials.service import rotate_credential
from tenants.credentials.tables import Credential
from tenants.foundation import clock, ids
from tenants.foundation.config import Settings
from tenants.foundation.database import unit_of_work
from tests.conftest import NetworkForTests, Till
from tests.test_faults import running

NOBODYS = "key_01h455vb4pex5vsknk084sn02q"


def key_id_of(network: NetworkForTests, till: Till) -> str:
    keys = network.hq("GET", "/v1/keys").json["keys"]
    return next(k["key_id"] for k in keys if k["terminal_id"] == ids.show(ids.TERMINAL, till.terminal_id))


def listed(network: NetworkForTests, key_id: str) -> dict[str, Any]:
    return next(key for key in network.hq("GET", "/v1/keys").json["keys"] if key["key_id"] == key_id)


def with_key(till: Till, key: str) -> Till:
    return replace(till, key=key)


def forget(network: NetworkForTests) -> None:
    """As after the seconds for which a worker trusts what it read of a key."""
    network.app.extensions["principals"].clear()


def set_column(network: NetworkForTests, key_id: str, name: str, value: Any) -> None:
    with unit_of_work(network.tenant_id) as session:
        credential = session.get(Credential, (network.tenant_id, ids.parse(ids.KEY, key_id)))
        assert credential is not None
        setattr(credential, name, value)


def test_both_keys_work_during_the_overlap(network: NetworkForTests, till: Till, card: str) -> None:
    old_id = key_id_of(network, till)

    answer = network.hq("POST", f"/v1/keys/{old_id}/rotate")

    new, old = answer.json["new_key"], answer.json["old_key"]
    assert answer.status_code == 201
    assert till.accrue(card, 100).status_code == 201
    assert with_key(till, new["key"]).accrue(card, 100).json["store"] == "A"
    assert (new["replaces"], new["expires_at"], old["key_id"]) == (old_id, None, old_id)
    for field in ("role", "terminal_id", "label", "scopes", "rate_limit"):
        assert new[field] == old[field]
    ends_in = datetime.fromisoformat(old["expires_at"]) - clock.now()
    assert timedelta(hours=23) < ends_in <= timedelta(hours=24)
    assert listed(network, old_id)["expires_at"] == old["expires_at"]
    assert listed(network, new["key_id"])["replaces"] == old_id


def test_the_new_key_keeps_scopes_and_rate(network: NetworkForTests, till: Till) -> None:
    terminal = ids.show(ids.TERMINAL, till.terminal_id)
    terms = {"label": "kiosk", "scopes": ["read"], "rate_limit": 7}
    made = network.hq("POST", f"/v1/terminals/{terminal}/keys", terms).json

    new = network.hq("POST", f"/v1/keys/{made['key_id']}/rotate", {"overlap_hours": 1}).json["new_key"]

    assert {name: new[name] for name in terms} == terms


def test_without_an_overlap_the_old_key_is_dead_for_whoever_looks_it_up(
    network: NetworkForTests, till: Till, card: str, settings: Settings
) -> None:
    old_id = key_id_of(network, till)

    new = network.hq("POST", f"/v1/keys/{old_id}/rotate", {"overlap_hours": 0}).json["new_key"]

    forget(network)
    refused = till.accrue(card, 100)
    assert (refused.status_code, refused.json["code"]) == (401, "unauthenticated")
    assert with_key(till, new["key"]).accrue(card, 100).status_code == 201
    with running(settings) as second:
        assert (
            Till(second.test_client(), till.key, "", till.store_id, till.terminal_id).accrue(card, 1).status_code
            == 401
        )


def test_a_worker_trusts_no_key_beyond_its_end(network: NetworkForTests, till: Till, card: str) -> None:
    old_id = ids.parse(ids.KEY, key_id_of(network, till))
    _, _, old = rotate_credential(network.tenant_id, old_id, timedelta(seconds=1))
    assert till.accrue(card, 100).status_code == 201

    while clock.now() <= old.expires_at:
        time.sleep(0.01)

    assert till.accrue(card, 100).status_code == 401


def test_a_key_ends_when_it_was_told_to(network: NetworkForTests) -> None:
    ends = datetime.now(UTC) + timedelta(days=30)

    made = network.hq("POST", "/v1/keys", {"label": "auditor", "expires_at": ends.isoformat()})

    assert made.json["expires_at"] == ends.isoformat(timespec="seconds")
    headers = {"Authorization": f"Bearer {made.json['key']}"}
    client = network.app.test_client()
    assert client.get("/v1/network", headers=headers).status_code == 200
    set_column(network, made.json["key_id"], "expires_at", clock.now())
    forget(network)
    assert client.get("/v1/network", headers=headers).status_code == 401


def test_rotating_never_prolongs_the_old_key(network: NetworkForTests) -> None:
    ends = (datetime.now(UTC) + timedelta(hours=2)).isoformat(timespec="seconds")
    made = network.hq("POST", "/v1/keys", {"label": "short", "expires_at": ends}).json

    rotated = network.hq("POST", f"/v1/keys/{made['key_id']}/rotate", {"overlap_hours": 168}).json

    assert rotated["old_key"]["expires_at"] == ends


def test_a_key_that_has_ended_or_was_replaced_is_not_rotated(network: NetworkForTests, till: Till) -> None:
    replaced = key_id_of(network, till)
    successor = network.hq("POST", f"/v1/keys/{replaced}/rotate").json["new_key"]
    revoked = network.hq("POST", "/v1/keys", {"label": "x"}).json["key_id"]
    network.hq("POST", f"/v1/keys/{revoked}/revoke")
    expired = network.hq("POST", "/v1/keys", {"label": "x"}).json["key_id"]
    set_column(network, expired, "expires_at", clock.now())

    answers = [network.hq("POST", f"/v1/keys/{key_id}/rotate") for key_id in (replaced, revoked, expired, NOBODYS)]

    assert [(answer.status_code, answer.json["code"]) for answer in answers] == [
        (409, "key_replaced"),
        (409, "key_revoked"),
        (409, "key_expired"),
        (404, "key_unknown"),
    ]
    assert answers[0].json["key_id"] == successor["key_id"]
    assert network.hq("POST", f"/v1/keys/{successor['key_id']}/rotate").status_code == 201
    for key_id in (revoked, expired):
        assert network.hq("PATCH", f"/v1/keys/{key_id}", {"rate_limit": 5}).status_code == 409


def test_the_key_of_a_closed_stores_terminal_is_not_rotated(network: NetworkForTests, till: Till) -> None:
    key_id = key_id_of(network, till)
    network.hq("POST", "/v1/stores/A/close")

    answer = network.hq("POST", f"/v1/keys/{key_id}/rotate")

    assert (answer.status_code, answer.json["code"]) == (409, "store_closed")


def test_of_many_who_rotate_a_key_at_once_one_gets_the_new_one(network: NetworkForTests, till: Till) -> None:
    key_id = key_id_of(network, till)

    def rotate(_: int) -> int:
        return network.hq("POST", f"/v1/keys/{key_id}/rotate").status_code

    with ThreadPoolExecutor(4) as pool:
        statuses = sorted(pool.map(rotate, range(4)))

    assert statuses == [201, 409, 409, 409]
    assert [key["replaces"] for key in network.hq("GET", "/v1/keys").json["keys"]].count(key_id) == 1


BAD_BODIES = [
    ("POST", "rotate", {"overlap_hours": -1}, "overlap_hours"),
    ("POST", "rotate", {"overlap_hours": 169}, "overlap_hours"),
    ("POST", "rotate", {"overlap_hours": 1.5}, "overlap_hours"),
    ("POST", "rotate", {"overlap_hours": "24"}, "overlap_hours"),
    ("POST", "rotate", {"overlap_hours": None}, "overlap_hours"),
    ("POST", "rotate", {"label": "x"}, "label"),
    ("PATCH", "", {}, "rate_limit"),
    ("PATCH", "", {"rate_limit": 0}, "rate_limit"),
    ("PATCH", "", {"rate_limit": 1001}, "rate_limit"),
    ("PATCH", "", {"rate_limit": 1.5}, "rate_limit"),
    ("PATCH", "", {"rate_limit": True}, "rate_limit"),
    ("PATCH", "", {"rate_limit": "5"}, "rate_limit"),
    ("PATCH", "", {"rate_limit": 5, "scopes": ["read"]}, "scopes"),
]


@pytest.mark.parametrize(("method", "action", "body", "field"), BAD_BODIES)
def test_bad_input_changes_no_key(
    network: NetworkForTests, till: Till, method: str, action: str, body: dict[str, Any], field: str
) -> None:
    key_id = key_id_of(network, till)
    before = network.hq("GET", "/v1/keys").json

    answer = network.hq(method, f"/v1/keys/{key_id}/{action}".rstrip("/"), body)

    assert (answer.status_code, answer.json["code"]) == (422, "invalid_input")
    assert field in answer.json["errors"]
    assert network.hq("GET", "/v1/keys").json == before


@pytest.mark.parametrize(
    ("expires_at", "code"),
    [
        ("2020-01-01T00:00:00Z", "invalid_expires_at"),
        ("2999-01-01T00:00:00Z", "invalid_expires_at"),
        ("9999-12-31T23:59:59-14:00", "invalid_expires_at"),
        ("0001-01-01T00:00:00+14:00", "invalid_expires_at"),
        ("2027-01-01T00:00:00", "invalid_input"),
        ("soon", "invalid_input"),
        (None, "invalid_input"),
        (5, "invalid_input"),
    ],
)
def test_an_end_that_can_not_be_is_refused(network: NetworkForTests, expires_at: Any, code: str) -> None:
    answer = network.hq("POST", "/v1/keys", {"label": "x", "expires_at": expires_at})

    assert (answer.status_code, answer.json["code"]) == (422, code)
    assert len(network.hq("GET", "/v1/keys").json["keys"]) == 4


def test_a_key_tells_when_it_was_last_used(network: NetworkForTests, till: Till, card: str) -> None:
    key_id = key_id_of(network, till)
    assert listed(network, key_id)["last_used_at"] is None

    till.accrue(card, 100)
    first = listed(network, key_id)["last_used_at"]
    forget(network)
    till.accrue(card, 100)
    second = listed(network, key_id)["last_used_at"]
    set_column(network, key_id, "last_used_at", clock.now() - timedelta(minutes=2))
    forget(network)
    till.accrue(card, 100)
    third = listed(network, key_id)["last_used_at"]

    assert first == second
    assert first <= third
    assert clock.now() - datetime.fromisoformat(third) < timedelta(minutes=1)


def test_a_refused_key_was_not_used(network: NetworkForTests, till: Till, card: str) -> None:
    key_id = key_id_of(network, till)
    network.hq("POST", f"/v1/keys/{key_id}/revoke")

    assert till.accrue(card, 100).status_code == 401
    assert listed(network, key_id)["last_used_at"] is None


def test_a_till_does_not_wait_for_somebody_who_is_changing_its_key(
    network: NetworkForTests, till: Till, card: str
) -> None:
    """It would wait for ever here: the change ends only after the till has its answer."""
    lock = text("SELECT 1 FROM tenants.credentials WHERE terminal_id = :terminal FOR UPDATE")

    def accrue() -> int:
        return till.accrue(card, 100).status_code

    with ThreadPoolExecutor(1) as pool, unit_of_work(network.tenant_id) as session:
        session.execute(lock, {"terminal": till.terminal_id})

        assert pool.submit(accrue).result() == 201


def test_no_key_gets_into_the_log(
    network: NetworkForTests, till: Till, card: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    key_id = key_id_of(network, till)

    made = network.hq("POST", "/v1/keys", {"label": "x", "scopes": ["read"]}).json["key"]
    rotated = network.hq("POST", f"/v1/keys/{key_id}/rotate").json["new_key"]["key"]
    with_key(till, rotated).accrue(card, 100)
    with_key(till, made).accrue(card, 100)
    with_key(till, rotated + "x").accrue(card, 100)
    with_key(till, rotated[:-4] + "AAAA").accrue(card, 100)

    for key in (made, rotated, till.key, network.hq_key):
        assert key[-48:] not in caplog.text
