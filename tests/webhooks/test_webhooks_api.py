"""Webhooks as head office makes, inspects and mends them: over HTTP and on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from apiflask import APIFlask
from click.testing import CliRunner
from sqlalchemy import create_engine, text

from clearinghouse.webhooks.rules import ENDPOINTS_MAX, TYPES
from cli import clearinghouse
from tenants.credentials.rules import HQ, SCOPES, WEBHOOKS
from tenants.credentials.service import create_credential
from tenants.foundation import ids
from tenants.foundation.config import Settings, load_settings
from tenants.foundation.database import normal_url
from tests.conftest import NetworkForTests, Till
from tests.webhooks.conftest import Receiver, deliveries_of, let_time_pass, make_webhook, run_workers

NOBODYS = {"webhook_id": ids.show(ids.WEBHOOK, uuid4()), "delivery_id": ids.show(ids.DELIVERY, uuid4())}
PUBLIC_URL = "https://93.184.215.14/hook"

ROUTES = [
    ("GET", "/v1/webhooks/<webhook_id>"),
    ("PATCH", "/v1/webhooks/<webhook_id>"),
    ("DELETE", "/v1/webhooks/<webhook_id>"),
    ("POST", "/v1/webhooks/<webhook_id>/rotate-secret"),
    ("POST", "/v1/webhooks/<webhook_id>/ping"),
    ("GET", "/v1/webhooks/<webhook_id>/deliveries"),
    ("POST", "/v1/webhooks/<webhook_id>/redeliver?since=2026-01-01T00:00:00Z"),
    ("GET", "/v1/webhook-deliveries/<delivery_id>"),
    ("POST", "/v1/webhook-deliveries/<delivery_id>/redeliver"),
]


def path_of(rule: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        rule = rule.replace(f"<{name}>", value)
    return rule


def test_every_route_is_tried_here(app: APIFlask) -> None:
    found = {
        (method, rule.rule)
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("webhooks.")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }

    tried = {(method, rule.partition("?")[0]) for method, rule in ROUTES}
    assert found == tried | {("POST", "/v1/webhooks"), ("GET", "/v1/webhooks")}


@pytest.mark.parametrize(("method", "rule"), [*ROUTES, ("POST", "/v1/webhooks"), ("GET", "/v1/webhooks")])
def test_webhooks_are_head_offices(till: Till, app: APIFlask, method: str, rule: str) -> None:
    path = path_of(rule, NOBODYS)

    assert till.call(method, path, {}).json["code"] == "wrong_kind_of_key"
    assert app.test_client().open(path, method=method).status_code == 401


@pytest.mark.parametrize(("method", "rule"), [*ROUTES, ("POST", "/v1/webhooks"), ("GET", "/v1/webhooks")])
def test_even_seeing_webhooks_needs_their_scope(network: NetworkForTests, method: str, rule: str) -> None:
    others = [scope for scope in SCOPES[HQ] if scope != WEBHOOKS]
    _, network.hq_key = create_credential(network.tenant_id, HQ, "others", scopes=others)

    assert network.hq(method, path_of(rule, NOBODYS), {}).json["code"] == "scope_missing"


@pytest.mark.parametrize(("method", "rule"), ROUTES)
def test_what_is_of_nobody_is_not_found(network: NetworkForTests, method: str, rule: str) -> None:
    answer = network.hq(method, path_of(rule, NOBODYS), {})

    assert answer.status_code == 404
    assert answer.json["code"] == ("delivery_unknown" if "deliveries/" in rule else "webhook_unknown")


@pytest.mark.parametrize(("method", "rule"), ROUTES)
def test_an_id_of_another_kind_is_malformed(network: NetworkForTests, method: str, rule: str) -> None:
    wrong = dict.fromkeys(NOBODYS, ids.show(ids.MEMBER, uuid4()))

    answer = network.hq(method, path_of(rule, wrong), {})

    assert (answer.status_code, answer.json["code"]) == (422, "invalid_id")


@pytest.mark.parametrize(("method", "rule"), ROUTES)
def test_a_stranger_finds_no_webhook_of_another_network(
    network: NetworkForTests, make_network: Callable[..., NetworkForTests], to_private: None, method: str, rule: str
) -> None:
    webhook = make_webhook(network, "http://127.0.0.1:9/")
    delivery = network.hq("POST", f"/v1/webhooks/{webhook['webhook_id']}/ping").json
    stranger = make_network()

    answer = stranger.hq(method, path_of(rule, {name: delivery[name] for name in NOBODYS}), {"enabled": False})

    assert answer.status_code == 404
    assert stranger.hq("GET", "/v1/webhooks").json == {"webhooks": []}
    assert network.hq("GET", f"/v1/webhooks/{webhook['webhook_id']}").json["status"] == "active"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"url": None},
        {"url": ""},
        {"url": 5},
        {"url": "https://93.184.215.14/" + "a" * 2000},
        {"url": PUBLIC_URL, "events": "accrual.posted"},
        {"url": PUBLIC_URL, "events": ["accrual"]},
        {"url": PUBLIC_URL, "events": ["webhook.ping"]},
        {"url": PUBLIC_URL, "events": [None]},
        {"url": PUBLIC_URL, "description": ""},
        {"url": PUBLIC_URL, "description": "a\x00b"},
        {"url": PUBLIC_URL, "description": "a" * 201},
        {"url": PUBLIC_URL, "secret": "whsec_mine"},
        {"url": PUBLIC_URL, "enabled": True},
        [],
    ],
)
def test_a_malformed_webhook_is_refused_and_nothing_is_written(network: NetworkForTests, body: Any) -> None:
    answer = network.hq("POST", "/v1/webhooks", body)

    assert (answer.status_code, answer.json["code"]) == (422, "invalid_input")
    assert network.hq("GET", "/v1/webhooks").json == {"webhooks": []}


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://93.184.215.14/", "webhook_url_invalid"),
        ("https://user:secret@93.184.215.14/", "webhook_url_invalid"),
        ("https://2130706433/", "webhook_url_invalid"),
        ("https://127.0.0.1/", "webhook_address_not_public"),
        ("https://localhost/", "webhook_address_not_public"),
        ("https://10.1.2.3/", "webhook_address_not_public"),
        ("https://169.254.169.254/latest/meta-data/", "webhook_address_not_public"),
        ("https://[::1]/", "webhook_address_not_public"),
        ("https://[::ffff:127.0.0.1]/", "webhook_address_not_public"),
        ("https://[fe80::1]/", "webhook_address_not_public"),
        ("https://0.0.0.0/", "webhook_address_not_public"),
        ("https://no-such-host.invalid/", "webhook_host_unknown"),
    ],
)
def test_a_url_that_points_inside_is_refused_when_it_is_saved(network: NetworkForTests, url: str, code: str) -> None:
    webhook = make_webhook(network, PUBLIC_URL)

    made = network.hq("POST", "/v1/webhooks", {"url": url})
    changed = network.hq("PATCH", f"/v1/webhooks/{webhook['webhook_id']}", {"url": url, "description": "x"})

    assert (made.status_code, made.json["code"]) == (422, code)
    assert (changed.status_code, changed.json["code"]) == (422, code)
    [kept] = network.hq("GET", "/v1/webhooks").json["webhooks"]
    assert (kept["url"], kept["description"]) == (PUBLIC_URL, None)


def test_a_url_that_was_saved_where_it_was_allowed_is_refused_when_it_is_called(
    app: APIFlask, network: NetworkForTests, receiver: Receiver, empty_queues: None, settings: Settings,
    to_private: None, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    url = receiver.url.replace("http://", "https://")
    webhook = make_webhook(network, url)
    network.hq("POST", f"/v1/webhooks/{webhook['webhook_id']}/ping")
    monkeypatch.setitem(app.config, "SETTINGS", settings)

    run_workers()

    [delivery] = deliveries_of(network, webhook)
    shown = network.hq("GET", f"/v1/webhook-deliveries/{delivery['delivery_id']}").json
    assert shown["status"] == "pending"
    assert "not public" in shown["attempts_made"][0]["error"]
    assert receiver.calls == []


@pytest.mark.parametrize(
    ("value", "allowed"), [(None, False), ("", False), ("0", False), ("true", False), ("1", True)]
)
def test_private_receivers_are_allowed_only_on_request(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, value: str | None, allowed: bool
) -> None:
    monkeypatch.setenv("DATABASE_URL", settings.database_url)
    monkeypatch.setenv("REDIS_URL", settings.redis_url)
    monkeypatch.setenv("CLEARINGHOUSE_VAR", str(settings.var))
    monkeypatch.delenv("CLEARINGHOUSE_WEBHOOKS_TO_PRIVATE", raising=False)
    if value is not None:
        monkeypatch.setenv("CLEARINGHOUSE_WEBHOOKS_TO_PRIVATE", value)

    assert load_settings().webhooks_to_private is allowed


def test_a_network_has_so_many_webhooks_and_no_more(network: NetworkForTests) -> None:
    made = [make_webhook(network, PUBLIC_URL) for _ in range(ENDPOINTS_MAX)]

    refused = network.hq("POST", "/v1/webhooks", {"url": PUBLIC_URL})
    network.hq("DELETE", f"/v1/webhooks/{made[0]['webhook_id']}")

    assert (refused.status_code, refused.json["code"]) == (409, "too_many_webhooks")
    assert network.hq("POST", "/v1/webhooks", {"url": PUBLIC_URL}).status_code == 201


def test_a_webhook_is_changed_field_by_field(network: NetworkForTests) -> None:
    webhook = make_webhook(network, PUBLIC_URL, events=["accrual.posted"], description="one")
    path = f"/v1/webhooks/{webhook['webhook_id']}"

    nothing = network.hq("PATCH", path, {}).json
    described = network.hq("PATCH", path, {"description": "two"}).json
    everything = network.hq("PATCH", path, {"events": [], "url": "https://93.184.215.14:8443/other"}).json

    assert nothing == {name: value for name, value in webhook.items() if name != "secret"}
    assert described == {**nothing, "description": "two"}
    assert everything == {**described, "events": [], "url": "https://93.184.215.14:8443/other"}


@pytest.mark.parametrize("change", [{"enabled": "yes"}, {"enabled": None}, {"events": ["x"]}, {"status": "active"}])
def test_a_malformed_change_changes_nothing(network: NetworkForTests, change: dict[str, Any]) -> None:
    webhook = make_webhook(network, PUBLIC_URL)
    path = f"/v1/webhooks/{webhook['webhook_id']}"

    assert network.hq("PATCH", path, {"description": "new", **change}).status_code == 422
    assert network.hq("GET", path).json["description"] is None


def test_disabling_fails_what_is_pending_which_can_be_redelivered_once_it_is_enabled(
    network: NetworkForTests, till: Till, card: str, receiver: Receiver, to_private: None, empty_queues: None
) -> None:
    receiver.manners = lambda number: 500 if number == 1 else 200
    webhook = make_webhook(network, receiver.url)
    path = f"/v1/webhooks/{webhook['webhook_id']}"
    till.accrue(card, 100)
    till.accrue(card, 100)
    run_workers()

    shown = network.hq("PATCH", path, {"enabled": False}).json
    till.accrue(card, 100)
    run_workers()
    refused = [
        network.hq("POST", f"{path}/redeliver?since=2026-01-01T00:00:00Z"),
        network.hq("POST", f"/v1/webhook-deliveries/{deliveries_of(network, webhook)[0]['delivery_id']}/redeliver"),
        network.hq("POST", f"{path}/ping"),
    ]
    states = [(d["status"], d["failed_because"]) for d in deliveries_of(network, webhook)]
    network.hq("PATCH", path, {"enabled": True})
    redelivered = network.hq("POST", f"{path}/redeliver?since=2026-01-01T00:00:00Z")
    run_workers()

    assert (shown["status"], shown["disabled_because"], shown["pending"]) == ("disabled", "head office", 0)
    assert [(answer.status_code, answer.json["code"]) for answer in refused] == [(409, "webhook_disabled")] * 3
    assert states == [("failed", "webhook disabled")] * 2
    assert (redelivered.status_code, redelivered.json) == (202, {"redelivered": 2})
    assert [call.data["sequence"] for call in receiver.accepted] == [1, 2]


def test_a_deleted_webhook_is_gone_for_good_and_its_history_stays(
    network: NetworkForTests, till: Till, card: str, receiver: Receiver, to_private: None, empty_queues: None
) -> None:
    webhook = make_webhook(network, receiver.url)
    path = f"/v1/webhooks/{webhook['webhook_id']}"
    till.accrue(card, 100)
    run_workers()

    shown = [network.hq("DELETE", path).json["status"] for _ in range(2)]
    refused = [network.hq("PATCH", path, {"enabled": True}), network.hq("POST", f"{path}/rotate-secret")]

    assert shown == ["deleted", "deleted"]
    assert [(answer.status_code, answer.json["code"]) for answer in refused] == [(409, "webhook_deleted")] * 2
    assert network.hq("GET", "/v1/webhooks").json == {"webhooks": []}
    assert [d["status"] for d in deliveries_of(network, webhook)] == ["delivered"]


def test_a_ping_goes_out_whatever_events_were_chosen(
    network: NetworkForTests, receiver: Receiver, to_private: None, empty_queues: None
) -> None:
    webhook = make_webhook(network, receiver.url, events=["window.closed"])

    answer = network.hq("POST", f"/v1/webhooks/{webhook['webhook_id']}/ping")
    run_workers()

    assert (answer.status_code, answer.json["type"], answer.json["member_id"]) == (202, "webhook.ping", None)
    [call] = receiver.calls
    assert call.event["data"] == {"webhook_id": webhook["webhook_id"]}
    assert call.headers["webhook-id"] == answer.json["event_id"]


def test_each_attempt_can_be_inspected(
    network: NetworkForTests, till: Till, card: str, receiver: Receiver, to_private: None, empty_queues: None
) -> None:
    receiver.manners = lambda number: {1: 500, 2: 404}.get(number, 200)
    receiver.answer = b"x" * 5000
    webhook = make_webhook(network, receiver.url)
    till.accrue(card, 100)
    for _ in range(3):
        run_workers()
        let_time_pass(network.tenant_id)

    [delivery] = deliveries_of(network, webhook)
    shown = network.hq("GET", f"/v1/webhook-deliveries/{delivery['delivery_id']}").json

    attempts = shown.pop("attempts_made")
    assert shown == delivery
    assert (shown["status"], shown["attempts"], shown["next_attempt_at"]) == ("delivered", 3, None)
    assert [(a["number"], a["status_code"], a["error"]) for a in attempts] == [(1, 500, None), (2, 404, None),
                                                                               (3, 200, None)]  # fmt: skip
    assert {a["answer"] for a in attempts} == {"x" * 1024}
    assert {call.headers["webhook-id"] for call in receiver.calls} == {delivery["event_id"]}


def test_deliveries_are_listed_newest_first_page_by_page_and_by_status(
    network: NetworkForTests, receiver: Receiver, to_private: None, empty_queues: None
) -> None:
    webhook = make_webhook(network, receiver.url)
    path = f"/v1/webhooks/{webhook['webhook_id']}"
    pinged = [network.hq("POST", f"{path}/ping").json["delivery_id"] for _ in range(5)]
    run_workers()
    pinged.append(network.hq("POST", f"{path}/ping").json["delivery_id"])

    pages, cursor = [], ""
    while cursor is not None:
        page = network.hq("GET", f"{path}/deliveries?limit=4{cursor}").json
        pages.append([d["delivery_id"] for d in page["deliveries"]])
        cursor = f"&cursor={page['next_cursor']}" if page["next_cursor"] else None

    assert pages == [pinged[:1:-1], pinged[1::-1]]
    assert [d["delivery_id"] for d in deliveries_of(network, webhook, "pending")] == pinged[5:]
    assert [d["delivery_id"] for d in deliveries_of(network, webhook, "delivered")] == pinged[:5]
    assert deliveries_of(network, webhook, "failed") == []


@pytest.mark.parametrize("query", ["status=lost", "limit=0", "limit=501", "limit=x", "cursor=x", "cursor=whd_1"])
def test_a_malformed_listing_is_refused(network: NetworkForTests, query: str) -> None:
    webhook = make_webhook(network, PUBLIC_URL)

    assert network.hq("GET", f"/v1/webhooks/{webhook['webhook_id']}/deliveries?{query}").status_code == 422


@pytest.mark.parametrize("query", ["", "since=", "since=yesterday", "since=2026-01-01T00:00:00", "since=2026-01-01"])
def test_since_when_to_redeliver_has_to_be_a_moment(network: NetworkForTests, query: str) -> None:
    webhook = make_webhook(network, PUBLIC_URL)

    assert network.hq("POST", f"/v1/webhooks/{webhook['webhook_id']}/redeliver?{query}").status_code == 422


def test_a_delivered_event_can_be_sent_again_under_the_same_id(
    network: NetworkForTests, till: Till, card: str, receiver: Receiver, to_private: None, empty_queues: None
) -> None:
    webhook = make_webhook(network, receiver.url)
    till.accrue(card, 100)
    run_workers()
    [delivery] = deliveries_of(network, webhook)

    answer = network.hq("POST", f"/v1/webhook-deliveries/{delivery['delivery_id']}/redeliver")
    run_workers()

    assert (answer.status_code, answer.json["status"]) == (202, "pending")
    first, second = receiver.calls
    assert (first.headers["webhook-id"], first.body) == (second.headers["webhook-id"], second.body)
    assert deliveries_of(network, webhook)[0]["attempts"] == 2


def test_what_is_redelivered_goes_before_later_events_of_its_member(
    network: NetworkForTests, till: Till, card: str, receiver: Receiver, to_private: None, empty_queues: None
) -> None:
    webhook = make_webhook(network, receiver.url)
    till.accrue(card, 100)
    run_workers()
    receiver.manners = lambda number: 500 if number == 2 else 200
    till.accrue(card, 100)
    run_workers()
    [first, _] = deliveries_of(network, webhook)

    network.hq("POST", f"/v1/webhook-deliveries/{first['delivery_id']}/redeliver")
    due = [d["next_attempt_at"] is not None for d in deliveries_of(network, webhook)]
    run_workers()

    assert due == [True, False]
    assert [call.data["sequence"] for call in receiver.calls] == [1, 2, 1, 2]


def test_a_delivery_that_waits_for_its_next_attempt_can_be_hurried(
    network: NetworkForTests, till: Till, card: str, receiver: Receiver, to_private: None, empty_queues: None
) -> None:
    receiver.manners = lambda number: 500 if number == 1 else 200
    webhook = make_webhook(network, receiver.url)
    till.accrue(card, 100)
    run_workers()
    run_workers()
    assert len(receiver.calls) == 1

    [delivery] = deliveries_of(network, webhook)
    network.hq("POST", f"/v1/webhook-deliveries/{delivery['delivery_id']}/redeliver")
    run_workers()

    assert len(receiver.accepted) == 1


def test_the_secret_is_in_no_answer_but_those_that_make_it_and_not_in_the_database(
    network: NetworkForTests, receiver: Receiver, settings: Settings, to_private: None, empty_queues: None
) -> None:
    webhook = make_webhook(network, receiver.url)
    path = f"/v1/webhooks/{webhook['webhook_id']}"
    rotated = network.hq("POST", f"{path}/rotate-secret").json
    ping = network.hq("POST", f"{path}/ping")
    run_workers()

    answers = [
        ping,
        network.hq("GET", path),
        network.hq("GET", "/v1/webhooks"),
        network.hq("PATCH", path, {}),
        network.hq("GET", f"{path}/deliveries"),
        network.hq("GET", f"/v1/webhook-deliveries/{ping.json['delivery_id']}"),
        network.hq("DELETE", path),
    ]
    engine = create_engine(normal_url(settings.database_url))
    with engine.connect() as connection:
        kept = [
            str(connection.scalar(text(f"SELECT json_agg(t) FROM webhooks.{table} AS t")))
            for table in ("endpoints", "deliveries", "attempts")
        ]
    engine.dispose()

    assert all(kept)
    for secret in (webhook["secret"], rotated["secret"]):
        assert secret.startswith("whsec_") and len(secret) == 50
        assert not [answer for answer in answers if secret.removeprefix("whsec_") in answer.text]
        assert not [rows for rows in kept if secret.removeprefix("whsec_") in rows]
    assert "secret" not in network.hq("GET", path).json


def test_every_call_answers(
    network: NetworkForTests, till: Till, card: str, receiver: Receiver, to_private: None, empty_queues: None
) -> None:
    """As the document says: tests/conftest.py compares every answer with it."""
    made = network.hq("POST", "/v1/webhooks", {"url": receiver.url})
    till.accrue(card, 100)
    path = f"/v1/webhooks/{made.json['webhook_id']}"
    ping = network.hq("POST", f"{path}/ping")
    run_workers()
    one = f"/v1/webhook-deliveries/{ping.json['delivery_id']}"
    calls = [
        ("GET", one),
        ("POST", f"{one}/redeliver"),
        ("POST", f"{path}/rotate-secret"),
        ("GET", f"{path}/deliveries"),
        ("GET", path),
        ("PATCH", path),
        ("DELETE", path),
    ]

    answers = [network.hq(method, url, {} if method == "PATCH" else None) for method, url in calls]

    assert {answer.status_code for answer in (made, ping, *answers)} <= {200, 201, 202}


@pytest.fixture
def run(app: APIFlask, network: NetworkForTests, settings: Settings, to_private: None) -> Callable[..., Any]:
    """What a command prints with `--json`, in the network of the test."""

    def run(*arguments: str) -> Any:
        result = CliRunner().invoke(
            clearinghouse, [*arguments, "-n", network.code, "--json"], obj=lambda: app, standalone_mode=False
        )
        assert result.exit_code == 0, (result.output, result.exception)
        return json.loads(result.stdout)

    return run


def test_commands_do_what_the_api_does(
    run: Callable[..., Any], network: NetworkForTests, till: Till, card: str, receiver: Receiver, empty_queues: None
) -> None:
    made = run("webhook", "create", receiver.url, "--event", "accrual.posted", "--description", "stock")
    webhook_id = made["webhook_id"]
    till.accrue(card, 100)
    pinged = run("webhook", "ping", webhook_id)
    run_workers()

    [listed] = run("webhook", "list")
    assert listed == run("webhook", "show", webhook_id) == network.hq("GET", f"/v1/webhooks/{webhook_id}").json
    deliveries = run("webhook", "deliveries", webhook_id, "--status", "delivered")
    assert deliveries == network.hq("GET", f"/v1/webhooks/{webhook_id}/deliveries").json["deliveries"]
    delivery_id = pinged["delivery_id"]
    shown = run("webhook", "delivery", delivery_id)
    assert shown == network.hq("GET", f"/v1/webhook-deliveries/{delivery_id}").json
    assert run("webhook", "redeliver", delivery_id) == {"redelivered": 1}
    assert run("webhook", "rotate", webhook_id)["secret"] != made["secret"]
    assert run("webhook", "disable", webhook_id)["status"] == "disabled"
    assert run("webhook", "enable", webhook_id)["status"] == "active"
    assert run("webhook", "redeliver", webhook_id) == {"redelivered": 1}
    assert run("webhook", "redeliver", webhook_id, "--since", "2026-01-01T00:00:00+00:00") == {"redelivered": 0}
    assert run("webhook", "delete", webhook_id)["status"] == "deleted"


def test_every_type_can_be_chosen(network: NetworkForTests) -> None:
    assert make_webhook(network, PUBLIC_URL, events=list(TYPES))["events"] == list(TYPES)
