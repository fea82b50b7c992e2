from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.conftest import NetworkForTests, a_card_number
from tests.directory.routes import ROUTES

NOBODY = "mem_01h455vb4pex5vsknk084sn02q"


def tomorrow() -> str:
    return (datetime.now(UTC) + timedelta(days=1)).isoformat()


def version(**overrides: Any) -> dict[str, Any]:
    fields = {"base_rate": "2", "redemption_value": "50", "expiry_policy": "P90D", **overrides}
    return {"effective_from": tomorrow(), **fields}


def test_head_office_sees_how_its_network_is_set_up(network: NetworkForTests) -> None:
    shown = network.hq("GET", "/v1/network").json

    assert shown["network_id"].startswith("net_")
    assert (shown["code"], shown["currency"], shown["time_zone"]) == (network.code, "USD", "UTC")
    assert shown["opened_on"] == "2026-01-01"


def test_a_store_without_an_owner_is_a_participant_of_its_own(network: NetworkForTests) -> None:
    made = network.hq("POST", "/v1/stores", {"code": "D", "name": "Dune"})
    participants = network.hq("GET", "/v1/participants").json["participants"]

    assert made.status_code == 201
    assert made.json["participant"] == "D"
    assert ("D", "Dune") in [(p["code"], p["name"]) for p in participants]


def test_stores_may_share_a_participant(network: NetworkForTests) -> None:
    network.hq("POST", "/v1/participants", {"code": "acme", "name": "Acme LLC"})

    for code in ("D", "E"):
        network.hq("POST", "/v1/stores", {"code": code, "name": code, "participant": "acme"})
        assert network.hq("GET", f"/v1/stores/{code}").json["participant"] == "acme"


def test_a_member_is_found_by_the_networks_own_reference(network: NetworkForTests) -> None:
    network.hq("POST", "/v1/members")
    ada = network.hq("POST", "/v1/members", {"reference": "M-1", "name": "Ada"}).json

    assert network.hq("GET", "/v1/members?reference=M-1").json["members"] == [ada]
    assert network.hq("GET", "/v1/members?reference=M-2").json["members"] == []


DUPLICATES = [
    ("/v1/participants", {"code": "A", "name": "again"}, "participant_exists"),
    ("/v1/stores", {"code": "A", "name": "again"}, "store_exists"),
    ("/v1/stores/A/terminals", {"code": "1"}, "terminal_exists"),
]


@pytest.mark.parametrize(("path", "body", "code"), DUPLICATES)
def test_a_code_is_used_once(network: NetworkForTests, path: str, body: dict[str, str], code: str) -> None:
    answer = network.hq("POST", path, body)

    assert (answer.status_code, answer.json["code"]) == (409, code)


def test_a_member_reference_is_used_once(network: NetworkForTests) -> None:
    network.hq("POST", "/v1/members", {"reference": "M-1"})
    answer = network.hq("POST", "/v1/members", {"reference": "M-1"})

    assert (answer.status_code, answer.json["code"]) == (409, "member_exists")


def test_the_same_terminal_code_may_be_used_in_every_store(network: NetworkForTests) -> None:
    assert network.hq("POST", "/v1/stores/A/terminals", {"code": "2"}).status_code == 201
    assert network.hq("POST", "/v1/stores/B/terminals", {"code": "2"}).status_code == 201


UNKNOWN = [
    ("GET", "/v1/stores/Z", None, "store_unknown"),
    ("POST", "/v1/stores/Z/close", None, "store_unknown"),
    ("GET", "/v1/stores/Z/terminals", None, "store_unknown"),
    ("POST", "/v1/stores/Z/terminals", {"code": "1"}, "store_unknown"),
    ("POST", "/v1/stores", {"code": "D", "name": "D", "participant": "Z"}, "participant_unknown"),
    ("POST", "/v1/terminals/trm_01h455vb4pex5vsknk084sn02q/keys", None, "terminal_unknown"),
    ("POST", "/v1/keys/key_01h455vb4pex5vsknk084sn02q/revoke", None, "key_unknown"),
    ("GET", f"/v1/members/{NOBODY}", None, "member_unknown"),
    ("POST", f"/v1/members/{NOBODY}/cards", None, "member_unknown"),
    ("POST", "/v1/cards/79927398713/block", None, "card_unknown"),
]


