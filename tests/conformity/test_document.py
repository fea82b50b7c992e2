"""What /openapi.json says of refusals, headers and answers, whichever routes there are."""

from __future__ import annotations

from typing import Any

import pytest
from apiflask import APIBlueprint, APIFlask, Schema
from flask import Response
from marshmallow import fields, validate

from tenants.credentials.rules import HQ, READ, TERMINAL
from tenants.credentials.web import authenticated
from tenants.foundation.openapi import OptionalFields, complete_document, refusals, replays
from tenants.foundation.web import answer, body, query

KEYS = {401, 403, 429, 503}


class AskSchema(Schema):
    reference = fields.String(validate=validate.Regexp(r"[a-z]+\Z"))
    name = fields.String(metadata={"pattern": r"^[^\x00-\x1f\ud800-\udfff]+$"})


class ThingSchema(Schema):
    thing_id = fields.String()
    colour = fields.String(metadata={"optional": True})


class BothSchema(Schema):
    """Sent and answered."""

    size = fields.Integer()


things = APIBlueprint("things", __name__, url_prefix="/v1")


@things.get("/things")
@authenticated(HQ, scope=READ)
@query(AskSchema)
@things.output(ThingSchema)
def get_things(**_: Any) -> Response:
    """List"""
    return answer({})


@things.post("/things")
@authenticated(TERMINAL, HQ, scope=READ)
@body(AskSchema)
@things.output(ThingSchema, status_code=201)
@replays
def post_thing(**_: Any) -> Response:
    """Make"""
    return answer({})


@things.put("/things/<thing_id>")
@authenticated(HQ, scope=READ)
@body(BothSchema, optional=True)
@things.output(BothSchema)
def put_thing(**_: Any) -> Response:
    """Change"""
    return answer({})


@things.delete("/things/<int:thing_id>")
@refusals(also={500}, never={409})
@authenticated(HQ, scope=READ)
@things.output(ThingSchema)
def delete_thing(**_: Any) -> Response:
    """Remove"""
    return answer({})


@things.get("/open")
@things.output(ThingSchema)
def get_open() -> Response:
    """For everybody"""
    return answer({})


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    app = APIFlask("things", docs_path=None, spec_plugins=[OptionalFields()])
    app.config.update(
        OPENAPI_VERSION="3.1.0",
        AUTO_VALIDATION_ERROR_RESPONSE=False,
        AUTO_AUTH_ERROR_RESPONSE=False,
        AUTO_404_RESPONSE=False,
    )
    app.register_blueprint(things)
    app.spec_processor(lambda made: complete_document(app, made))
    return app.spec  # type: ignore[return-value]


CASES = [
    ("get", "/v1/things", {200, 422} | KEYS),
    ("post", "/v1/things", {201, 400, 409, 413, 422} | KEYS),
    ("put", "/v1/things/{thing_id}", {200, 400, 404, 409, 413, 422} | KEYS),
    ("delete", "/v1/things/{thing_id}", {200, 404, 422, 500} | KEYS),
    ("get", "/v1/open", {200, 422}),
]


@pytest.mark.parametrize(("method", "path", "statuses"), CASES)
def test_statuses_follow_from_key_body_path_and_method(
    document: dict[str, Any], method: str, path: str, statuses: set[int]
) -> None:
    responses = document["paths"][path][method]["responses"]

    assert {int(status) for status in responses} == statuses


def test_every_refusal_is_a_problem_document(document: dict[str, Any]) -> None:
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemSchema"}}}
    refused = document["components"]["responses"]

    assert len(refused) >= 10
    assert all(response["content"] == problem for response in refused.values())
    assert {"code", "detail", "status"} <= set(document["components"]["schemas"]["ProblemSchema"]["required"])


def test_headers_that_must_be_there_are_required(document: dict[str, Any]) -> None:
    required = {
        name: [header for header, about in response["headers"].items() if about.get("required")]
        for name, response in document["components"]["responses"].items()
    }

    assert {name: headers for name, headers in required.items() if headers} == {
        "Unauthenticated": ["WWW-Authenticate"],
        "TooManyRequests": ["Retry-After"],
        "Unavailable": ["Retry-After"],
    }


def test_only_answers_that_can_be_repeated_have_the_header_for_it(document: dict[str, Any]) -> None:
    made = document["paths"]["/v1/things"]["post"]["responses"]["201"]
    listed = document["paths"]["/v1/things"]["get"]["responses"]["200"]

    assert set(made["headers"]) == {"X-Request-Id", "RateLimit", "RateLimit-Policy", "Idempotent-Replayed"}
    assert set(listed["headers"]) == {"X-Request-Id", "RateLimit", "RateLimit-Policy"}


def test_a_body_is_required_unless_it_may_be_left_out(document: dict[str, Any]) -> None:
    assert document["paths"]["/v1/things"]["post"]["requestBody"]["required"] is True
    assert document["paths"]["/v1/things/{thing_id}"]["put"]["requestBody"]["required"] is False


def test_an_answer_holds_every_field_that_is_not_optional(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]

    assert schemas["ThingSchema"]["required"] == ["thing_id"]
    assert "required" not in schemas["AskSchema"]
    assert "required" not in schemas["BothSchema"]
    assert "x-optional" not in str(document)


def test_patterns_are_those_of_json_schema(document: dict[str, Any]) -> None:
    properties = document["components"]["schemas"]["AskSchema"]["properties"]

    assert properties["reference"]["pattern"] == "^(?:[a-z]+)$"
    assert properties["name"]["pattern"] == r"^[^\x00-\x1f]+$"


def test_a_status_without_a_meaning_is_not_documented() -> None:
    with pytest.raises(AssertionError):
        refusals(also={418})
