"""A network in euros with a closed, approved month: A remits 10.00, B receives 6.00, C receives 4.00."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import pytest
from werkzeug.test import TestResponse

from settlement.bank_files.service import Reading, read_bank_file
from settlement.demo.bank import answer_of_bank
from settlement.legs.rules import end_to_end_id
from settlement.legs.service import list_legs
from settlement.payments.service import Instruction, get_payment_file, instruct
from settlement.proposals.tables import Leg
from tenants.bank_accounts.rules import B2B, BankDetails
from tenants.bank_accounts.service import set_bank_account
from tenants.credentials.rules import STAFF
from tenants.credentials.service import create_credential
from tenants.staff.rules import TREASURER, Actor
from tests.conftest import NetworkForTests

MONTH = date(2026, 1, 1)
BOOKED_ON = date(2026, 2, 20)

HQ_IBAN = "DE89370400440532013000"
IBANS = {"A": "FR1420041010050500013M02606", "B": "NL91ABNA0417164300", "C": "DE02120300000000202051"}
CREDITOR_ID = "DE98ZZZ09999999999"


@dataclass
class Paying:
    """An approved month of a network, its treasurer, and a bank that answers files."""

    network: NetworkForTests
    treasurer: Actor
    month: date = MONTH
    messages: int = field(default=0)

    def instruct(self, format: str | None = None) -> Instruction:
        return instruct(self.network.tenant_id, self.month, self.treasurer, format)

    def contents(self, made: Instruction) -> list[bytes]:
        return [get_payment_file(self.network.tenant_id, file.file_id)[1] for file in made.files]

    def answers(self, made: Instruction, returned: dict[str, str] | None = None) -> list[bytes]:
        """What the bank tells, of all files made."""
        return [self.answer(content, returned) for content in self.contents(made)]

    def answer(self, content: bytes, returned: dict[str, str] | None = None, booked_on: date = BOOKED_ON) -> bytes:
        """`returned`: reasons by store."""
        self.messages += 1
        by_id = {end_to_end_id(self.leg(store).leg_id): reason for store, reason in (returned or {}).items()}
        return answer_of_bank(content, f"{self.network.code}-{self.messages}", booked_on, by_id)

    def read(self, content: bytes, month: date | None = None) -> Reading:
        return read_bank_file(self.network.tenant_id, self.treasurer, content, "answer.xml", month)

    def leg(self, store: str) -> Leg:
        return next(row.leg for row in list_legs(self.network.tenant_id, self.month) if row.store_code == store)

    def states(self) -> dict[str, str]:
        return {row.store_code: row.leg.state for row in list_legs(self.network.tenant_id, self.month)}

    def state_of_month(self) -> str:
        listed = self.network.hq("GET", "/v1/settlement/windows").json["windows"]
        return next(window["state"] for window in listed if window["month"] == f"{self.month:%Y-%m}")


def name_accounts(network: NetworkForTests, stores: str = "ABC") -> None:
    tenant_id = network.tenant_id
    head_office = BankDetails("Corner Shops AG", iban=HQ_IBAN, creditor_id=CREDITOR_ID)
    set_bank_account(tenant_id, None, head_office, "test")
    for store in stores:
        mandate = {"mandate_id": f"M-{store}", "mandate_signed_on": date(2026, 1, 5), "mandate_scheme": B2B}
        set_bank_account(tenant_id, store, BankDetails(f"Store {store}", iban=IBANS[store], **mandate), "test")


def trade(network: NetworkForTests, month: date) -> None:
    """Points issued in A alone, redeemed in B and C."""
    card = network.add_card()
    day = f"{month + timedelta(days=9)}T12:00:00Z"
    network.tills["A"].accrue(card, 100_000, occurred_at=day)
    network.tills["B"].redeem(card, 600, occurred_at=day)
    network.tills["C"].redeem(card, 400, occurred_at=day)


@pytest.fixture
def paying(make_network: Callable[..., NetworkForTests]) -> Paying:
    return make_paying(make_network(currency="EUR"))


def make_paying(network: NetworkForTests, stores_with_accounts: str = "ABC") -> Paying:
    for store in "ABC":
        network.add_till(store)
    trade(network, MONTH)
    network.settle(MONTH)
    name_accounts(network, stores_with_accounts)
    return Paying(network, network.person(TREASURER))


@dataclass
class Person:
    """Somebody who settles, over HTTP."""

    network: NetworkForTests
    key: str

    def call(self, method: str, path: str, json: Any = None, **options: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {self.key}"}
        if json is not None:
            options["json"] = json
        return self.network.app.test_client().open(f"/v1{path}", method=method, headers=headers, **options)

    def send(self, content: bytes, query: str = "") -> TestResponse:
        path = f"/settlement/bank-files{query}"
        return self.call("POST", path, data=content, content_type="application/xml")


def person(network: NetworkForTests, *roles: str) -> Person:
    actor = network.person(*roles)
    return Person(network, create_credential(network.tenant_id, STAFF, "test", staff_id=actor.staff_id)[1])


@pytest.fixture
def treasurer(paying: Paying) -> Person:
    return person(paying.network, TREASURER)
