"""Members found by phone: by whoever may, as much of them as each may see, and in nobody's log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from apiflask import APIFlask
from click.testing import CliRunner, Result
from sqlalchemy import select

from clearinghouse.members import web
from cli import clearinghouse
from tenants.credentials.rules import DIRECTORY, HQ, READ, REDEEM, TERMINAL
from tenants.credentials.service import create_credential
from tenants.foundation import rate_limits
from tenants.foundation.config import Settings
from tenants.foundation.database import unit_of_work
from tenants.foundation.rate_limits import Limit
from tenants.members.tables import Member
from tests.conftest import NetworkForTests, Till
from tests.test_faults import running

PHONE = "+4915123456789"
ADA = {"name": "Ada Lovelace", "phone": PHONE, "email": "ada@example.com", "reference": "M-1"}


def search(network: NetworkForTests, phone: Any, key: str | None = None, **fields: Any) -> Any:
    return network.call(key or network.hq_key, "POST", "/v1/member-search", {"phone": phone, **fields})


def add(network: NetworkForTests, **identity: Any) -> tuple[str, str]:
    """Ids of a new member and of the member's card."""
    member_id = network.hq("POST", "/v1/members", {**ADA, **identity}).json["member_id"]
    return member_id, network.hq("POST", f"/v1/members/{member_id}/cards").json["card"]


def test_a_till_finds_the_card_and_is_shown_no_more_than_it_needs(network: NetworkForTests, till: Till) -> None:
    member_id, card = add(network)

    answer = search(network, "+49 (151) 234-567-89", till.key)

    assert answer.status_code == 200
    [found] = answer.json["members"]
    assert (found["member_id"], found["name"], found["phone"], found["email"], found["reference"]) == (
        *(member_id, "A… L…", "…789", "a…@e…"),
        None,
    )
    assert [row["card"] for row in found["cards"]] == [card]
    assert not any(secret in answer.text for secret in ("Ada", "15123456", "example"))
    assert answer.headers["Cache-Control"] == "no-store"
    assert till.accrue(found["cards"][0]["card"], 1000).status_code == 201


def test_a_till_is_not_shown_cards_that_it_could_not_use(network: NetworkForTests, till: Till) -> None:
    _, card = add(network)
    new = network.hq("POST", f"/v1/cards/{card}/replace").json["card"]

    assert [row["card"] for row in search(network, PHONE, till.key).json["members"][0]["cards"]] == [new]
    assert len(search(network, PHONE).json["members"][0]["cards"]) == 2


def test_a_household_shares_a_number(network: NetworkForTests) -> None:
    first, second = add(network)[0], add(network, name="Ben", reference="M-2")[0]

    assert [row["member_id"] for row in search(network, PHONE).json["members"]] == [first, second]


def test_nobody_has_the_number(network: NetworkForTests) -> None:
    add(network)

    answer = search(network, "+4915123456780")

    assert (answer.status_code, answer.json) == (200, {"members": []})


def test_another_network_neither_finds_the_member_nor_has_the_same_hash(
    network: NetworkForTests, make_network: Callable[..., NetworkForTests]
) -> None:
    other = make_network()
    add(network), add(other)

    hashes = set()
    for each in (network, other):
        assert len(search(each, PHONE).json["members"]) == 1
        with unit_of_work(each.tenant_id) as session:
            hashes.add(session.scalars(select(Member.phone_hash).where(Member.phone_hash.is_not(None))).one())
    assert len(hashes) == 2


def test_the_region_of_the_network_reads_what_names_no_country(network: NetworkForTests) -> None:
    add(network)
    assert search(network, "0151 23456789").json["code"] == "phone_without_country"
    assert len(search(network, "0151 23456789", country="DE").json["members"]) == 1

    changed = network.hq("PATCH", "/v1/network", {"phone_region": "DE"})

    assert (changed.status_code, changed.json["phone_region"]) == (200, "DE")
    assert len(search(network, "0151 23456789").json["members"]) == 1
    assert search(network, "0151 23456789", country="US").json["code"] == "invalid_phone"
    assert network.hq("PATCH", "/v1/network", {"phone_region": None}).json["phone_region"] is None


def test_a_number_is_found_as_it_is_now_and_not_as_it_was(network: NetworkForTests) -> None:
    member_id, _ = add(network)

    network.hq("PATCH", f"/v1/members/{member_id}", {"phone": "+14155552671"})

    assert search(network, PHONE).json["members"] == []
    assert len(search(network, "+1 415 555 2671").json["members"]) == 1
    network.hq("PATCH", f"/v1/members/{member_id}", {"phone": None})
    assert search(network, "+1 415 555 2671").json["members"] == []