@pytest.mark.parametrize(("method", "path", "body", "code"), UNKNOWN)
def test_what_does_not_exist_is_not_found(
    network: NetworkForTests, method: str, path: str, body: Any, code: str
) -> None:
    answer = network.hq(method, path, body)

    assert (answer.status_code, answer.json["code"]) == (404, code)


BAD_BODIES = [
    ("/v1/stores", {}, "code"),
    ("/v1/stores", {"code": "", "name": "x"}, "code"),
    ("/v1/stores", {"code": "x" * 41, "name": "x"}, "code"),
    ("/v1/stores", {"code": "a/b", "name": "x"}, "code"),
    ("/v1/stores", {"code": "a\n", "name": "x"}, "code"),
    ("/v1/stores", {"code": 1, "name": "x"}, "code"),
    ("/v1/stores", {"code": "x", "name": ""}, "name"),
    ("/v1/stores", {"code": "x", "name": "  "}, "name"),
    ("/v1/stores", {"code": "x", "name": "x" * 201}, "name"),
    ("/v1/stores", {"code": "x", "name": "a\x00b"}, "name"),
    ("/v1/stores", {"code": "x", "name": "line\n"}, "name"),
    ("/v1/stores", {"code": "x", "name": None}, "name"),
    ("/v1/stores", {"code": "x", "name": "x", "colour": "red"}, "colour"),
    ("/v1/participants", {"code": "x y", "name": "x"}, "code"),
    ("/v1/stores/A/terminals", {"code": "é"}, "code"),
    ("/v1/keys", {"label": "\t"}, "label"),
    ("/v1/members", {"reference": ""}, "reference"),
    ("/v1/members", {"reference": "x" * 65}, "reference"),
    ("/v1/programme/versions", version(base_rate="-1"), "base_rate"),
    ("/v1/programme/versions", version(base_rate="NaN"), "base_rate"),
    ("/v1/programme/versions", version(base_rate="1000000"), "base_rate"),
    ("/v1/programme/versions", version(redemption_value="0.0000001"), "redemption_value"),
    ("/v1/programme/versions", version(effective_from="2030-01-01T00:00:00"), "effective_from"),
    ("/v1/programme/versions", version(effective_from="9999-12-31T23:00:00-05:00"), "effective_from"),
]


@pytest.mark.parametrize(("path", "body", "field"), BAD_BODIES)
def test_bad_input_is_refused_and_names_the_field(
    network: NetworkForTests, path: str, body: dict[str, Any], field: str
) -> None:
    answer = network.hq("POST", path, body)

    assert answer.status_code == 422, answer.json
    assert answer.mimetype == "application/problem+json"
    assert answer.json["code"] == "invalid_input"
    assert field in answer.json["errors"]


BAD_PATHS = [
    ("GET", "/v1/stores/a%00b", "invalid_code"),
    ("POST", "/v1/stores/a%20b/close", "invalid_code"),
    ("GET", "/v1/members/mem_short", "invalid_id"),
    ("GET", "/v1/members/trm_01h455vb4pex5vsknk084sn02q", "invalid_id"),
    ("POST", "/v1/keys/5/revoke", "invalid_id"),
    ("POST", "/v1/cards/123/block", "card_number_invalid"),
    ("GET", "/v1/members?cursor=5", "invalid_id"),
    ("GET", "/v1/members?limit=501", "invalid_input"),
    ("GET", "/v1/stores?limit=0", "invalid_input"),
    ("GET", "/v1/stores?cursor=%00", "invalid_input"),
    ("GET", "/v1/members?reference=%00", "invalid_input"),
]


@pytest.mark.parametrize(("method", "path", "code"), BAD_PATHS)
def test_a_path_or_query_that_is_not_well_formed_is_refused(
    network: NetworkForTests, method: str, path: str, code: str
) -> None:
    answer = network.hq(method, path)

    assert (answer.status_code, answer.json["code"]) == (422, code)


