"""A head office key of one network, tried on everything of another."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tenants.foundation import ids
from tests.conftest import NetworkForTests
from tests.directory.routes import ROUTES, a_path

BODIES = {
    "/v1/stores/<code>/terminals": {"code": "2"},
    "/v1/keys/<key_id>": {"rate_limit": 5},
    "/v1/members/<member_id>": {"name": "Ada"},
    "/v1/staff/<code>/roles": {"roles": ["auditor"]},
}


@pytest.fixture
def stranger(make_network: Callable[..., NetworkForTests]) -> NetworkForTests:
    return make_network()


@pytest.fixture
def values(network: NetworkForTests, card: str) -> dict[str, str]:
    """An id of the network for each parameter of a route."""
    members = network.hq("GET", "/v1/members").json["members"]
    keys = network.hq("GET", "/v1/keys").json["keys"]
    # Named as the store is: `code` is a parameter of both.
    network.add_staff("A", "auditor")
    return {
        "code": "A",
        "terminal_id": ids.show(ids.TERMINAL, network.tills["A"].terminal_id),
        "key_id": keys[0]["key_id"],
        "member_id": members[0]["member_id"],
        "number": card,
    }


@pytest.mark.parametrize(("method", "rule"), [route for route in ROUTES if "<" in route[1]])
def test_a_stranger_finds_no_id_of_another_network(
    stranger: NetworkForTests, values: dict[str, str], method: str, rule: str
) -> None:
    answer = stranger.hq(method, a_path(rule, values), BODIES.get(rule))

    assert answer.status_code == 404, answer.json
    assert answer.json["code"].endswith("_unknown")


@pytest.mark.parametrize("rule", [rule for method, rule in ROUTES if method == "GET" and "<" not in rule])
def test_a_stranger_sees_nothing_of_another_network(
    network: NetworkForTests, stranger: NetworkForTests, values: dict[str, str], rule: str
) -> None:
    secrets = [network.code, *values.values()]
    secrets.remove("A")

    answer = stranger.hq("GET", rule)

    assert answer.status_code == 200
    assert not [secret for secret in secrets if secret in answer.text]


@pytest.mark.parametrize("path", ["/v1/participants", "/v1/stores", "/v1/members"])
def test_the_lists_of_a_new_network_are_empty_whatever_others_have(
    network: NetworkForTests, stranger: NetworkForTests, path: str
) -> None:
    name = path.rsplit("/", 1)[1]

    assert stranger.hq("GET", path).json == {name: [], "next_cursor": None}
    assert network.hq("GET", path).json[name] or name == "members"


def test_a_stranger_changes_nothing(
    network: NetworkForTests, stranger: NetworkForTests, values: dict[str, str], card: str
) -> None:
    for action in ("block", "replace"):
        stranger.hq("POST", f"/v1/cards/{card}/{action}")
    stranger.hq("POST", f"/v1/keys/{values['key_id']}/revoke")
    stranger.hq("POST", "/v1/stores/A/close")

    assert network.hq("GET", f"/v1/cards/{card}").json["status"] == "active"
    assert network.hq("GET", "/v1/stores/A").json["status"] == "active"
    assert not [key for key in network.hq("GET", "/v1/keys").json["keys"] if key["revoked_at"]]


def test_a_stranger_can_not_go_on_from_another_networks_cursor(
    stranger: NetworkForTests, values: dict[str, str]
) -> None:
    answer = stranger.hq("GET", f"/v1/keys?cursor={values['key_id']}")

    assert answer.status_code == 200
    assert values["key_id"] not in answer.text
