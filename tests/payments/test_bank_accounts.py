"""Bank accounts: what is one, who sees it, and that what was replaced is kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from tenants.bank_accounts.rules import check_creditor_id, mask
from tenants.bank_accounts.service import number_of
from tenants.bank_accounts.tables import BankAccount
from tenants.credentials.rules import DIRECTORY, READ
from tenants.credentials.service import HQ, create_credential
from tenants.foundation import clock
from tenants.foundation.database import unit_of_work
from tenants.foundation.errors import InvalidInput
from tenants.staff.rules import AUDITOR, TREASURER
from tests.conftest import NetworkForTests
from tests.payments.conftest import Person, person

IBAN = "DE89370400440532013000"
ACCOUNT = {"holder": "Acme LLC", "iban": IBAN}
MANDATE = {"mandate_id": "ACME-1", "mandate_signed_on": "2026-01-05", "mandate_scheme": "B2B"}
PATH = "/v1/participants/A/bank-account"


def rows(network: NetworkForTests) -> list[BankAccount]:
    with unit_of_work(network.tenant_id) as session:
        return list(session.scalars(select(BankAccount).order_by(BankAccount.bank_account_id)))


def test_an_account_is_shown_masked_to_all_but_who_pays(network: NetworkForTests) -> None:
    put = network.hq("PUT", PATH, {**ACCOUNT, **MANDATE, "bic": "cobadeffxxx"})

    assert put.status_code == 200
    assert put.json["iban"] == "DE…3000"
    assert (put.json["bic"], put.json["mandate_scheme"], put.json["participant"]) == ("COBADEFFXXX", "B2B", "A")
    assert IBAN not in network.hq("GET", PATH).text + network.hq("GET", "/v1/bank-accounts").text
    path = PATH.removeprefix("/v1")
    assert person(network, TREASURER).call("GET", path).json["iban"] == IBAN
    assert person(network, AUDITOR).call("GET", path).json["iban"] == "DE…3000"


def test_spaces_and_small_letters_of_an_iban_do_not_matter(network: NetworkForTests) -> None:
    network.hq("PUT", PATH, {**ACCOUNT, "iban": "de89 3704 0044 0532 0130 00"})

    assert [number_of(row) for row in rows(network)] == [IBAN]


IBANS: list[tuple[str, str]] = [
    ("DE89370400440532013001", "check digits are wrong"),
    ("DE88370400440532013000", "check digits are wrong"),
    ("DE8937040044053201300", "too long or too short"),
    ("XY89370400440532013000", "country is unknown"),
    ("DE8937040044053201300A", "characters where none"),
    ("nonsense", "characters where none"),
]


@pytest.mark.parametrize(("iban", "said"), IBANS)
def test_a_wrong_iban_is_refused_and_changes_nothing(network: NetworkForTests, iban: str, said: str) -> None:
    network.hq("PUT", PATH, ACCOUNT)

    answer = network.hq("PUT", PATH, {"holder": "Acme LLC", "iban": iban})

    assert (answer.status_code, answer.json["code"]) == (422, "invalid_iban")
    assert said in answer.json["detail"]
    assert [(number_of(row), row.ended_at) for row in rows(network)] == [(IBAN, None)]


BAD: list[tuple[dict[str, Any], str]] = [
    ({"holder": "Acme LLC"}, "invalid_bank_account"),
    ({**ACCOUNT, "account_number": "123"}, "invalid_bank_account"),
    ({**ACCOUNT, "bic": "COBAXXFF"}, "invalid_bic"),
    ({**ACCOUNT, "mandate_id": "M-1"}, "invalid_mandate"),
    ({**ACCOUNT, **MANDATE, "mandate_signed_on": "2999-01-01"}, "invalid_mandate"),
    ({"holder": "Acme LLC", "account_number": "12345678", **MANDATE}, "invalid_mandate"),
    ({**ACCOUNT, **MANDATE, "mandate_scheme": "COR1"}, "invalid_input"),
    ({**ACCOUNT, **MANDATE, "mandate_id": "/M"}, "invalid_input"),
    ({**ACCOUNT, **MANDATE, "mandate_id": "M//1"}, "invalid_input"),
    ({**ACCOUNT, **MANDATE, "mandate_id": "M" * 36}, "invalid_input"),
    ({**ACCOUNT, "creditor_id": "DE98ZZZ09999999999"}, "invalid_input"),
    ({**ACCOUNT, "holder": ""}, "invalid_input"),
    ({**ACCOUNT, "iban": ""}, "invalid_input"),
    ({**ACCOUNT, "iban": None}, "invalid_input"),
    ({**ACCOUNT, "iban": 5}, "invalid_input"),
    ({"holder": "Acme LLC", "account_number": "=1+1"}, "invalid_input"),
]


@pytest.mark.parametrize(("body", "code"), BAD)
def test_what_is_no_account_is_refused(network: NetworkForTests, body: dict[str, Any], code: str) -> None:
    answer = network.hq("PUT", PATH, body)

    assert (answer.status_code, answer.json["code"]) == (422, code)
    assert rows(network) == []


CREDITORS: list[tuple[str, bool]] = [
    ("DE98ZZZ09999999999", True),
    ("AT61ZZZ01234567890", True),
    ("DE98ABC09999999999", True),
    ("DE97ZZZ09999999999", False),
    ("DE98ZZZ09999999998", False),
    ("DE98", False),
    ("", False),
    ("de98ZZZ09999999999", False),
]


@pytest.mark.parametrize(("creditor_id", "is_right"), CREDITORS)
def test_creditor_identifiers_have_check_digits(creditor_id: str, is_right: bool) -> None:
    if is_right:
        check_creditor_id(creditor_id)
    else:
        with pytest.raises(InvalidInput) as refused:
            check_creditor_id(creditor_id)
        assert refused.value.code == "invalid_creditor_id"


@pytest.mark.parametrize(("number", "shown"), [(IBAN, "DE…3000"), ("12345678", "…5678"), ("1234", "…"), ("1", "…")])
def test_four_characters_are_shown_of_a_number(number: str, shown: str) -> None:
    assert mask(number) == shown


def test_an_account_that_is_replaced_has_ended_and_stays(network: NetworkForTests) -> None:
    network.hq("PUT", PATH, ACCOUNT)
    network.hq("PUT", PATH, ACCOUNT)
    network.hq("PUT", PATH, {"holder": "Acme LLC", "account_number": "12345678"})

    first, second = rows(network)
    assert (number_of(first), first.ended_at) == (IBAN, second.made_at)
    assert (number_of(second), second.ended_at) == ("12345678", None)
    assert first.made_by.startswith("key key_")


def test_two_participants_have_no_mandate_in_common(network: NetworkForTests) -> None:
    network.hq("PUT", PATH, {**ACCOUNT, **MANDATE})

    answer = network.hq("PUT", "/v1/participants/B/bank-account", {**ACCOUNT, **MANDATE})

    assert (answer.status_code, answer.json["code"]) == (409, "mandate_exists")
    again = network.hq("PUT", PATH, {**ACCOUNT, **MANDATE, "holder": "Acme"})
    assert again.status_code == 200, "a participant keeps its mandate with another account"


def test_head_office_has_an_account_of_its_own(network: NetworkForTests) -> None:
    assert network.hq("GET", "/v1/network/bank-account").json["code"] == "bank_account_unknown"

    put = network.hq("PUT", "/v1/network/bank-account", {**ACCOUNT, "creditor_id": "DE98ZZZ09999999999"})

    assert put.json["participant"] is None
    assert network.hq("GET", "/v1/network/bank-account").json == put.json
    assert network.hq("GET", "/v1/bank-accounts").json == {"bank_accounts": [], "next_cursor": None}
    wrong = network.hq("PUT", "/v1/network/bank-account", {**ACCOUNT, "creditor_id": "DE97ZZZ09999999999"})
    assert (wrong.status_code, wrong.json["code"]) == (422, "invalid_creditor_id")


def test_accounts_are_listed_in_pages(network: NetworkForTests) -> None:
    for code in "CAB":
        network.hq("PUT", f"/v1/participants/{code}/bank-account", ACCOUNT)

    first = network.hq("GET", "/v1/bank-accounts?limit=2").json
    second = network.hq("GET", f"/v1/bank-accounts?limit=2&cursor={first['next_cursor']}").json

    assert [row["participant"] for row in first["bank_accounts"]] == ["A", "B"]
    assert [row["participant"] for row in second["bank_accounts"]] == ["C"]
    assert second["next_cursor"] is None


def test_participants_and_accounts_that_are_not_there_are_told_apart(network: NetworkForTests) -> None:
    nobody = "/v1/participants/nowhere/bank-account"

    assert network.hq("GET", PATH).json["code"] == "bank_account_unknown"
    assert network.hq("GET", nobody).json["code"] == "participant_unknown"
    assert network.hq("PUT", nobody, ACCOUNT).json["code"] == "participant_unknown"


def test_another_network_sees_no_account(
    network: NetworkForTests, make_network: Callable[..., NetworkForTests]
) -> None:
    network.hq("PUT", PATH, ACCOUNT)
    other = make_network()

    assert other.hq("GET", PATH).status_code == 404
    assert other.hq("GET", "/v1/bank-accounts").json["bank_accounts"] == []


def test_only_who_keeps_the_directory_or_pays_names_accounts(network: NetworkForTests, till: Any) -> None:
    _, reading = create_credential(network.tenant_id, HQ, "reports", scopes=[READ])
    _, directory = create_credential(network.tenant_id, HQ, "directory", scopes=[DIRECTORY])
    path = PATH.removeprefix("/v1")

    assert Person(network, reading).call("PUT", path, ACCOUNT).json["code"] == "scope_missing"
    assert person(network, AUDITOR).call("PUT", path, ACCOUNT).json["code"] == "scope_missing"
    assert till.call("PUT", PATH, ACCOUNT).json["code"] == "wrong_kind_of_key"
    assert Person(network, directory).call("PUT", path, ACCOUNT).status_code == 200
    answer = person(network, TREASURER).call("PUT", path, {**ACCOUNT, "holder": "Acme"})
    assert answer.json["made_by"].startswith("treasurer")


def test_a_mandate_may_be_signed_today(network: NetworkForTests) -> None:
    today = clock.now().date()

    signed = network.hq("PUT", PATH, {**ACCOUNT, **MANDATE, "mandate_signed_on": today.isoformat()})
    later = {**ACCOUNT, **MANDATE, "mandate_signed_on": (today + timedelta(days=2)).isoformat()}

    assert signed.status_code == 200
    assert network.hq("PUT", PATH, later).json["code"] == "invalid_mandate"
