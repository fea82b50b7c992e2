"""The calls about cards answer what /openapi.json says, and nothing of another network."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

from apiflask import APIFlask

from tests.conftest import NetworkForTests, Till
from tests.pos.test_openapi import assert_conforms


def test_the_answers_about_cards_conform_to_their_schemas(
    app: APIFlask, network: NetworkForTests, till: Till, card: str
) -> None:
    headers = {"Authorization": f"Bearer {network.hq_key}", "Idempotency-Key": str(uuid4())}
    batch = app.test_client().post("/v1/card-batches", json={"count": 1, "label": "x"}, headers=headers)
    path = f"/v1/cards/{card}"
    token = {"token": "tok_12345678"}

    assert_conforms(app, "POST", "/v1/card-batches", batch)
    assert_conforms(app, "GET", "/v1/card-batches", network.hq("GET", "/v1/card-batches"))
    shown = network.hq("GET", f"/v1/card-batches/{batch.json['batch_id']}")
    assert_conforms(app, "GET", "/v1/card-batches/<batch_id>", shown)
    rule = "/v1/cards/<number>"
    registered = till.call("POST", f"{path}/registration", {"name": "Ada"})
    assert_conforms(app, "POST", f"{rule}/registration", registered)
    member = network.hq("PATCH", f"/v1/members/{registered.json['member_id']}", {"name": "Ada King"})
    assert_conforms(app, "PATCH", "/v1/members/<member_id>", member)
    assert_conforms(app, "POST", f"{rule}/payment-tokens", till.call("POST", f"{path}/payment-tokens", token))
    assert_conforms(app, "GET", f"{rule}/payment-tokens", till.call("GET", f"{path}/payment-tokens"))
    unbound = till.call("POST", f"{path}/payment-tokens/unbind", token)
    assert_conforms(app, "POST", f"{rule}/payment-tokens/unbind", unbound)
    assert_conforms(app, "GET", f"{rule}/changes", network.hq("GET", f"{path}/changes"))


def test_nobody_without_a_key_of_the_network_calls_them(
    app: APIFlask, card: str, make_network: Callable[..., NetworkForTests]
) -> None:
    stranger, client = make_network(), app.test_client()
    calls = [
        ("GET", "changes", None),
        ("GET", "payment-tokens", None),
        ("POST", "payment-tokens", {"token": "tok_12345678"}),
        ("POST", "payment-tokens/unbind", {"token": "tok_12345678"}),
        ("POST", "registration", {"name": "Eve"}),
    ]
    for method, part, body in calls:
        path = f"/v1/cards/{card}/{part}"

        assert client.open(path, method=method, json=body).status_code == 401
        assert stranger.hq(method, path, body).json["code"] == "card_unknown"
