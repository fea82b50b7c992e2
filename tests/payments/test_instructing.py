"""Which legs are written into which file, once."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from io import StringIO
from xml.etree import ElementTree

import pytest
from apiflask import APIFlask
from sepaxml.validation import try_valid_xml

from settlement.legs.rules import end_to_end_id
from settlement.legs.service import list_legs
from settlement.payments.rules import NAMED_BY_PAYER
from settlement.payments.service import get_payment_file, list_payment_files
from settlement.proposals.service import get_settlement
from tenants.bank_accounts.rules import CORE, BankDetails
from tenants.bank_accounts.service import set_bank_account
from tenants.foundation import clock
from tenants.foundation.errors import ClearinghouseError
from tenants.staff.rules import TREASURER
from tests.conftest import NetworkForTests
from tests.payments.conftest import CREDITOR_ID, HQ_IBAN, IBANS, MONTH, Paying, make_paying, name_accounts


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(ClearinghouseError) as refused:
        call()
    return refused.value.code


def test_every_leg_is_in_one_file_and_instructed(paying: Paying) -> None:
    made = paying.instruct()

    assert [(file.direction, file.format, file.payments, file.total) for file in made.files] == [
        ("collection", "pain.008.001.08", 1, 1000),
        ("payout", "pain.001.001.09", 2, 1000),
    ]
    assert made.waiting == []
    assert paying.states() == {"A": "instructed", "B": "instructed", "C": "instructed"}
    assert get_settlement(paying.network.tenant_id, MONTH).state == "settling"


def test_files_follow_their_schemas_and_name_legs_amounts_and_accounts(paying: Paying) -> None:
    made = paying.instruct()

    for file, content in zip(made.files, paying.contents(made), strict=True):
        try_valid_xml(content, file.format)
    collection, payout = (ElementTree.fromstring(content) for content in paying.contents(made))
    assert [e.text for e in collection.iterfind(".//{*}EndToEndId")] == [end_to_end_id(paying.leg("A").leg_id)]
    assert [e.text for e in payout.iterfind(".//{*}InstdAmt")] == ["6.00", "4.00"]
    assert [e.text for e in payout.iterfind(".//{*}CdtrAcct//{*}IBAN")] == [IBANS["B"], IBANS["C"]]
    assert payout.findtext(".//{*}DbtrAcct//{*}IBAN") == collection.findtext(".//{*}CdtrAcct//{*}IBAN") == HQ_IBAN
    assert collection.findtext(".//{*}MndtId") == "M-A"
    assert collection.findtext(".//{*}LclInstrm/{*}Cd") == "B2B"


def test_collections_are_due_tomorrow_at_the_earliest_and_payouts_after_them(paying: Paying) -> None:
    tomorrow = clock.now().date() + timedelta(days=1)

    collection, payout = paying.instruct().files

    assert tomorrow <= collection.due_on < payout.due_on


def test_a_file_is_the_same_for_ever(paying: Paying) -> None:
    made = paying.instruct()
    before = paying.contents(made)

    name_accounts(paying.network)

    assert paying.contents(made) == before
    assert [file.sha256 for file in made.files] == [hashlib.sha256(content).digest() for content in before]


def test_again_nothing_is_instructed_twice(paying: Paying) -> None:
    first = paying.instruct()

    second = paying.instruct()

    assert (len(first.files), second.files, second.waiting) == (2, [], [])
    assert len(list_payment_files(paying.network.tenant_id, MONTH)) == 2


def test_two_at_once_make_each_file_once(app: APIFlask, paying: Paying) -> None:
    def instruct(_: int) -> int:
        with app.app_context():
            return len(paying.instruct().files)

    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(instruct, range(4)))

    assert sorted(made) == [0, 0, 0, 2]
    assert len(list_payment_files(paying.network.tenant_id, MONTH)) == 2


def test_a_store_without_a_bank_account_waits_and_the_rest_goes_on(
    make_network: Callable[..., NetworkForTests],
) -> None:
    paying = make_paying(make_network(currency="EUR"), stores_with_accounts="AC")

    made = paying.instruct()

    assert [(waiting.store_code, waiting.because) for waiting in made.waiting] == [("B", "no bank account")]
    assert paying.states() == {"A": "instructed", "B": "pending", "C": "instructed"}

    name_accounts(paying.network, "B")
    later = paying.instruct()
    assert [(file.direction, file.total) for file in later.files] == [("payout", 600)]


def test_a_store_without_a_mandate_is_paid_and_not_collected_from(paying: Paying) -> None:
    for store in "AB":
        set_bank_account(paying.network.tenant_id, store, BankDetails(f"Store {store}", iban=IBANS[store]), "test")

    made = paying.instruct()

    assert [(waiting.store_code, waiting.because) for waiting in made.waiting] == [
        ("A", "no mandate for direct debits")
    ]
    assert paying.states() == {"A": "pending", "B": "instructed", "C": "instructed"}


def test_accounts_that_sepa_does_not_reach_wait_for_the_csv(paying: Paying) -> None:
    elsewhere = BankDetails("Store B", account_number="12345678", bank_code="021000021")
    abroad = BankDetails("Store C", iban="TR330006100519786457841326")
    set_bank_account(paying.network.tenant_id, "B", elsewhere, "test")
    set_bank_account(paying.network.tenant_id, "C", abroad, "test")

    made = paying.instruct()
    rest = paying.instruct("csv")

    assert {waiting.store_code: waiting.because for waiting in made.waiting} == {
        "B": "no IBAN, which SEPA needs",
        "C": "an account outside SEPA",
    }
    [content] = paying.contents(rest)
    rows = list(csv.DictReader(StringIO(content.decode(), newline="")))
    assert [(row["store_code"], row["amount"], row["iban"], row["account_number"]) for row in rows] == [
        ("B", "6.00", "", "12345678"),
        ("C", "4.00", "TR330006100519786457841326", ""),
    ]


def test_direct_debits_of_two_schemes_are_two_files(make_network: Callable[..., NetworkForTests]) -> None:
    network = make_network(currency="EUR")
    for store in "ABC":
        network.add_till(store)
    for store in "AB":
        network.tills[store].accrue(network.add_card(), 10_000, occurred_at="2026-01-10T12:00:00Z")
    network.settle(MONTH)
    name_accounts(network)
    core = {"mandate_id": "M-B2", "mandate_signed_on": date(2026, 1, 5), "mandate_scheme": CORE}
    set_bank_account(network.tenant_id, "B", BankDetails("Store B", iban=IBANS["B"], **core), "test")
    paying = Paying(network, network.person(TREASURER))

    made = paying.instruct()

    assert [(file.direction, file.scheme) for file in made.files] == [("collection", "B2B"), ("collection", "CORE")]


def test_other_currencies_than_the_euro_are_written_as_csv(make_network: Callable[..., NetworkForTests]) -> None:
    paying = make_paying(make_network(currency="USD"))

    made = paying.instruct()

    assert (made.format, [file.format for file in made.files]) == ("csv", ["csv", "csv"])
    assert code_of(lambda: paying.instruct("sepa")) == "sepa_impossible"


def test_cells_of_a_csv_are_no_formulas(paying: Paying) -> None:
    account = BankDetails('=HYPERLINK("http://x","y")', account_number="12345678")
    set_bank_account(paying.network.tenant_id, "B", account, "test")

    contents = paying.contents(paying.instruct("csv"))

    [row] = [row for row in csv.DictReader(StringIO(contents[1].decode())) if row["store_code"] == "B"]
    assert row["name"].startswith("'=")


def test_nothing_is_paid_before_the_settlement_is_approved(make_network: Callable[..., NetworkForTests]) -> None:
    network = make_network(currency="EUR")
    network.add_till("A").accrue(network.add_card(), 10_000, occurred_at="2026-01-10T12:00:00Z")
    network.propose(MONTH)
    set_bank_account(network.tenant_id, None, BankDetails("Corner", iban=HQ_IBAN), "test")
    paying = Paying(network, network.person(TREASURER))

    assert code_of(paying.instruct) == "settlement_not_approved"
    assert code_of(lambda: list_legs(network.tenant_id, MONTH)) == "settlement_not_approved"


def test_nothing_is_paid_without_an_account_of_head_office(make_network: Callable[..., NetworkForTests]) -> None:
    network = make_network(currency="EUR")
    network.add_till("A").accrue(network.add_card(), 10_000, occurred_at="2026-01-10T12:00:00Z")
    network.settle(MONTH)
    paying = Paying(network, network.person(TREASURER))

    assert code_of(paying.instruct) == "no_bank_account"
    assert paying.states() == {"A": "pending"}


def test_collections_need_a_creditor_identifier(paying: Paying) -> None:
    set_bank_account(paying.network.tenant_id, None, BankDetails("Corner", iban=HQ_IBAN), "test")

    made = paying.instruct()

    assert [(waiting.store_code, waiting.because) for waiting in made.waiting] == [
        ("A", "no creditor identifier of head office")
    ]


def test_a_file_of_another_network_is_not_found(paying: Paying, make_network: Callable[..., NetworkForTests]) -> None:
    [file, _] = paying.instruct().files
    other = make_network()

    assert code_of(lambda: get_payment_file(other.tenant_id, file.file_id)) == "payment_file_unknown"


def test_nobody_pays_to_an_account_that_he_has_named_himself(paying: Paying) -> None:
    """Otherwise one person could send a month's money to himself."""
    elsewhere = BankDetails("Store B", iban="DE75512108001245126199")
    set_bank_account(paying.network.tenant_id, "B", elsewhere, paying.treasurer.code)
    another = replace(paying, treasurer=paying.network.person(TREASURER))

    own = paying.instruct()
    others = another.instruct()

    assert [(leg.store_code, leg.because) for leg in own.waiting] == [("B", NAMED_BY_PAYER)]
    assert [file.total for file in own.files] == [1000, 400]
    assert ([file.total for file in others.files], others.waiting) == ([600], [])


def test_nobody_moves_money_by_an_account_of_head_office_that_he_has_named_himself(paying: Paying) -> None:
    account = BankDetails("Corner Shops AG", iban="DE75512108001245126199", creditor_id=CREDITOR_ID)
    set_bank_account(paying.network.tenant_id, None, account, paying.treasurer.code)

    made = paying.instruct()

    assert made.files == []
    assert {leg.because for leg in made.waiting} == {NAMED_BY_PAYER}
