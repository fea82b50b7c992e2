from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from apiflask import APIFlask
from click.testing import CliRunner

from clearinghouse.pos.refusals import refusal
from clearinghouse.verification.refusals import VERIFICATION_REFUSALS
from cli import clearinghouse
from tenants.foundation import ids
from tenants.foundation.config import Settings
from tests.conftest import NetworkForTests, Till
from tests.directory.routes import a_path
from tests.verification.conftest import Redeemer

BODIES = {
    ("PUT", "/v1/members/<member_id>/pin"): {"pin": "4711"},
    ("POST", "/v1/cards/<number>/pin"): {"pin": "4711"},
}


def routes(app: APIFlask) -> list[tuple[str, str]]:
    found = [
        (method, rule.rule)
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("verification.")
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    ]
    assert len(found) >= 9
    return found


def call(caller: NetworkForTests | Till, method: str, rule: str, path: str) -> Any:
    body = BODIES.get((method, rule))
    if isinstance(caller, Till):
        return caller.call(method, path, body, **{"Idempotency-Key": "k"})
    return caller.hq(method, path, body)


def right_caller(network: NetworkForTests, rule: str) -> NetworkForTests | Till:
    return network.tills["A"] if rule.startswith("/v1/cards") else network


def test_nothing_is_kept_by_a_cache(app: APIFlask, redeemer: Redeemer) -> None:
    values = {"member_id": redeemer.path.rpartition("/")[2], "number": redeemer.card}
    for method, rule in routes(app):
        caller = right_caller(redeemer.network, rule)
        found, missing = (call(caller, method, rule, path) for path in (a_path(rule, values), a_path(rule)))
        nobody = app.test_client().open(a_path(rule, values), method=method)

        statuses = (found.status_code, missing.status_code, nobody.status_code)
        assert statuses == (200, 404, 401), (method, rule, found.text)
        assert {answer.headers["Cache-Control"] for answer in (found, missing, nobody)} == {"no-store"}


def test_each_route_takes_one_kind_of_key(app: APIFlask, redeemer: Redeemer) -> None:
    values = {"member_id": redeemer.path.rpartition("/")[2], "number": redeemer.card}
    for method, rule in routes(app):
        wrong = redeemer.network if rule.startswith("/v1/cards") else redeemer.network.tills["A"]

        answer = call(wrong, method, rule, a_path(rule, values))

        assert (answer.status_code, answer.json["code"]) == (403, "wrong_kind_of_key"), (method, rule)


def test_a_stranger_finds_no_member_and_no_card(
    app: APIFlask, redeemer: Redeemer, make_network: Callable[..., NetworkForTests]
) -> None:
    stranger = make_network()
    stranger.add_till("A")
    values = {"member_id": redeemer.path.rpartition("/")[2], "number": redeemer.card}
    for method, rule in routes(app):
        answer = call(right_caller(stranger, rule), method, rule, a_path(rule, values))

        assert answer.status_code == 404, (method, rule)
        assert answer.json["code"] in ("member_unknown", "card_unknown")
    assert redeemer.pin_state() == ("not_set", 0)


def test_those_who_may_are_answered(app: APIFlask, redeemer: Redeemer) -> None:
    values = {"member_id": redeemer.path.rpartition("/")[2], "number": redeemer.card}
    for method, rule in routes(app):
        if not rule.endswith(".svg"):
            answer = call(right_caller(redeemer.network, rule), method, rule, a_path(rule, values))
            assert answer.status_code == 200, (method, rule, answer.json)


def test_the_picture_of_a_code_is_an_svg(redeemer: Redeemer) -> None:
    answer = redeemer.network.hq("GET", f"{redeemer.path}/wallet/code.svg")

    assert (answer.status_code, answer.mimetype) == (200, "image/svg+xml")
    assert "<svg" in answer.text


BAD_PINS = [
    # body, field that is wrong or code of the refusal
    ({}, "pin"),
    ({"pin": None}, "pin"),
    ({"pin": ""}, "pin"),
    ({"pin": "471"}, "pin"),
    ({"pin": "123456789"}, "pin"),
    ({"pin": "4711\n"}, "pin"),
    ({"pin": "٤٧١١"}, "pin"),
    ({"pin": 4711}, "pin"),
    ({"pin": ["4711"]}, "pin"),
    ({"pin": "4711", "colour": "red"}, "colour"),
    ({"pin": "0000"}, "pin_too_simple"),
    ({"pin": "1234"}, "pin_too_simple"),
]


