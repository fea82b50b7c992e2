"""What looks like the number of a payment card is refused wherever it comes in, and is said nowhere again."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from clearinghouse.imports.service import import_purchases
from cli import clearinghouse
from tenants.foundation import ids
from tenants.foundation.errors import InvalidInput
from tenants.members.service import create_members_with_cards, issue_card
from tests.conftest import NetworkForTests, Till

NUMBER = "4111111111111111"
SPELLINGS = [NUMBER, "4111 1111 1111 1111", "4111-1111-1111-1111"]
GOOD = {"order_ref": "A-1", "amount": 1000}


def assert_refused(answer: TestResponse) -> None:
    assert (answer.status_code, answer.json["code"]) == (422, "payment_card_number"), answer.json
    assert answer.json["detail"].endswith("Never send card numbers; send your payment provider's token.")
    assert not [spelling for spelling in SPELLINGS if spelling in answer.text]
    assert "errors" not in answer.json


@pytest.fixture(autouse=True)
def nothing_is_logged(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.DEBUG):
        yield
    assert not [spelling for spelling in SPELLINGS if spelling in caplog.text]


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("field", ["card", "payment_token", "order_ref", "currency", "occurred_at", "colour"])
def test_a_field_of_any_name_is_refused(till: Till, card: str, field: str, spelling: str) -> None:
    assert_refused(till.post("/v1/accruals", {"card": card, **GOOD, field: spelling}))


BODIES: list[Any] = [
    {**GOOD, "card": int(NUMBER)},
    {**GOOD, "card": [NUMBER]},
    {**GOOD, "card": {"number": {"is": NUMBER}}},
    {**GOOD, NUMBER: 1},
    {**GOOD, "amount": int(NUMBER)},
    {**GOOD, "order_ref": f"paid with {NUMBER}, 12/27"},
    {**GOOD, "order_ref": f"\n{NUMBER}"},
    NUMBER,
    int(NUMBER),
    [NUMBER],
]


@pytest.mark.parametrize("body", BODIES)
def test_a_body_is_refused_wherever_in_it_the_number_is(till: Till, body: Any) -> None:
    assert_refused(till.post("/v1/accruals", body))


RAW = [
    b'{"card": "\\u0034111111111111111"}',
    b'{"card": 4111111111111111',
    b'{"card": 4.111111111111111e15}',
    b"card=4111111111111111",
    b"%B4111111111111111^DOE/JANE^25121010000000000000?",
    b'{"card": "4111111111111111", "name": "\xff"}',
]


@pytest.mark.parametrize("data", RAW)
def test_a_body_is_refused_however_it_is_spelt(till: Till, data: bytes) -> None:
    headers = {"Authorization": f"Bearer {till.key}", "Idempotency-Key": "k"}

    assert_refused(till.client.post("/v1/accruals", data=data, headers=headers))


PATHS = [
    ("GET", f"/v1/cards/{NUMBER}"),
    ("GET", "/v1/cards/4111%201111%201111%201111"),
    ("GET", "/v1/cards/%34111111111111111"),
    ("POST", f"/v1/cards/{NUMBER}/registration"),
    ("POST", f"/v1/cards/{NUMBER}/payment-tokens"),
    ("GET", f"/v1/transfers?card={NUMBER}"),
    ("GET", f"/v1/transfers?order_ref=A+{NUMBER}"),
    ("GET", "/v1/transfers?order_ref=4111+1111+1111+1111"),
    ("GET", "/v1/transfers?order_ref=%34111111111111111"),
    ("GET", f"/v1/transfers?cursor={NUMBER}"),
    ("GET", f"/v1/transfers?{NUMBER}=1"),
    ("GET", f"/v1/members/{NUMBER}"),
    ("GET", f"/no-such-route/{NUMBER}"),
    ("DELETE", f"/v1/cards/{NUMBER}"),
]


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_a_path_or_a_query_is_refused(till: Till, method: str, path: str) -> None:
    assert_refused(till.call(method, path))


def test_an_idempotency_key_is_refused(till: Till, card: str) -> None:
    for spelling in SPELLINGS:
        assert_refused(till.accrue(card, 1000, key=spelling))
        assert_refused(till.accrue(card, 1000, key=f"sale:{spelling}"))


@pytest.mark.parametrize(
    "path", ["/v1/members", "/v1/stores", "/v1/participants", "/v1/keys", "/v1/programme/versions"]
)
def test_head_office_is_refused_too(network: NetworkForTests, path: str) -> None:
    assert_refused(network.hq("POST", path, {"name": NUMBER}))


def event(card: str, order_ref: str, **fields: Any) -> dict[str, Any]:
    return {"kind": "accrual", "idempotency_key": str(uuid4()), "card": card, "order_ref": order_ref, "amount": 1000,
            **fields}  # fmt: skip


BAD_EVENTS: list[dict[str, Any]] = [
    {"card": NUMBER},
    {"order_ref": "4111 1111 1111 1111"},
    {"idempotency_key": NUMBER},
    {"kind": NUMBER},
    {"amount": int(NUMBER)},
    {NUMBER: NUMBER},
    {"card": {"number": [NUMBER]}},
    {"order_ref": f"\n{NUMBER}"},
]


def test_in_a_batch_only_the_events_that_hold_one_are_refused(till: Till, card: str) -> None:
    events = [event(card, f"g{n}") for n in range(300)]
    places = range(5, 300, 40)
    for place, fields in zip(places, BAD_EVENTS, strict=True):
        events[place].update(fields)

    answer = till.call("POST", "/v1/batches", {"events": events})

    assert answer.status_code == 200
    results = answer.json["results"]
    refused = {r["index"]: r["problem"]["code"] for r in results if r["outcome"] == "refused"}
    assert refused == dict.fromkeys(places, "payment_card_number")
    assert answer.json["posted"] == 300 - len(BAD_EVENTS)
    assert not [spelling for spelling in SPELLINGS if spelling in answer.text]
    assert till.balance(card)["available"] == 10 * (300 - len(BAD_EVENTS))


@pytest.mark.parametrize(
    "body", [{NUMBER: 1, "events": []}, {"events": NUMBER}, {"events": [], "card": NUMBER}, [NUMBER], NUMBER]
)
def test_a_batch_that_holds_one_beside_its_events_is_refused(till: Till, body: Any) -> None:
    assert_refused(till.call("POST", "/v1/batches", body))


def test_half_a_batch_that_holds_one_is_refused(till: Till, card: str) -> None:
    whole = json.dumps({"events": [event(card, "1"), event(NUMBER, "2")]})
    headers = {"Authorization": f"Bearer {till.key}"}

    assert_refused(till.client.post("/v1/batches", data=whole[:-1], headers=headers))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.uuids(), st.integers(10**5, 10**12 - 1))
def test_what_tills_send_every_day_is_never_refused(till: Till, card: str, key: Any, order: int) -> None:
    answer = till.accrue(card, 100, key=str(key), order_ref=f"A{order}-{key}"[:64])

    assert answer.status_code in (201, 409), answer.json


def test_a_loyalty_card_can_not_have_such_a_number(network: NetworkForTests) -> None:
    member_id = network.hq("POST", "/v1/members").json["member_id"]

    assert_refused(network.hq("POST", f"/v1/members/{member_id}/cards", {"number": NUMBER}))
    for make in (
        lambda: create_members_with_cards(network.tenant_id, {"M-1": NUMBER}),
        lambda: issue_card(network.tenant_id, ids.parse(ids.MEMBER, member_id), NUMBER),
    ):
        with pytest.raises(InvalidInput) as refusal:
            make()
        assert refusal.value.code == "payment_card_number"
        assert NUMBER not in refusal.value.message


@pytest.mark.parametrize(
    "arguments",
    [
        ["card", "show", NUMBER],
        ["card", "issue", NUMBER],
        ["member", "create", "--name", "4111 1111 1111 1111"],
        ["card", "bind", "79927398713", "--token", NUMBER],
        [NUMBER],
        ["--no-such-option", NUMBER],
        ["card", "show", f"--json={NUMBER}"],
    ],
)
def test_a_command_is_refused(app: Any, arguments: list[str]) -> None:
    result = CliRunner().invoke(clearinghouse, arguments)

    assert result.exit_code == 1
    assert NUMBER not in result.output
    assert "Never send card numbers" in str(result.exception)
    assert NUMBER not in str(result.exception)


def test_an_import_rejects_the_row_and_does_not_repeat_it(
    network: NetworkForTests, card: str, tmp_path: Path
) -> None:
    file = tmp_path / "purchases.csv"
    rows = [
        "order_ref,store,card,occurred_at,amount",
        f"1,A,{card},2026-05-01T12:00:00Z,1000",
        f"2,A,{NUMBER},2026-05-01T12:00:00Z,1000",
        f"4111 1111 1111 1111,A,{card},2026-05-01T12:00:00Z,1000",
        f"4,A,{card},2026-05-01T12:00:00Z,{NUMBER}",
        f"5,A,{card},2026-05-01T12:00:00Z,1000",
    ]
    file.write_text("\n".join(rows))

    report = import_purchases(
        network.tenant_id, file, since=None, redeem_up_to_available=False, on_progress=lambda steps: None
    )

    assert (report.accruals_posted, report.rejected) == (2, 3)
    assert report.rejected_path is not None
    rejected = report.rejected_path.read_text()
    assert rejected.count("payment_card_number") == 3
    assert not [spelling for spelling in SPELLINGS if spelling in rejected]


def test_an_import_does_not_repeat_one_from_the_first_line(network: NetworkForTests, tmp_path: Path) -> None:
    file = tmp_path / "purchases.csv"
    file.write_text(f"1,A,{NUMBER},2026-05-01T12:00:00Z,1000\n")

    with pytest.raises(InvalidInput) as refusal:
        import_purchases(
            network.tenant_id, file, since=None, redeem_up_to_available=False, on_progress=lambda steps: None
        )

    assert refusal.value.code == "payment_card_number"
    assert NUMBER not in refusal.value.message
