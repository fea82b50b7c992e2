from __future__ import annotations

import time
from dataclasses import replace

import pytest
from sqlalchemy import select

from tenants.credentials.tables import Credential
from tenants.foundation import ids
from tenants.foundation.config import Settings
from tenants.foundation.database import unit_of_work
from tests.conftest import NetworkForTests, Till
from tests.directory.routes import ROUTES, a_path
from tests.test_faults import running

DIES_WITHIN_SECONDS = 5.0


def terminal_id(till: Till) -> str:
    return ids.show(ids.TERMINAL, till.terminal_id)


def test_a_key_is_shown_once_and_only_its_hash_is_stored(network: NetworkForTests) -> None:
    made = network.hq("POST", "/v1/keys", {"label": "finance"})
    listed = network.hq("GET", "/v1/keys")

    key = made.json["key"]
    assert made.status_code == 201
    assert key not in listed.text
    assert made.json["key_id"] in listed.text
    with unit_of_work(network.tenant_id) as session:
        rows = session.execute(select(Credential.__table__)).all()
    assert len(rows) == 5
    assert key not in repr(rows) and key.removeprefix("hq_") not in repr(rows)


def test_a_key_made_for_a_terminal_posts_for_its_store(network: NetworkForTests, card: str) -> None:
    till = network.tills["B"]
    made = network.hq("POST", f"/v1/terminals/{terminal_id(till)}/keys")

    answer = Till(till.client, made.json["key"], "B", till.store_id, till.terminal_id).accrue(card, 500)

    assert made.json["role"] == "terminal"
    assert answer.status_code == 201
    assert answer.json["store"] == "B"


def test_a_further_head_office_key_works(network: NetworkForTests) -> None:
    network.hq_key = network.hq("POST", "/v1/keys", {"label": "second"}).json["key"]

    assert network.hq("GET", "/v1/network").json["code"] == network.code


def test_a_revoked_key_dies_within_seconds_on_every_worker(
    network: NetworkForTests, till: Till, card: str, settings: Settings
) -> None:
    with running(settings) as other:
        tills = [till, replace(till, client=other.test_client())]
        for worker in tills:
            assert worker.accrue(card, 100).status_code == 201
        revoke_and_wait(network, till)
        for worker in tills:
            assert worker.accrue(card, 100).status_code == 401
    assert network.tills["B"].accrue(card, 100).status_code == 201


def revoke_and_wait(network: NetworkForTests, till: Till) -> None:
    keys = network.hq("GET", "/v1/keys").json["keys"]
    [key_id] = [key["key_id"] for key in keys if key["terminal_id"] == terminal_id(till)]

    revoked = network.hq("POST", f"/v1/keys/{key_id}/revoke")
    again = network.hq("POST", f"/v1/keys/{key_id}/revoke")
    time.sleep(DIES_WITHIN_SECONDS)

    assert revoked.json["revoked_at"]
    assert again.json == revoked.json


def test_terminals_of_a_closed_store_are_refused(network: NetworkForTests, till: Till, card: str) -> None:
    closed = network.hq("POST", "/v1/stores/A/close")
    network.hq("POST", "/v1/stores/A/close")

    assert closed.json["status"] == "closed"
    assert till.accrue(card, 100).status_code == 401
    assert network.tills["B"].accrue(card, 100).status_code == 201


def test_a_closed_store_gets_neither_terminals_nor_keys(network: NetworkForTests, till: Till) -> None:
    network.hq("POST", "/v1/stores/A/close")

    answers = [
        network.hq("POST", "/v1/stores/A/terminals", {"code": "2"}),
        network.hq("POST", f"/v1/terminals/{terminal_id(till)}/keys"),
    ]

    assert [(answer.status_code, answer.json["code"]) for answer in answers] == [(409, "store_closed")] * 2


@pytest.mark.parametrize(("method", "rule"), ROUTES)
def test_a_terminal_key_is_refused_on_admin_routes(till: Till, method: str, rule: str) -> None:
    answer = till.call(method, a_path(rule))

    assert (answer.status_code, answer.json["code"]) == (403, "wrong_kind_of_key")


@pytest.mark.parametrize(("method", "rule"), ROUTES)
def test_admin_routes_need_a_key(network: NetworkForTests, method: str, rule: str) -> None:
    answer = network.app.test_client().open(a_path(rule), method=method)

    assert (answer.status_code, answer.json["code"]) == (401, "unauthenticated")