@pytest.mark.parametrize("data", [b'{"\\ud800": 1}', b'{"name": "\\ud800"}'])
def test_half_a_surrogate_pair_is_refused(network: NetworkForTests, data: bytes) -> None:
    headers = {"Authorization": f"Bearer {network.hq_key}"}

    answer = network.app.test_client().post("/v1/members", data=data, headers=headers)

    assert (answer.status_code, answer.json["code"]) == (400, "invalid_json")


def test_two_who_add_the_same_store_at_once_get_one_store_and_conflicts(network: NetworkForTests) -> None:
    def add(code: str) -> int:
        return network.hq("POST", "/v1/stores", {"code": code, "name": "Raced"}).status_code

    for code in ("R1", "R2", "R3", "R4"):
        with ThreadPoolExecutor(4) as pool:
            statuses = sorted(pool.map(add, [code] * 4))

        assert statuses == [201, 409, 409, 409]


def test_two_who_replace_the_same_card_at_once_get_one_new_card(network: NetworkForTests, card: str) -> None:
    numbers = [a_card_number() for _ in range(4)]

    def replace(number: str) -> int:
        return network.hq("POST", f"/v1/cards/{card}/replace", {"number": number}).status_code

    with ThreadPoolExecutor(4) as pool:
        statuses = sorted(pool.map(replace, numbers))

    assert statuses == [201, 409, 409, 409]


PAGED = [
    ("/v1/stores", "stores", "code"),
    ("/v1/participants", "participants", "code"),
    ("/v1/stores/A/terminals", "terminals", "code"),
    ("/v1/members", "members", "member_id"),
    ("/v1/keys", "keys", "key_id"),
]


@pytest.mark.parametrize(("path", "name", "field"), PAGED)
def test_paging_gives_every_row_once_and_in_order(network: NetworkForTests, path: str, name: str, field: str) -> None:
    for number in range(4):
        network.hq("POST", "/v1/members")
        network.hq("POST", "/v1/stores/A/terminals", {"code": f"t{number}"})

    whole = network.hq("GET", path).json[name]
    paged: list[dict[str, Any]] = []
    cursor = ""
    while cursor is not None:
        page = network.hq("GET", f"{path}?limit=2{cursor and f'&cursor={cursor}'}").json
        assert len(page[name]) <= 2
        paged += page[name]
        cursor = page["next_cursor"]

    assert len(whole) >= 3
    assert paged == whole
    assert [row[field] for row in paged] == sorted(row[field] for row in whole)


def test_a_new_version_of_the_programme_is_announced(network: NetworkForTests) -> None:
    made = network.hq("POST", "/v1/programme/versions", version(base_rate="0.850000"))
    versions = network.hq("GET", "/v1/programme/versions").json["versions"]

    assert made.status_code == 201
    assert (made.json["version"], made.json["base_rate"]) == (2, "0.85")
    assert versions[1] == made.json
    assert [row["version"] for row in versions] == [1, 2]


BAD_VERSIONS = [
    (version(effective_from="2026-01-02T00:00:00Z"), "version_too_early"),
    (version(redemption_value="0"), "invalid_rate"),
    (version(expiry_policy="P6Y"), "invalid_expiry_policy"),
]


@pytest.mark.parametrize(("body", "code"), BAD_VERSIONS)
def test_a_version_that_could_not_be_applied_is_refused(
    network: NetworkForTests, body: dict[str, Any], code: str
) -> None:
    answer = network.hq("POST", "/v1/programme/versions", body)

    assert (answer.status_code, answer.json["code"]) == (422, code)


def test_openapi_names_each_tag_once(network: NetworkForTests) -> None:
    document = network.app.test_client().get("/openapi.json").json
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    used = {tag for operation in operations for tag in operation["tags"]}

    named = [tag["name"] for tag in document["tags"]]

    assert len(named) == len(set(named))
    assert used == set(named)


def test_openapi_describes_every_route_of_the_directory(network: NetworkForTests) -> None:
    """pytest makes an error of the warning that a schema is named twice."""
    paths = network.app.test_client().get("/openapi.json").json["paths"]

    for method, rule in ROUTES:
        documented = paths[rule.replace("<", "{").replace(">", "}")][method.lower()]
        assert documented["summary"]
        roles = {role for requirement in documented["security"] for role in requirement}
        assert roles == {"hq"} or (method == "GET" and roles == {"hq", "staff"})