def test_a_number_that_looks_like_an_old_payment_card_is_one_all_the_same(network: NetworkForTests) -> None:
    phone = "+4915100000004"
    made = network.hq("POST", "/v1/members", {"phone": phone, "name": "Ada"})
    assert (made.status_code, made.json["phone"]) == (201, phone)

    assert len(search(network, phone).json["members"]) == 1
    refused = network.hq("POST", "/v1/members", {"phone": phone, "name": "4111 1111 1111 1111"})
    assert refused.json["code"] == "payment_card_number"


BAD = [
    (None, "invalid_input"),
    ("", "invalid_input"),
    ("x" * 41, "invalid_input"),
    (15123456789, "invalid_input"),
    (["+4915123456789"], "invalid_input"),
    ("hello", "invalid_phone"),
    ("4111 1111 1111 1111", "phone_without_country"),
    ("+4111111111111111", "invalid_phone"),
]


@pytest.mark.parametrize(("phone", "code"), BAD)
def test_what_is_no_number_is_refused(network: NetworkForTests, phone: Any, code: str) -> None:
    answer = search(network, phone)

    assert (answer.status_code, answer.json["code"]) == (422, code)


@pytest.mark.parametrize(
    "body", [{}, {"phone": PHONE, "country": "XX"}, {"phone": PHONE, "country": "de"}, {"phone": PHONE, "x": 1}, []]
)
def test_a_wrong_search_is_refused(network: NetworkForTests, body: Any) -> None:
    answer = network.hq("POST", "/v1/member-search", body)

    assert (answer.status_code, answer.json["code"]) == (422, "invalid_input")


def test_who_may_not_register_members_may_not_find_them(network: NetworkForTests, till: Till) -> None:
    _, key = create_credential(network.tenant_id, TERMINAL, "till", till.terminal_id, scopes=[READ, REDEEM])

    answer = search(network, PHONE, key)

    assert (answer.status_code, answer.json["code"]) == (403, "scope_missing")


def test_who_only_reads_is_shown_last_digits_everywhere(network: NetworkForTests) -> None:
    member_id, _ = add(network)
    _, reader = create_credential(network.tenant_id, HQ, "reader", scopes=[READ])
    _, writer = create_credential(network.tenant_id, HQ, "writer", scopes=[DIRECTORY])

    for key, shown in ((reader, ("…789", "a…@e…")), (writer, (PHONE, "ada@example.com"))):
        one = network.call(key, "GET", f"/v1/members/{member_id}").json
        [listed] = network.call(key, "GET", "/v1/members").json["members"]
        [found] = search(network, PHONE, key).json["members"]
        for each in (one, listed, found):
            assert (each["phone"], each["email"], each["name"]) == (*shown, "Ada Lovelace")
    assert network.call(reader, "GET", f"/v1/members/{member_id}/export").status_code == 403


def test_a_till_that_tries_numbers_is_stopped(
    settings: Settings, network: NetworkForTests, till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limits, "ANSWER_SECONDS_MAX", 10.0)
    monkeypatch.setattr(web, "SEARCHES", Limit(3, 3600))
    headers = {"Authorization": f"Bearer {till.key}"}
    with running(replace(settings, rate_limit=True)) as limited:
        client = limited.test_client()
        answers = [client.post("/v1/member-search", json={"phone": PHONE}, headers=headers) for _ in range(4)]
        balance = client.get(f"/v1/cards/{network.add_card()}", headers=headers)

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[-1].json["code"] == "too_many_searches"
    assert balance.status_code == 200, "the till goes on with everything else"


