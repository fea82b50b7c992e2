"""The interface is what /openapi.json says it is."""

from __future__ import annotations

import re
from typing import Any

import pytest
from apiflask import APIFlask
from marshmallow import RAISE
from werkzeug.test import TestResponse

from settlement.windows.service import close_month
from tenants.foundation import ids
from tenants.foundation.months import parse_month
from tests.conftest import NetworkForTests

UNDOCUMENTED = ("/static/", "/openapi.json", "/docs/")


@pytest.fixture
def document(app: APIFlask) -> dict[str, Any]:
    answer = app.test_client().get("/openapi.json")
    assert answer.status_code == 200
    return answer.json


def routes(app: APIFlask) -> set[tuple[str, str]]:
    """(method, path) with parameters spelt as OpenAPI spells them."""
    return {
        (method.lower(), re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if not rule.rule.startswith(UNDOCUMENTED)
    }


def operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    methods = {"get", "post", "put", "patch", "delete"}
    return {
        (method, path): operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in methods
    }


def test_the_document_is_openapi_3_1(document: dict[str, Any]) -> None:
    assert re.fullmatch(r"3\.1\.\d+", document["openapi"])
    assert document["info"]["title"] and document["info"]["version"]


def test_every_route_is_documented(app: APIFlask, document: dict[str, Any]) -> None:
    assert routes(app) == operations(document).keys()
    assert len(routes(app)) >= 30


def test_every_operation_has_a_summary_and_every_one_under_v1_says_which_key_it_needs(
    document: dict[str, Any],
) -> None:
    schemes = document["components"]["securitySchemes"]
    for (method, path), operation in operations(document).items():
        assert operation.get("summary"), (method, path)
        if path.startswith("/v1/"):
            names = {name for requirement in operation["security"] for name in requirement}
            assert names and names <= schemes.keys(), (method, path)


def test_operations_name_the_scopes_that_allow_them(document: dict[str, Any]) -> None:
    paths = document["paths"]

    assert paths["/v1/accruals"]["post"]["security"] == [{"terminal": ["accrue"]}]
    assert paths["/v1/cards/{number}"]["get"]["security"] == [{"terminal": ["read"]}, {"hq": ["read"]}]
    assert paths["/v1/stores"]["get"]["security"] == [{"hq": ["read"]}, {"hq": ["directory"]}]


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    references = set(re.findall(r"'\$ref': '([^']+)'", str(document)))

    assert references
    for reference in references:
        found: Any = document
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]


def test_the_body_of_a_posting_says_what_is_required(document: dict[str, Any]) -> None:
    for path, required in {
        "/v1/accruals": {"order_ref", "amount"},
        "/v1/redemptions": {"card", "order_ref"},
        "/v1/batches": {"events"},
    }.items():
        operation = document["paths"][path]["post"]
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        name = schema["$ref"].rpartition("/")[2]
        assert set(document["components"]["schemas"][name]["required"]) == required


def test_postings_document_their_idempotency_key(document: dict[str, Any]) -> None:
    for path in ("/v1/accruals", "/v1/redemptions", "/v1/reversals"):
        headers = [p for p in document["paths"][path]["post"]["parameters"] if p["in"] == "header"]
        assert [(header["name"], header["required"]) for header in headers] == [("Idempotency-Key", True)]


def assert_conforms(app: APIFlask, method: str, rule: str, answer: TestResponse) -> None:
    """The answer holds every field of its schema, of its type, and no other."""
    [found] = [r for r in app.url_map.iter_rules() if r.rule == rule and method in r.methods]
    documented = app.view_functions[found.endpoint]._spec["response"]
    assert answer.status_code == documented["status_code"], answer.data
    assert answer.content_type == "application/json"
    documented["schema"].load(answer.json, unknown=RAISE)
    assert set(answer.json) >= set(documented["schema"].fields) - optional(documented["schema"].fields)


def optional(fields: dict[str, Any]) -> set[str]:
    return {name for name, field in fields.items() if field.metadata.get("optional")}


def test_the_answers_to_a_till_conform_to_their_schemas(app: APIFlask, network: NetworkForTests, card: str) -> None:
    till = network.tills["A"]
    sale = till.accrue(card, 10000)
    redemption = till.redeem(card, 10)
    event = {"kind": "redemption", "idempotency_key": "k", "card": card, "order_ref": "b", "points": 5}

    assert_conforms(app, "POST", "/v1/accruals", sale)
    assert_conforms(app, "POST", "/v1/redemptions", redemption)
    assert_conforms(app, "POST", "/v1/reversals", till.reverse(redemption.json["transfer_id"]))
    batch = till.call("POST", "/v1/batches", {"events": [event, event, {}]})
    assert_conforms(app, "POST", "/v1/batches", batch)
    numbered = {"events": [{**event, "sequence": 3}], "last_sequence": 5, "sent_at": "2026-01-01T00:00:00Z"}
    assert_conforms(app, "POST", "/v1/batches", till.call("POST", "/v1/batches", numbered))
    assert_conforms(app, "GET", "/v1/sequences", till.call("GET", "/v1/sequences"))
    assert_conforms(app, "GET", "/v1/cards/<number>", till.call("GET", f"/v1/cards/{card}"))
    empty = network.add_card()
    assert_conforms(app, "GET", "/v1/cards/<number>", till.call("GET", f"/v1/cards/{empty}"))
    assert_conforms(app, "GET", "/v1/transfers", till.call("GET", "/v1/transfers"))
    assert_conforms(app, "GET", "/v1/transfers", network.hq("GET", "/v1/transfers?limit=1"))


