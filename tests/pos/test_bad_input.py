"""Whatever a till sends: a stable code, nothing written, and no stack trace."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from apiflask import APIFlask
from sqlalchemy import create_engine, func, select, text
from werkzeug.test import TestResponse

from clearinghouse.ledger.tables import Transfer
from clearinghouse.networks.service import open_network
from clearinghouse.programme.rules import Terms
from tenants.credentials.service import list_credentials, revoke_credential
from tenants.foundation import ids
from tenants.foundation.config import Settings
from tenants.foundation.database import normal_url, unit_of_work
from tenants.foundation.luhn import check_digit
from tenants.networks.service import NewNetwork
from tests.conftest import NetworkForTests, Till

UNKNOWN_CARD = "99000000" + check_digit("99000000")
PROBLEM = "application/problem+json"
TRACES = re.compile(
    r"Traceback|File \"|psycopg2|sqlalchemy|marshmallow|werkzeug|\.py\b|SELECT |INSERT ", re.IGNORECASE
)
DEEP = b"[" * 100_000
LONG = b"9" * 10_000
TO_2_53 = 2**53


@pytest.fixture(scope="module")
def network(app: APIFlask) -> NetworkForTests:
    """One for the whole file, as no test writes to it."""
    fields = {"code": f"bad-{uuid4().hex[:8]}", "name": "Bad input", "time_zone": "UTC", "currency": "USD"}
    rates = {"funding_rate": Decimal(1), "redemption_rate": Decimal(1)}
    with app.app_context():
        new = NewNetwork(**fields, **rates, opened_on=date(2026, 1, 1), days_accepted_late=2000)
        tenant_id, hq_key = open_network(new, Terms(Decimal(1), Decimal(100), "P6M"))
        network = NetworkForTests(app, tenant_id, fields["code"], hq_key)
        network.add_till("A")
    return network


@pytest.fixture(autouse=True)
def nothing_is_written(context: APIFlask, network: NetworkForTests):
    yield
    assert count_transfers(network) == 0


def count_transfers(network: NetworkForTests) -> int:
    with unit_of_work(network.tenant_id) as session:
        return session.scalar(select(func.count()).select_from(Transfer)) or 0


def assert_problem(answer: TestResponse, status: int, code: str) -> None:
    assert (answer.status_code, answer.json and answer.json.get("code")) == (status, code), answer.data[:500]
    assert answer.content_type == PROBLEM
    assert answer.json.keys() >= {"type", "title", "status", "code", "detail"}
    assert answer.json["status"] == status
    assert answer.json["type"].endswith(code)
    assert answer.json["detail"]
    assert not TRACES.search(answer.get_data(as_text=True)), answer.data[:500]


def send(till: Till, path: str, data: bytes | str, headers: dict[str, str] | None = None) -> TestResponse:
    sent = {"Authorization": f"Bearer {till.key}", "Idempotency-Key": str(uuid4()), **(headers or {})}
    return till.client.post(path, data=data, headers=sent, content_type="application/json")


ACCRUALS, REDEMPTIONS, REVERSALS, BATCHES = "/v1/accruals", "/v1/redemptions", "/v1/reversals", "/v1/batches"
ABSENT = object()

FIELD_CASES: list[tuple[str, str, Any, str]] = [
    (ACCRUALS, "card", UNKNOWN_CARD, "card_unknown"),
    (ACCRUALS, "card", "6290000000000000", "invalid_input"),
    (ACCRUALS, "card", "1234567", "invalid_input"),
    (ACCRUALS, "card", "", "invalid_input"),
    (ACCRUALS, "card", 6290000000000017, "invalid_input"),
    (ACCRUALS, "card", None, "invalid_input"),
    (ACCRUALS, "card", ["6290000000000017"], "invalid_input"),
    (ACCRUALS, "card", "٦٢٩٠٠٠٠٠٠٠٠٠٠٠١٧", "invalid_input"),
    (ACCRUALS, "card", "6290000000000017\n", "invalid_input"),
    (ACCRUALS, "card", ABSENT, "invalid_input"),
    *[
        (path, name, value, "invalid_input")
        for path, name in ((ACCRUALS, "amount"), (REDEMPTIONS, "points"))
        for value in (-1, 1.5, 1.0, 1e5, float("nan"), float("inf"), float("-inf"), "100", "", True, False, None,
                      TO_2_53 + 1, 10**19, 10**400, [1], {"value": 1}, ABSENT)
    ],
    (REDEMPTIONS, "points", 0, "invalid_input"),
    (REDEMPTIONS, "points", TO_2_53, "insufficient_points"),
    (REDEMPTIONS, "card", UNKNOWN_CARD, "card_unknown"),
    (ACCRUALS, "currency", "EUR", "wrong_currency"),
    (ACCRUALS, "currency", "usd", "wrong_currency"),
    (ACCRUALS, "currency", "US", "invalid_input"),
    (ACCRUALS, "currency", 1, "invalid_input"),
    (ACCRUALS, "currency", "\x00\x00\x00", "wrong_currency"),
    (ACCRUALS, "currency", "\ud800\ud800\ud800", "invalid_json"),
    (ACCRUALS, "occurred_at", "2999-01-01T00:00:00Z", "occurred_at_in_future"),
    (ACCRUALS, "occurred_at", "9999-12-31T23:59:59-14:00", "occurred_at_in_future"),
    (ACCRUALS, "occurred_at", "1999-01-01T00:00:00Z", "occurred_at_too_old"),
    (ACCRUALS, "occurred_at", "0001-01-01T00:00:00+14:00", "occurred_at_too_old"),
    (ACCRUALS, "occurred_at", "2026-03-01T12:00:00", "invalid_input"),
    (ACCRUALS, "occurred_at", "2026-13-01T12:00:00Z", "invalid_input"),
    (ACCRUALS, "occurred_at", "2026-03-01T12:00:00+99:00", "invalid_input"),
    (ACCRUALS, "occurred_at", "yesterday", "invalid_input"),
    (ACCRUALS, "occurred_at", 1772366400, "invalid_input"),
    (ACCRUALS, "occurred_at", None, "invalid_input"),
    (ACCRUALS, "order_ref", "", "invalid_input"),
    (ACCRUALS, "order_ref", "x" * 65, "invalid_input"),
    (ACCRUALS, "order_ref", "A\t1", "invalid_input"),
    (ACCRUALS, "order_ref", "A-1\n", "invalid_input"),
    (ACCRUALS, "order_ref", "A\x7f", "invalid_input"),
    (ACCRUALS, "order_ref", "A\x001", "invalid_input"),
    (ACCRUALS, "order_ref", "A\ud8001", "invalid_json"),
    (ACCRUALS, "order_ref", 1001, "invalid_input"),
    (ACCRUALS, "order_ref", None, "invalid_input"),
    (ACCRUALS, "order_ref", ABSENT, "invalid_input"),
    (ACCRUALS, "points", 100, "invalid_input"),
    (ACCRUALS, "store", "B", "invalid_input"),
    (ACCRUALS, "tenant_id", "0197f3a0-0000-7000-8000-000000000001", "invalid_input"),
    (ACCRUALS, "\x00", 1, "invalid_input"),
    (ACCRUALS, "\ud800", 1, "invalid_json"),
    (REDEMPTIONS, "amount", 100, "invalid_input"),
    (REVERSALS, "transfer_id", ABSENT, "invalid_input"),
    (REVERSALS, "transfer_id", "", "invalid_id"),
    (REVERSALS, "transfer_id", "xfr_", "invalid_id"),
    (REVERSALS, "transfer_id", "nonsense", "invalid_id"),
    (REVERSALS, "transfer_id", "mem_01h455vb4pex5vsknk084sn02q", "invalid_id"),
    (REVERSALS, "transfer_id", "xfr_81h455vb4pex5vsknk084sn02q", "invalid_id"),
    (REVERSALS, "transfer_id", "xfr_" + "é" * 26, "invalid_id"),
    (REVERSALS, "transfer_id", "xfr_\x00", "invalid_id"),
    (REVERSALS, "transfer_id", "xfr_\ud800", "invalid_json"),
    (REVERSALS, "transfer_id", 1, "invalid_input"),
    (REVERSALS, "transfer_id", None, "invalid_input"),
    (REVERSALS, "transfer_id", "xfr_01h455vb4pex5vsknk084sn02q", "transfer_unknown"),
]  # fmt: skip

STATUSES = {
    "invalid_json": 400,
    "card_unknown": 404,
    "transfer_unknown": 404,
    "store_unknown": 404,
    "insufficient_points": 409,
    "idempotency_key_reused": 409,
}


def good_body(path: str, card: str) -> dict[str, Any]:
    return {
        ACCRUALS: {"card": card, "order_ref": "A-1", "amount": 1000},
        REDEMPTIONS: {"card": card, "order_ref": "A-1", "points": 10},
        REVERSALS: {"transfer_id": ids.show(ids.TRANSFER, ids.new_id())},
    }[path]


def bad_body(path: str, card: str, field: str, value: Any) -> dict[str, Any]:
    body = {**good_body(path, card), field: value}
    if value is ABSENT:
        del body[field]
    return body


def name_of(case: tuple[str, str, Any, str]) -> str:
    path, field, value, _ = case
    shown = "absent" if value is ABSENT else ascii(value)[:40]
    return f"{path.rpartition('/')[2]} {ascii(field)[1:-1]} {shown}"


@pytest.mark.parametrize(("path", "field", "value", "code"), FIELD_CASES, ids=[name_of(case) for case in FIELD_CASES])
def test_a_wrong_field_is_refused(till: Till, card: str, path: str, field: str, value: Any, code: str) -> None:
    answer = send(till, path, json.dumps(bad_body(path, card, field, value)))

    assert_problem(answer, STATUSES.get(code, 422), code)


def test_every_wrong_field_is_refused_in_a_batch_too_and_stops_no_other_event(
    network: NetworkForTests, till: Till, card: str
) -> None:
    cases = [case for case in FIELD_CASES if case[3] != "invalid_json" and case[3] != "insufficient_points"]
    events = [
        {**bad_body(path, card, field, value), "kind": path[4:-1], "idempotency_key": str(uuid4())}
        for path, field, value, _ in cases
    ]

    answer = send(till, BATCHES, json.dumps({"events": events}))

    assert answer.status_code == 200
    assert [result["problem"]["code"] for result in answer.json["results"]] == [case[3] for case in cases]
    assert answer.json["refused"] == len(cases)


BODY_CASES: list[tuple[str, bytes, int, str]] = [
    ("nothing", b"", 400, "invalid_json"),
    ("not JSON", b"card=1", 400, "invalid_json"),
    ("half of it", b'{"card": ', 400, "invalid_json"),
    ("not UTF-8", b'{"card": "\xff\xfe"}', 400, "invalid_json"),
    ("a surrogate in UTF-8", b'{"card": "\xed\xa0\x80"}', 400, "invalid_json"),
    ("UTF-16", '{"order_ref": "\\ud800"}'.encode("utf-16-le"), 400, "invalid_json"),
    ("an array", b"[]", 422, "invalid_input"),
    ("an array of objects", b'[{"card": "6290000000000017"}]', 422, "invalid_input"),
    ("a string", b'"card"', 422, "invalid_input"),
    ("a number", b"1", 422, "invalid_input"),
    ("null", b"null", 422, "invalid_input"),
    ("an empty object", b"{}", 422, "invalid_input"),
    ("100,000 levels", DEEP, 400, "invalid_json"),
    ("100,000 levels of objects", b'{"a":' * 100_000, 400, "invalid_json"),
    ("100,000 levels, closed", DEEP + b"]" * 100_000, 400, "invalid_json"),
    ("500 levels", b'{"card":' + b"[" * 500 + b"]" * 500 + b"}", 422, "invalid_input"),
    ("a number of 10,000 digits", b'{"amount": ' + LONG + b"}", 400, "invalid_json"),
    ("a number of 4,000 digits", b'{"amount": ' + b"9" * 4_000 + b"}", 422, "invalid_input"),
    ("an exponent", b'{"amount": 1e999}', 422, "invalid_input"),
    ("more than 8 MiB", b'"' + b"x" * (8 * 1024 * 1024) + b'"', 413, "body_too_large"),
]


@pytest.mark.parametrize("path", [ACCRUALS, REDEMPTIONS, BATCHES])
@pytest.mark.parametrize(("data", "status", "code"), [c[1:] for c in BODY_CASES], ids=[c[0] for c in BODY_CASES])
def test_a_body_that_is_no_event_is_refused(till: Till, path: str, data: bytes, status: int, code: str) -> None:
    assert_problem(send(till, path, data), status, code)


KEY_CASES = [
    ("an empty key", "", "idempotency_key_missing"),
    ("a key that is too long", "k" * 129, "idempotency_key_invalid"),
    ("a key with a space", "a b", "idempotency_key_invalid"),
    ("a key with a tab", "a\tb", "idempotency_key_invalid"),
    ("a key that is not ASCII", "clé", "idempotency_key_invalid"),
]


@pytest.mark.parametrize(("key", "code"), [case[1:] for case in KEY_CASES], ids=[case[0] for case in KEY_CASES])
@pytest.mark.parametrize("path", [ACCRUALS, REDEMPTIONS, REVERSALS])
def test_a_wrong_idempotency_key_is_refused(till: Till, card: str, path: str, key: str, code: str) -> None:
    answer = send(till, path, json.dumps(good_body(path, card)), {"Idempotency-Key": key})

    assert_problem(answer, 422, code)


@pytest.mark.parametrize("key", [None, "", 1, ["k"], {"k": 1}, True, "k" * 129, "a b", "clé", "a\x00b", "a\n"])
def test_a_wrong_idempotency_key_is_refused_in_a_batch(till: Till, card: str, key: Any) -> None:
    event = {**good_body(ACCRUALS, card), "kind": "accrual", "idempotency_key": key}

    answer = send(till, BATCHES, json.dumps({"events": [event]}))

    assert answer.json["results"][0]["problem"]["code"] in ("idempotency_key_missing", "idempotency_key_invalid")


def test_a_call_without_idempotency_key_is_refused(till: Till, card: str) -> None:
    for path in (ACCRUALS, REDEMPTIONS, REVERSALS):
        answer = till.call("POST", path, good_body(path, card))

        assert_problem(answer, 422, "idempotency_key_missing")


AUTHORIZATIONS = [
    ("no header", None),
    ("an empty header", ""),
    ("no key", "Bearer"),
    ("a blank key", "Bearer  "),
    ("another scheme", "Basic dXNlcjpwYXNz"),
    ("no prefix", "Bearer abc"),
    ("nothing after the prefix", "Bearer pos_"),
    ("too short", "Bearer pos_AaIA"),
    ("not base 64", "Bearer pos_" + "*" * 64),
    ("not ASCII", "Bearer pos_" + "é" * 64),
    ("a network that does not exist", "Bearer pos_" + "A" * 64),
    ("very long", "Bearer pos_" + "A" * 6400),
]


@pytest.mark.parametrize("header", [case[1] for case in AUTHORIZATIONS], ids=[case[0] for case in AUTHORIZATIONS])
def test_a_key_that_is_none_is_refused(till: Till, card: str, header: str | None) -> None:
    headers = {"Idempotency-Key": "k"} | ({} if header is None else {"Authorization": header})

    for path in (ACCRUALS, BATCHES):
        answer = till.client.post(path, json=good_body(ACCRUALS, card), headers=headers)

        assert_problem(answer, 401, "unauthenticated")
        assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_key_with_another_ending_is_refused(till: Till, card: str) -> None:
    guessed = replace(till, key=till.key[:-8] + ("AAAAAAAA" if till.key[-8:] != "AAAAAAAA" else "BBBBBBBB"))

    assert_problem(guessed.accrue(card, 1000), 401, "unauthenticated")


def test_a_revoked_key_is_refused(network: NetworkForTests, card: str) -> None:
    till = network.add_till("D")
    newest = list_credentials(network.tenant_id)[-1]
    revoke_credential(network.tenant_id, newest.credential_id)

    assert_problem(till.accrue(card, 1000), 401, "unauthenticated")


def test_a_key_of_head_office_can_not_post(network: NetworkForTests, card: str) -> None:
    answer = network.hq("POST", ACCRUALS, good_body(ACCRUALS, card))

    assert_problem(answer, 403, "wrong_kind_of_key")


def test_a_key_of_another_network_sees_neither_card_nor_transfer(
    make_network: Callable[..., NetworkForTests], network: NetworkForTests, till: Till, card: str
) -> None:
    other = make_network()
    theirs = other.add_till("A")
    their_card = other.add_card()
    their_sale = theirs.accrue(their_card, 1000, order_ref="A-1").json

    assert_problem(till.accrue(their_card, 1000), 404, "card_unknown")
    assert_problem(till.redeem(their_card, 1), 404, "card_unknown")
    assert_problem(till.reverse(their_sale["transfer_id"]), 404, "transfer_unknown")
    assert_problem(till.call("GET", f"/v1/cards/{their_card}"), 404, "card_unknown")
    named = {"original_order_ref": "A-1", "original_kind": "accrual"}
    assert_problem(till.post(REVERSALS, named), 404, "transfer_unknown")
    assert till.call("GET", "/v1/transfers").json["transfers"] == []
    assert theirs.balance(their_card)["available"] == 10


REVERSAL_CASES = [
    ({"original_order_ref": "A-1"}, 404, "transfer_unknown"),
    ({"original_kind": "accrual"}, 422, "invalid_input"),
    ({"original_order_ref": "A-1", "original_kind": "expiry"}, 422, "invalid_input"),
    ({"original_order_ref": "A-1", "original_kind": "accrual_reversal"}, 422, "invalid_input"),
    ({"original_order_ref": "A-1", "original_kind": "accrual"}, 404, "transfer_unknown"),
    ({"original_order_ref": "A-1", "original_kind": "accrual", "original_store": "Z"}, 404, "store_unknown"),
    ({"original_order_ref": "A-1", "original_kind": "accrual", "original_store": ""}, 422, "invalid_input"),
    ({"original_order_ref": "A-1", "original_kind": "accrual", "original_store": "\x00"}, 422, "invalid_input"),
    ({"original_order_ref": "A-1", "original_kind": "accrual", "original_store": "\ud800"}, 400, "invalid_json"),
]


@pytest.mark.parametrize(("body", "status", "code"), REVERSAL_CASES)
def test_a_reversal_that_names_nothing_is_refused(till: Till, body: dict[str, Any], status: int, code: str) -> None:
    assert_problem(send(till, REVERSALS, json.dumps(body)), status, code)


BATCH_CASES: list[tuple[str, Any, int, str]] = [
    ("no events", {"events": []}, 422, "invalid_input"),
    ("5,001 events", {"events": [{}] * 5_001}, 422, "invalid_input"),
    ("events that are no list", {"events": {}}, 422, "invalid_input"),
    ("an event that is no object", {"events": [1]}, 422, "invalid_input"),
    ("a null event", {"events": [None]}, 422, "invalid_input"),
    ("an event that is a list", {"events": [{}, []]}, 422, "invalid_input"),
    ("another field", {"events": [{}], "store": "A"}, 422, "invalid_input"),
    ("a surrogate", {"events": [{"kind": "accrual", "idempotency_key": "k", "order_ref": "\ud800"}]}, 400,
     "invalid_json"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "status", "code"), [c[1:] for c in BATCH_CASES], ids=[c[0] for c in BATCH_CASES])
def test_a_batch_that_is_none_is_refused(till: Till, body: Any, status: int, code: str) -> None:
    assert_problem(send(till, BATCHES, json.dumps(body)), status, code)


@pytest.mark.parametrize("kind", [None, "", "expiry", "Accrual", 1, ["accrual"], {}, "\x00"])
def test_an_event_of_no_known_kind_is_refused(till: Till, card: str, kind: Any) -> None:
    event = {**good_body(ACCRUALS, card), "kind": kind, "idempotency_key": "k"}

    answer = send(till, BATCHES, json.dumps({"events": [event, {}]}))

    assert [result["problem"]["code"] for result in answer.json["results"]] == ["invalid_kind"] * 2


def test_a_method_that_a_route_lacks_is_answered_with_those_it_has(till: Till) -> None:
    answer = till.call("GET", "/v1/accruals")

    assert answer.status_code == 405
    assert answer.allow == {"POST", "OPTIONS"}


ROUTE_CASES = [
    ("GET", "/v1/accruals", 405, "method_not_allowed"),
    ("DELETE", "/v1/accruals", 405, "method_not_allowed"),
    ("PUT", "/v1/batches", 405, "method_not_allowed"),
    ("POST", "/v1/transfers", 405, "method_not_allowed"),
    ("GET", "/v1/nothing", 404, "no_such_route"),
    ("POST", "/v2/accruals", 404, "no_such_route"),
    ("GET", "/v1/cards/", 404, "no_such_route"),
    ("GET", "/v1/cards/%00", 422, "card_number_invalid"),
    ("GET", "/v1/cards/%F0%28%8C", 422, "card_number_invalid"),
    ("GET", "/v1/cards/6290000000000000", 422, "card_number_invalid"),
    ("GET", f"/v1/cards/{UNKNOWN_CARD}", 404, "card_unknown"),
    ("GET", "/v1/transfers?limit=0", 422, "invalid_input"),
    ("GET", "/v1/transfers?limit=-1", 422, "invalid_input"),
    ("GET", "/v1/transfers?limit=501", 422, "invalid_input"),
    ("GET", "/v1/transfers?limit=ten", 422, "invalid_input"),
    ("GET", "/v1/transfers?limit=", 422, "invalid_input"),
    ("GET", f"/v1/transfers?limit={'9' * 5000}", 422, "invalid_input"),
    ("GET", "/v1/transfers?cursor=", 422, "invalid_id"),
    ("GET", "/v1/transfers?cursor=nonsense", 422, "invalid_id"),
    ("GET", "/v1/transfers?cursor=%00", 422, "invalid_id"),
    ("GET", "/v1/transfers?cursor=mem_01h455vb4pex5vsknk084sn02q", 422, "invalid_id"),
    ("GET", "/v1/transfers?card=1", 422, "invalid_input"),
    ("GET", "/v1/transfers?order_ref=%00", 422, "invalid_input"),
    ("GET", "/v1/transfers?order_ref=", 422, "invalid_input"),
    ("GET", "/v1/transfers?store=B", 422, "invalid_input"),
]


@pytest.mark.parametrize(("method", "path", "status", "code"), ROUTE_CASES)
def test_a_call_that_leads_nowhere_is_refused(till: Till, method: str, path: str, status: int, code: str) -> None:
    assert_problem(till.call(method, path), status, code)


def test_a_validation_error_names_the_field(till: Till, card: str) -> None:
    answer = till.accrue(card, -1)

    assert answer.json["errors"].keys() == {"amount"}


class TestAccepted:
    """What looks strange and is not wrong."""

    @pytest.fixture
    def network(self, make_network: Callable[..., NetworkForTests]) -> NetworkForTests:
        network = make_network()
        network.add_till("A")
        return network

    @pytest.fixture(autouse=True)
    def nothing_is_written(self):
        """Something is, here."""

    @pytest.mark.parametrize(
        "order_ref", ["x" * 64, "Bestellung Nr. 7, Straße", "订单", "🛒", "' OR 1=1 --", "\\", '"', "{}", "%s"]
    )
    def test_an_order_may_be_called_anything_printable(self, till: Till, card: str, order_ref: str) -> None:
        posted = till.accrue(card, 1000, order_ref=order_ref)
        listed = till.call("GET", "/v1/transfers").json["transfers"]

        assert posted.status_code == 201, posted.json
        assert posted.json["order_ref"] == order_ref
        assert [transfer["order_ref"] for transfer in listed] == [order_ref]

    @pytest.mark.parametrize("amount", [0, TO_2_53])
    def test_the_ends_of_the_range_are_accepted(self, till: Till, card: str, amount: int) -> None:
        answer = till.accrue(card, amount)

        assert answer.status_code == 201, answer.json
        assert (answer.json["amount"], answer.json["points"]) == (amount, amount // 100)

    def test_the_longest_idempotency_key_is_accepted(self, till: Till, card: str) -> None:
        key = "~" * 128

        assert till.accrue(card, 100, key=key, order_ref="o").status_code == 201
        assert till.accrue(card, 100, key=key, order_ref="o").headers["Idempotent-Replayed"] == "true"

    def test_an_offset_counts_and_a_second_spelling_of_it_is_the_same_request(self, till: Till, card: str) -> None:
        first = till.accrue(card, 100, key="k", order_ref="o", occurred_at="2026-03-01T12:00:00Z")
        again = till.accrue(card, 100, key="k", order_ref="o", occurred_at="2026-03-01T12:00:00+00:00")

        assert (first.status_code, again.status_code) == (201, 201), again.json
        assert again.json == first.json

    def test_a_bad_event_leaves_its_key_free(self, till: Till, card: str) -> None:
        assert till.redeem(card, 10, key="k").status_code == 409
        till.accrue(card, 1000)

        assert till.redeem(card, 10, key="k").status_code == 201

    def test_good_and_bad_events_of_a_batch_are_told_apart(self, till: Till, card: str) -> None:
        good = {**good_body(ACCRUALS, card), "kind": "accrual", "idempotency_key": "k1"}
        twice = dict(good)
        other_body = {**good, "amount": 5}
        bad = {**good, "idempotency_key": "k2", "amount": -1, "order_ref": "A-2"}
        unknown = {**good, "idempotency_key": "k3", "card": UNKNOWN_CARD, "order_ref": "A-3"}
        last = {**good, "idempotency_key": "k4", "order_ref": "A-4"}

        answer = send(till, BATCHES, json.dumps({"events": [bad, good, twice, other_body, unknown, last]})).json

        outcomes = [r["problem"]["code"] if "problem" in r else r["outcome"] for r in answer["results"]]
        assert outcomes == [
            "invalid_input", "posted", "replayed", "idempotency_key_reused", "card_unknown", "posted",
        ]  # fmt: skip
        assert [result["index"] for result in answer["results"]] == list(range(6))
        assert (answer["posted"], answer["replayed"], answer["refused"]) == (2, 1, 3)
        assert till.balance(card)["available"] == 20

    def test_points_beyond_what_can_be_counted_are_refused_and_stop_no_other_event(
        self, make_network: Callable[..., NetworkForTests]
    ) -> None:
        network = make_network(base_rate=Decimal(999_999))
        till, card = network.add_till("A"), network.add_card()
        event = {**good_body(ACCRUALS, card), "kind": "accrual", "idempotency_key": "k1"}
        too_much = {**event, "idempotency_key": "k2", "order_ref": "A-2", "amount": TO_2_53}

        single = till.accrue(card, TO_2_53)
        batch = till.call("POST", BATCHES, {"events": [event, too_much]})

        assert single.status_code == 422, single.json
        assert batch.status_code == 200, batch.json
        assert [result["outcome"] for result in batch.json["results"]] == ["posted", "refused"]

    def test_a_repeat_is_answered_as_before_when_its_event_has_become_too_old(
        self, app: APIFlask, settings: Settings, network: NetworkForTests, till: Till, card: str
    ) -> None:
        """Keys are kept for ever, and idempotency comes before every rule of business."""
        sale = {"key": "k", "order_ref": "o", "occurred_at": "2026-03-01T12:00:00Z"}
        first = till.accrue(card, 1000, **sale)
        engine = create_engine(normal_url(settings.database_url))
        with engine.begin() as connection:
            shorten = text("UPDATE tenants.networks SET days_accepted_late = 1 WHERE tenant_id = :tenant")
            connection.execute(shorten, {"tenant": network.tenant_id})
        engine.dispose()
        app.extensions["principals"].clear()

        again = till.accrue(card, 1000, **sale)

        assert (again.status_code, again.json) == (201, first.json)
