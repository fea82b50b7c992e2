"""Whatever writes is entered, in the same transaction."""

from __future__ import annotations

from tests.conftest import NetworkForTests


def test_try(network: NetworkForTests) -> None:
    a = network.hq("POST", "/v1/stores", {"code": "D", "name": "Store D"})
    assert a.status_code == 201
    r = network.hq("GET", "/v1/audit?limit=3")
    print(r.json)
    print(network.hq("GET", "/v1/audit/verification").json)
    assert 0