@pytest.mark.parametrize(("body", "what"), BAD_PINS)
def test_a_bad_pin_is_refused_and_changes_nothing(redeemer: Redeemer, till: Till, body: Any, what: str) -> None:
    by_head_office = redeemer.network.hq("PUT", f"{redeemer.path}/pin", body)
    at_the_till = till.post(f"/v1/cards/{redeemer.card}/pin", body)

    for answer in (by_head_office, at_the_till):
        assert answer.status_code == 422
        assert what in answer.json.get("errors", {}) or answer.json["code"] == what
    assert redeemer.pin_state() == ("not_set", 0)


@pytest.mark.parametrize("current_pin", [None, 4711, "471", "x" * 8, ""])
def test_a_current_pin_that_can_be_none_is_no_try(redeemer: Redeemer, till: Till, current_pin: Any) -> None:
    redeemer.set_pin("4711")

    answer = till.post(f"/v1/cards/{redeemer.card}/pin", {"pin": "90210", "current_pin": current_pin})

    assert answer.status_code == 422
    assert "current_pin" in answer.json["errors"]
    assert redeemer.pin_state() == ("set", 3)


@pytest.mark.parametrize("key", ["", "two words", "x" * 129])
def test_a_change_at_the_till_needs_an_idempotency_key(redeemer: Redeemer, till: Till, key: str) -> None:
    answer = till.call("POST", f"/v1/cards/{redeemer.card}/pin", {"pin": "4711"}, **{"Idempotency-Key": key})

    assert answer.status_code == 422
    assert answer.json["code"].startswith("idempotency_key_")
    assert redeemer.pin_state() == ("not_set", 0)


@pytest.mark.parametrize("path", ["/v1/cards/6290000000000015/pin", "/v1/cards/x/pin"])
def test_what_is_no_card_number_sets_no_pin(till: Till, path: str) -> None:
    answer = till.post(path, {"pin": "4711"})

    assert (answer.status_code, answer.json["code"]) == (422, "card_number_invalid")


@pytest.mark.parametrize("path", ["wallet", "wallet/code", "wallet/code.svg", "pin"])
def test_what_is_no_member_id_is_refused(network: NetworkForTests, path: str) -> None:
    answer = network.hq("GET", f"/v1/members/{ids.show(ids.CARD, ids.new_id())}/{path}")

    assert (answer.status_code, answer.json["code"]) == (422, "invalid_id")


@pytest.mark.parametrize("code", VERIFICATION_REFUSALS)
def test_every_refusal_tells_what_to_do(code: str) -> None:
    error = refusal(code, {"tries_left": 1})

    assert (error.code, error.details) == (code, {"tries_left": 1})
    assert error.http_status in (403, 409)
    assert error.message.endswith(".")


@pytest.fixture
def run(app: APIFlask, settings: Settings, redeemer: Redeemer) -> Callable[..., Any]:
    """What a command of the member prints with `--json`, or its exit code and error."""
    environment = {
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "CLEARINGHOUSE_VAR": str(settings.var),
    }
    member_id = redeemer.path.rpartition("/")[2]

    def run(*arguments: str, input: str | None = None) -> Any:
        options = [member_id, "-n", redeemer.network.code, "--json"]
        result = CliRunner().invoke(clearinghouse, ["member", *arguments, *options], env=environment, input=input)
        return json.loads(result.stdout[result.stdout.index("{") :]) if result.exit_code == 0 else result.exception

    return run


def test_the_command_line_does_the_same(run: Callable[..., Any], redeemer: Redeemer) -> None:
    assert run("pin", "show")["status"] == "not_set"
    assert run("pin", "set", input="4711\n4711\n")["status"] == "set"
    assert redeemer.pin_state() == ("set", 3)
    assert run("pin", "unlock")["tries_left"] == 3
    assert run("pin", "remove")["status"] == "not_set"
    assert run("wallet", "show")["generation"] == 1
    assert run("wallet", "rotate")["generation"] == 2
    assert run("wallet", "code")["card"] == redeemer.card


def test_the_command_line_shows_no_pin_and_refuses_a_simple_one(run: Callable[..., Any]) -> None:
    assert "83650274" not in str(run("pin", "set", input="83650274\n83650274\n"))
    assert run("pin", "set", input="1234\n1234\n").code == "pin_too_simple"
