"""What is looked for in every answer is found: otherwise every other test would pass without it."""

from __future__ import annotations

from typing import Any

import pytest
from apiflask import APIFlask
from flask import Response

from tenants.foundation.web import answer, problem
from tests.conformity.answers import AnswerChecks
from tests.conftest import Till

BALANCE = {
    "card": "1",
    "status": "active",
    "registered": True,
    "available": 0,
    "held": 0,
    "deficit": 0,
    "expiring_next": None,
}


@pytest.fixture
def checks(app: APIFlask) -> AnswerChecks:
    return AnswerChecks(app)


CASES: list[tuple[Response, list[str]]] = [
    (answer(BALANCE), []),
    (answer({**BALANCE, "expiring_next": {"points": 1, "expires_on": "2026-01-31"}}), []),
    (answer({**BALANCE, "available": "0"}), ['answered 200: [\'available\']: "0" is not of type "integer"']),
    (answer({**BALANCE, "expiring_next": {"points": 1}}), ["answered 200: ['expiring_next']: "]),
    (answer({**BALANCE, "colour": "red"}), ["answered 200: []: Additional properties"]),
    (answer({"card": "1"}), ['answered 200: []: "status" is a required property'] + ["answered 200: []: "] * 5),
    (answer(BALANCE, 201), ["answered 201: this status is not documented"]),
    (Response("{}", mimetype="text/html"), ["answered 200: text/html is not documented"]),
    (problem(404, "card_unknown", "There is no such card.", card="1", request_id="r-1"), []),
    (problem(500, "internal_error", "Something."), ["answered 500: this status is not documented"]),
    (answer(BALANCE, 404), ["answered 404: application/json is not documented"]),
    (Response('{"code": "x"}', 404, mimetype="application/problem+json"), ["answered 404: []: "] * 5),
    (Response("{}", 401, mimetype="application/json"), ["application/json is not documented", "WWW-Authenticate"]),
]


@pytest.mark.parametrize(("response", "expected"), CASES, ids=range(len(CASES)))
def test_an_answer_that_is_not_as_documented_is_found(
    app: APIFlask, checks: AnswerChecks, response: Response, expected: list[str]
) -> None:
    with app.test_request_context("/v1/cards/6290000000000014"):
        checks.look_at(response)

    assert len(checks.findings) == len(expected), checks.findings
    for finding, part in zip(checks.findings, expected, strict=True):
        assert finding.startswith("GET /v1/cards/{number} ")
        assert part in finding


def test_the_answers_of_tests_are_looked_at(app: APIFlask, till: Till, card: str) -> None:
    checks: AnswerChecks = app.extensions["answer_checks"]
    checks.seen.clear()

    till.balance(card)

    assert checks.seen == {("get", "/v1/cards/{number}", "200")}


@pytest.fixture
def spoilt(app: APIFlask) -> Any:
    checks: AnswerChecks = app.extensions["answer_checks"]
    checks.findings.append("GET /v1/x answered 500: this status is not documented")
    return checks


@pytest.mark.fails_on_purpose
def test_an_answer_of_500_is_forgiven_where_it_is_meant(spoilt: AnswerChecks) -> None:
    assert spoilt.findings
