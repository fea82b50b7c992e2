"""The interface is what /openapi.json says it is."""

from __future__ import annotations

import re
from typing import Any

import pytest
from apiflask import APIFlask

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
    assert paths["/v1/cards/{number}"]["get"]["security"] == [
        {"terminal": ["read"]},
        {"hq": ["read"]},
        {"staff": ["read"]},
    ]
    assert paths["/v1/stores"]["get"]["security"] == [{"hq": ["read"]}, {"hq": ["directory"]}, {"staff": ["read"]}]
    assert paths["/v1/stores"]["post"]["security"] == [{"hq": ["directory"]}]


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


def test_every_operation_documents_how_it_is_refused(document: dict[str, Any]) -> None:
    for (method, path), operation in operations(document).items():
        statuses = set(operation["responses"])
        assert "422" in statuses, (method, path)
        if "security" in operation:
            assert {"401", "403", "429", "503"} <= statuses, (method, path)


def test_a_call_that_names_something_may_not_find_it(document: dict[str, Any]) -> None:
    for method, path in (("post", "/v1/redemptions"), ("post", "/v1/stores"), ("get", "/v1/cards/{number}")):
        assert "404" in document["paths"][path][method]["responses"]


def test_files_are_documented_with_their_kind(document: dict[str, Any]) -> None:
    for path, kinds in {
        "/v1/card-batches/{batch_id}/cards.csv": {"text/csv"},
        "/v1/card-batches/{batch_id}/cards.pdf": {"application/pdf"},
        "/v1/members/{member_id}/wallet/code.svg": {"image/svg+xml"},
        "/v1/settlement/windows/{month}/exports/{name}": {
            "text/csv",
            "application/pdf",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        },
        "/v1/settlement/windows/{month}/statements/{store}": {"application/pdf"},
    }.items():
        assert document["paths"][path]["get"]["responses"]["200"]["content"].keys() == kinds


def test_the_document_does_not_depend_on_who_asked_for_it_first(app: APIFlask) -> None:
    answer = app.test_client().get("/openapi.json", headers={"Host": "elsewhere.example"})

    assert "elsewhere.example" not in answer.get_data(as_text=True)


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
