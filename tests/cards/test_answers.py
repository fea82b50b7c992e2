"""The calls about cards answer nothing of another network."""

from __future__ import annotations

from collections.abc import Callable

from apiflask import APIFlask

from tests.conftest import NetworkForTests


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