def test_the_answers_about_a_day_conform_to_their_schemas(app: APIFlask, network: NetworkForTests, card: str) -> None:
    till = network.tills["A"]
    till.accrue(card, 10000, occurred_at="2026-03-10T12:00:00Z")
    nothing = {"count": 0, "points": 0, "amount": 0}
    close = {
        "business_date": "2026-03-10",
        "totals": dict.fromkeys(("accruals", "redemptions", "reversals"), nothing),
    }
    day = f"/v1/day-closes/{ids.show(ids.TERMINAL, till.terminal_id)}/2026-03-10"
    rule = "/v1/day-closes/<terminal_id>/<business_date>"

    assert_conforms(app, "POST", "/v1/day-closes", till.call("POST", "/v1/day-closes", close))
    assert_conforms(app, "POST", "/v1/day-closes", till.call("POST", "/v1/day-closes", {**close, "entries": []}))
    accepted = network.hq("POST", f"{day}/acceptance", {"reason": "looked into"})
    assert_conforms(app, "POST", f"{rule}/acceptance", accepted)
    assert_conforms(app, "GET", rule, till.call("GET", day))
    listed = network.hq("GET", "/v1/day-closes?from=2026-03-01&to=2026-03-31")
    assert len(listed.json["day_closes"]) == 1
    assert_conforms(app, "GET", "/v1/day-closes", listed)


def test_the_answers_to_head_office_conform_to_their_schemas(
    app: APIFlask, network: NetworkForTests, card: str
) -> None:
    network.tills["A"].accrue(card, 10000, occurred_at="2026-01-10T12:00:00Z")
    network.tills["B"].redeem(card, 10, occurred_at="2026-01-11T12:00:00Z")
    close_month(network.tenant_id, parse_month("2026-01"), "test")

    for rule in (
        "/v1/network",
        "/v1/participants",
        "/v1/stores",
        "/v1/keys",
        "/v1/members",
        "/v1/programme/versions",
        "/v1/settlement/windows",
    ):
        assert_conforms(app, "GET", rule, network.hq("GET", rule))
    key = network.hq("POST", "/v1/keys", {"label": "x", "rate_limit": 5})
    assert_conforms(app, "POST", "/v1/keys", key)
    path = f"/v1/keys/{key.json['key_id']}"
    assert_conforms(app, "POST", "/v1/keys/<key_id>/rotate", network.hq("POST", f"{path}/rotate"))
    assert_conforms(app, "PATCH", "/v1/keys/<key_id>", network.hq("PATCH", path, {"rate_limit": None}))
    assert_conforms(app, "POST", "/v1/keys/<key_id>/revoke", network.hq("POST", f"{path}/revoke"))
    sequence = network.hq("GET", f"/v1/terminals/{ids.show(ids.TERMINAL, network.tills['A'].terminal_id)}/sequence")
    assert_conforms(app, "GET", "/v1/terminals/<terminal_id>/sequence", sequence)
    store = network.hq("GET", "/v1/stores/A")
    assert_conforms(app, "GET", "/v1/stores/<code>", store)
    assert_conforms(app, "GET", "/v1/stores/<code>/terminals", network.hq("GET", "/v1/stores/A/terminals"))
    for part in ("", "/positions", "/flows"):
        answer = network.hq("GET", f"/v1/settlement/windows/2026-01{part}")
        assert_conforms(app, "GET", f"/v1/settlement/windows/<month>{part}", answer)
    closed = network.hq("POST", "/v1/settlement/windows/2026-02/close")
    assert_conforms(app, "POST", "/v1/settlement/windows/<month>/close", closed)


def test_the_page_for_people_loads_everything_from_here(app: APIFlask) -> None:
    client = app.test_client()

    page = client.get("/docs/")

    html = page.get_data(as_text=True)
    assert page.status_code == 200
    assert "/openapi.json" in html
    assert set(re.findall(r"(?:https?:)?//([\w-]+(?:\.[\w-]+)*)/", html)) <= {"localhost"}
    files = re.findall(r'(?:src|href)="([^"]+)"', html)
    assert files
    for path in files:
        with client.get(path) as answer:
            assert answer.status_code == 200, path


def test_the_page_for_people_does_not_have_the_document_checked_elsewhere(app: APIFlask) -> None:
    """Swagger UI asks validator.swagger.io for a badge unless it is told not to."""
    html = app.test_client().get("/docs/").get_data(as_text=True)

    assert re.search(r'"validatorUrl": (null|"none"|"")', html)
