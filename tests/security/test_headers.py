"""Browsers are told to do as little as possible with whatever the application answers."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace

import pytest
from apiflask import APIFlask
from flask import Response
from werkzeug.test import Client, TestResponse

from clearinghouse.app import create_app
from tenants.foundation.config import Settings
from tenants.foundation.security_headers import SecurityHeaders
from tests.conftest import NetworkForTests, Till
from tests.security.operations import Operation, operations

NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Server": "clearinghouse",
}
PAGES = ("/docs/", "/docs/index.html", "/verify/nothing")
FILES = ("/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js", "/docs/favicon-32x32.png")


def check(answer: TestResponse) -> None:
    for name, value in ALWAYS.items():
        assert answer.headers.getlist(name) == [value], name
    policies = answer.headers.getlist("Content-Security-Policy")
    assert len(policies) == 1
    assert all(part in policies[0] for part in NOTHING.split("; "))
    assert len(answer.headers.getlist("Cache-Control")) == 1
    assert not [name for name, _ in answer.headers if name.lower().startswith("access-control-")]
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("operation", operations(), ids=str)
def test_every_call_is_answered_with_them(app: APIFlask, operation: Operation) -> None:
    values = dict.fromkeys(operation.names("path"), "nothing")

    answer = app.test_client().open(
        operation.url(values), method=operation.method.upper(), headers={"Origin": "https://elsewhere.example"}
    )

    check(answer)
    assert answer.headers["Cache-Control"] == "no-store"
    assert operation.path.startswith("/verify/") or answer.headers["Content-Security-Policy"] == NOTHING


def test_data_is_kept_by_no_browser(network: NetworkForTests, till: Till, card: str) -> None:
    for answer in (till.accrue(card, 100), till.call("GET", f"/v1/cards/{card}"), network.hq("GET", "/v1/members")):
        check(answer)
        assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("TRACE", "/healthz", 405),
        ("DELETE", "/v1/accruals", 405),
        ("OPTIONS", "/v1/accruals", 200),
        ("GET", "/v1/cards/4111111111111111", 422),
    ],
)
def test_errors_have_them_too(app: APIFlask, method: str, path: str, status: int) -> None:
    answer = app.test_client().open(path, method=method, headers={"Origin": "https://elsewhere.example"})

    assert answer.status_code == status
    check(answer)


@pytest.mark.parametrize("path", [*PAGES, *FILES])
def test_pages_have_them_too(app: APIFlask, path: str) -> None:
    with app.test_client().get(path, buffered=True) as answer:
        check(answer)


def test_a_bug_has_them_too(settings: Settings) -> None:
    broken = create_app(settings)

    @broken.get("/broken")
    def break_down() -> Response:
        raise RuntimeError("what only the log should say")

    answer = broken.test_client().get("/broken")

    assert answer.status_code == 500
    assert "only the log" not in answer.text
    check(answer)


def test_the_page_for_people_runs_its_own_scripts_only(app: APIFlask) -> None:
    answer = app.test_client().get("/docs/")

    scripts = re.findall(r"<script>(.*?)</script>", answer.text, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    [policy] = re.findall(r"script-src ([^;]+);", answer.headers["Content-Security-Policy"])
    assert policy.split() == ["'self'", *(f"'sha256-{each}'" for each in hashes)]
    assert len(hashes) == 1
    assert " on" + "click=" not in answer.text


def test_the_page_for_people_holds_nothing_of_the_request(app: APIFlask) -> None:
    attack = "x</script><script>alert(1)</script>"
    client = app.test_client()

    answer = client.get("/docs/", headers={"Host": attack, "X-Forwarded-Host": attack, "Referer": attack})

    assert answer.text == client.get("/docs/").text


def test_the_page_for_people_forgets_keys(app: APIFlask) -> None:
    assert '"persistAuthorization": false' in app.test_client().get("/docs/").text


@pytest.mark.parametrize(
    ("public_url", "expected"),
    [("http://127.0.0.1:8080", []), ("https://points.example.com", ["max-age=31536000"])],
)
def test_browsers_are_held_to_https_where_it_is_served(
    settings: Settings, public_url: str, expected: list[str]
) -> None:
    answer = create_app(replace(settings, public_url=public_url)).test_client().get("/healthz")

    assert answer.headers.getlist("Strict-Transport-Security") == expected


def test_what_an_answer_says_itself_counts() -> None:
    own = Response("", headers={"Cache-Control": "max-age=60", "Content-Security-Policy": "sandbox"})

    answer = Client(SecurityHeaders(own, "http://127.0.0.1")).get("/")

    assert answer.headers.getlist("Cache-Control") == ["max-age=60"]
    assert answer.headers.getlist("Content-Security-Policy") == ["sandbox"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
