"""No name, number, key, PIN or reason of anybody ends in the log, which can't ever be erased."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from apiflask import APIFlask
from click.testing import CliRunner
from sqlalchemy import Engine, text

from cli import clearinghouse
from tenants.audit.rules import CARD_NUMBERS, SUBJECTS
from tenants.credentials.rules import HQ, STAFF, WEBHOOKS
from tenants.credentials.service import create_credential
from tenants.foundation import clock
from tests.audit.entries import entries_of, newest
from tests.conftest import NetworkForTests, a_card_number

NAME, REFERENCE, REASON, LABEL = "Zerubbabel Quux", "REF-8831", "because of Quux", "Label Quux"
IBAN, PIN, TOKEN = "DE89370400440532013000", "82640193", "tok_Quux_1234567"
URL = "https://1.1.1.1/quux"
SECRETS = ("quux", "zerubbabel", "ref-8831", "82640193", "370400440532013000", "1.1.1.1", "ada@example.com")

Route = tuple[str, str]


def admin_routes(app: APIFlask) -> list[Route]:
    """Method and rule of each route for keys of head office or of people."""
    found = [
        (method, rule.rule)
        for rule in app.url_map.iter_rules()
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
        if {HQ, STAFF} & roles_of(app, rule.endpoint)
    ]
    assert len(found) > 100
    return found


def roles_of(app: APIFlask, endpoint: str) -> set[str]:
    spec = getattr(app.view_functions[endpoint], "_spec", {})
    return {role for requirement in spec.get("security") or () for role in requirement}


def text_of_log(owner: Engine, network: NetworkForTests) -> str:
    statement = text("SELECT string_agg(a::text, ' ') FROM tenants.audit_log a WHERE tenant_id = :tenant")
    with owner.connect() as connection:
        return str(connection.scalar(statement, {"tenant": network.tenant_id})).lower()


@pytest.fixture
def everything_done(network: NetworkForTests, card: str) -> Iterator[dict[str, Any]]:
    """What head office does in the ordinary way, with names and numbers that must not be kept; the answers."""
    answers: dict[str, Any] = {}

    def do(method: str, path: str, body: Any = None, key: str | None = None) -> Any:
        headers = {"Authorization": f"Bearer {key or network.hq_key}", "Idempotency-Key": f"quux-{len(answers)}"}
        answer = network.app.test_client().open(path, method=method, json=body, headers=headers)
        assert answer.status_code < 300, (method, path, answer.json)
        answers[f"{method} {path}"] = answer.json
        return answer.json

    do("POST", "/v1/participants", {"code": "acme", "name": NAME})
    do("POST", "/v1/stores", {"code": "D", "name": NAME})
    terminal = do("POST", "/v1/stores/D/terminals", {"code": "1"})["terminal_id"]
    do("POST", f"/v1/terminals/{terminal}/keys", {"label": LABEL})
    key = do("POST", "/v1/keys", {"label": LABEL})
    do("PATCH", f"/v1/keys/{key['key_id']}", {"rate_limit": 7})
    do("POST", f"/v1/keys/{key['key_id']}/rotate", {"overlap_hours": 1})
    do("POST", f"/v1/keys/{key['key_id']}/revoke")
    member = do("POST", "/v1/members", {"name": NAME, "reference": REFERENCE})["member_id"]
    other = do("POST", "/v1/members")["member_id"]
    number = do("POST", f"/v1/members/{member}/cards", {"number": a_card_number()})["card"]
    do("PATCH", f"/v1/members/{member}", {"name": f"{NAME} II", "reason": REASON})
    for action in ("block", "unblock"):
        do("POST", f"/v1/cards/{number}/{action}", {"reason": REASON})
    number = do("POST", f"/v1/cards/{number}/replace", {"reason": REASON})["card"]
    do("POST", f"/v1/cards/{number}/payment-tokens", {"token": TOKEN})
    do("POST", f"/v1/cards/{number}/payment-tokens/unbind", {"token": TOKEN})
    do("PUT", f"/v1/members/{member}/pin", {"pin": PIN})
    do("POST", f"/v1/members/{member}/pin/unlock")
    do("DELETE", f"/v1/members/{member}/pin")
    do("GET", f"/v1/members/{member}/wallet")
    do("POST", f"/v1/members/{member}/wallet/rotate")
    do("POST", f"/v1/members/{other}/merge", {"into": member, "reason": REASON})
    do("POST", "/v1/card-batches", {"count": 2, "label": LABEL})
    do("GET", f"/v1/members?reference={REFERENCE}")
    do("POST", "/v1/staff", {"code": "q1", "name": NAME, "roles": ["treasurer"]})
    do("PUT", "/v1/staff/q1/roles", {"roles": ["preparer"]})
    do("PUT", "/v1/network/bank-account", {"holder": NAME, "iban": IBAN})
    do("PUT", "/v1/participants/acme/bank-account", {"holder": NAME, "iban": IBAN})
    do("GET", "/v1/bank-accounts")
    webhook = do("POST", "/v1/webhooks", {"url": URL, "description": LABEL})["webhook_id"]
    do("PATCH", f"/v1/webhooks/{webhook}", {"description": REASON})
    do("POST", f"/v1/webhooks/{webhook}/rotate-secret")
    do("POST", f"/v1/webhooks/{webhook}/ping")
    do("DELETE", f"/v1/webhooks/{webhook}")
    tomorrow = (clock.now() + timedelta(days=1)).isoformat()
    terms = {"base_rate": "2", "redemption_value": "100", "expiry_policy": "P6M"}
    do("POST", "/v1/programme/versions", {"effective_from": tomorrow, **terms})
    person = network.add_staff("ana", "preparer")
    do("POST", "/v1/settlement/windows/2026-01/close")
    do("POST", "/v1/settlement/windows/2026-01/settlement", key=person)
    do("POST", "/v1/settlement/windows/2026-01/settlement/reject", {"reason": REASON}, key=person)
    do("POST", "/v1/settlement/windows/2026-01/postpone", {"days": 1, "reason": REASON}, key=person)
    do("POST", "/v1/stores/D/close")
    do("POST", "/v1/staff/q1/leave")
    yield answers


def test_what_head_office_does_is_recorded_without_anybodys_data(
    owner: Engine, network: NetworkForTests, everything_done: dict[str, Any]
) -> None:
    log = text_of_log(owner, network)
    actions = {entry.action for entry in entries_of(network.tenant_id) if entry.actor_kind in ("key", "staff")}

    assert [secret for secret in SECRETS if secret in log] == []
    assert [value for value in secrets_in(everything_done) if value.lower() in log] == []
    assert len(actions) == len({generic(call) for call in everything_done})


def secrets_in(answer: Any, name: str = "") -> Iterator[str]:
    """Keys, secrets and numbers of cards that were answered."""
    if isinstance(answer, dict):
        for key, value in answer.items():
            yield from secrets_in(value, key)
    elif isinstance(answer, list):
        for value in answer:
            yield from secrets_in(value, name)
    elif name in ("key", "secret", "card", "uri") and isinstance(answer, str):
        yield answer


def generic(call: str) -> str:
    """`GET /v1/members/mem_…` -> `GET /v1/members/_`: as many as there are rules."""
    path = call.partition("?")[0]
    values = ("_01", "629", "2026-01", "q1", "acme")
    words = ["_" if any(value in word for value in values) else word for word in path.split("/")]
    return "/".join("_" if word == "D" else word for word in words)


def test_commands_are_recorded_without_anybodys_data(
    owner: Engine, network: NetworkForTests, card: str, context: APIFlask
) -> None:
    member = network.hq("GET", "/v1/members").json["members"][0]["member_id"]
    commands = [
        ("member", "create", "--name", NAME, "--reference", REFERENCE),
        ("member", "update", member, "--name", NAME, "--reason", REASON),
        ("card", "block", card, "--reason", REASON),
        ("card", "replace", card, "--new-number", (new := a_card_number()), "--reason", REASON),
        ("card", "bind", new, "--token", TOKEN),
        ("key", "create", "--label", LABEL),
        ("store", "create", "D", "--name", NAME),
        ("staff", "create", "q1", "--name", NAME, "--role", "auditor"),
        ("bank-account", "set", "HQ", "--holder", NAME, "--iban", IBAN),
        ("webhook", "create", URL, "--description", LABEL),
    ]
    outputs = []
    for words in commands:
        result = CliRunner().invoke(clearinghouse, [*words, "-n", network.code], obj=lambda: context)
        assert result.exit_code == 0, (words, result.output, result.exception)
        outputs.append(" ".join(words[:2]))

    log = text_of_log(owner, network)
    entries = [entry.action for entry in entries_of(network.tenant_id) if entry.actor_kind == "command line"]
    assert entries == outputs
    assert [secret for secret in (*SECRETS, card, new) if secret in log] == []


def test_every_parameter_of_a_path_is_named(app: APIFlask) -> None:
    parameters = {name for _, rule in admin_routes(app) for name in re.findall(r"<(\w+)>", rule)}

    assert len(parameters) >= 15
    # The name of an export: a file of the month.
    assert parameters - SUBJECTS - CARD_NUMBERS == {"name"}


@pytest.fixture
def lesser_keys(network: NetworkForTests) -> dict[str, str]:
    """A key of head office that may see webhooks only, and an auditor's."""
    return {
        HQ: create_credential(network.tenant_id, HQ, "lesser", scopes=[WEBHOOKS])[1],
        STAFF: network.add_staff("owner", "owner", participant="A"),
    }


def test_every_administrative_route_records_who_is_refused_and_no_value_of_its_path(
    app: APIFlask, owner: Engine, network: NetworkForTests, lesser_keys: dict[str, str]
) -> None:
    """Whatever somebody writes into a path: a name, a mail address, a key."""
    strange = quote(f"{NAME} ada@example.com {network.hq_key}", safe="")
    unrecorded = []
    for method, rule in admin_routes(app):
        path = "/".join(strange if part.startswith("<") else part for part in rule.split("/"))
        statuses = {}
        for role, key in lesser_keys.items():
            headers = {"Authorization": f"Bearer {key}"}
            statuses[role] = app.test_client().open(path, method=method, json={}, headers=headers).status_code
            if statuses[role] == 403 and newest(network.tenant_id).action != f"{method} {rule}":
                unrecorded.append((role, method, rule))
        assert 403 in statuses.values(), (method, rule, statuses)

    log = text_of_log(owner, network)
    assert unrecorded == []
    assert [secret for secret in (*SECRETS, network.hq_key.lower()) if secret in log] == []