def test_tills_register_phone_and_email(network: NetworkForTests, till: Till, card: str) -> None:
    path = f"/v1/cards/{card}/registration"
    network.hq("PATCH", "/v1/network", {"phone_region": "DE"})

    made = till.call("POST", path, {"phone": "0151 23456789", "email": "ada@example.com"})

    assert (made.status_code, made.json["phone"]) == (201, PHONE)
    assert till.call("POST", path, {"phone": PHONE, "email": "ada@example.com"}).status_code == 201
    assert till.call("POST", path, {"phone": PHONE}).json["code"] == "already_registered"
    assert [row["card"] for row in search(network, PHONE, till.key).json["members"][0]["cards"]] == [card]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"phone": "12"}, "phone_without_country"),
        ({"phone": "+1"}, "invalid_phone"),
        ({"email": "ada"}, "invalid_input"),
        ({"country": "XX"}, "invalid_input"),
        ({"phone": 7}, "invalid_input"),
    ],
)
def test_a_wrong_change_changes_nothing(network: NetworkForTests, change: dict[str, Any], code: str) -> None:
    member_id, _ = add(network)
    before = network.hq("GET", f"/v1/members/{member_id}").json

    answer = network.hq("PATCH", f"/v1/members/{member_id}", {"name": "Other", **change})

    assert (answer.status_code, answer.json["code"]) == (422, code)
    assert network.hq("GET", f"/v1/members/{member_id}").json == before


@pytest.mark.parametrize(
    "body",
    [{"phone_region": "XX"}, {"phone_region": 1}, {"retention_months": 0}, {"retention_months": 601},
     {"retention_months": "12"}, {"retention_months": 1.5}, {"name": "Other"}],
)  # fmt: skip
def test_a_wrong_setting_of_the_network_is_refused(network: NetworkForTests, body: dict[str, Any]) -> None:
    assert network.hq("PATCH", "/v1/network", body).json["code"] == "invalid_input"
    shown = network.hq("GET", "/v1/network").json
    assert (shown["phone_region"], shown["retention_months"]) == (None, None)


def test_an_export_holds_all_that_is_kept(network: NetworkForTests, till: Till) -> None:
    member_id, card = add(network)
    till.accrue(card, 5000, order_ref="A-1")
    till.redeem(card, 20, order_ref="A-2")
    network.hq("POST", f"/v1/cards/{card}/payment-tokens", {"token": "tok_1234567890"})
    network.hq("PUT", f"/v1/members/{member_id}/pin", {"pin": "4821"})
    network.hq("POST", f"/v1/cards/{card}/replace", {"reason": "lost"})

    export = network.hq("GET", f"/v1/members/{member_id}/export")

    assert export.status_code == 200
    assert {field: export.json[field] for field in ADA} == ADA
    assert [row["order_ref"] for row in export.json["transfers"]] == ["A-1", "A-2"]
    assert (export.json["available"], export.json["payment_tokens"]) == (30, 1)
    assert export.json["pin_set_at"] is not None
    assert {"issued", "bound", "replaced"} <= {row["action"] for row in export.json["changes"]}
    assert len(export.json["cards"]) == 2
    assert "tok_" not in export.text and "4821" not in export.text


def test_the_export_of_nobody_is_not_found(network: NetworkForTests) -> None:
    path = "/v1/members/mem_01h455vb4pex5vsknk084sn02q/export"

    assert network.hq("GET", path).json["code"] == "member_unknown"


@pytest.fixture
def with_input(context: APIFlask, network: NetworkForTests) -> Callable[..., Result]:
    """Runs `clearinghouse` for the network, with this text as standard input."""
    environment = {"CLEARINGHOUSE_NETWORK": network.code}
    return lambda text, *words: CliRunner().invoke(
        clearinghouse, words, obj=lambda: context, input=text, env=environment
    )


def test_the_command_line_asks_for_what_others_could_see(
    network: NetworkForTests, with_input: Callable[..., Result]
) -> None:
    made = with_input(f"{PHONE}\nada@example.com\n", "member", "create", "--name", "Ada", "--phone", "--email")
    assert made.exit_code == 0, made.output

    found = with_input("0151 23456789\n", "member", "find", "--country", "DE", "--json")

    assert found.exit_code == 0, found.output
    assert '"email": "ada@example.com"' in found.stdout
    [member] = search(network, PHONE).json["members"]
    changed = with_input("\n", "member", "update", member["member_id"], "--phone")
    assert changed.exit_code == 0
    assert search(network, PHONE).json["members"] == []
    exported = with_input("", "member", "export", member["member_id"])
    assert '"email": "ada@example.com"' in exported.stdout
    assert with_input("nonsense\n", "member", "find").exit_code == 1
    assert (
        with_input("", "network", "set", network.code, "--phone-region", "DE", "--retention-months", "36").exit_code
        == 0
    )
    assert with_input("", "network", "set", network.code, "--phone-region", "XX").exit_code == 1
    shown = network.hq("GET", "/v1/network").json
    assert (shown["phone_region"], shown["retention_months"]) == ("DE", 36)
