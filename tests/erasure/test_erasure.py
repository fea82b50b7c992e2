"""Who is erased is nobody any more, to everybody; the books stay whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from io import BytesIO
from typing import Any

import pytest
from click.testing import Result
from sqlalchemy import Engine, select, text

from clearinghouse.erasure.service import erase_member
from clearinghouse.ledger.checks import check_ledger
from clearinghouse.ledger.tables import Lot, OutboxEvent, Transfer
from settlement.payments.service import instruct
from settlement.proofs.service import prove_month
from tenants.bank_accounts.rules import BankDetails
from tenants.bank_accounts.service import set_bank_account
from tenants.credentials.rules import DIRECTORY, HQ, READ
from tenants.credentials.service import create_credential
from tenants.foundation import ids
from tenants.foundation.database import unit_of_work
from tenants.foundation.errors import Conflict
from tenants.members.service import find_card
from tenants.payment_tokens.tables import PaymentToken
from tenants.staff.rules import TREASURER
from tests.conftest import NetworkForTests, Till

ADA = {
    "name": "Ada Lovelace-Byron",
    "reference": "REF-20417",
    "phone": "+4915123456789",
    "email": "ada.lovelace@example.com",
}
TOKEN = "tok_1N3T00LkdIwH"


@pytest.fixture
def ada(network: NetworkForTests) -> str:
    return network.hq("POST", "/v1/members", ADA).json["member_id"]


@pytest.fixture
def card(network: NetworkForTests, ada: str) -> str:
    return network.hq("POST", f"/v1/members/{ada}/cards").json["card"]


def erase(network: NetworkForTests, member_id: str, key: str | None = None, **fields: Any) -> Any:
    body = {"reason": "consent_withdrawn", "confirm": member_id, **fields}
    return network.call(key or network.hq_key, "POST", f"/v1/members/{member_id}/erasure", body)


def findings(network: NetworkForTests) -> list[Any]:
    return check_ledger(network.tenant_id)


def test_nothing_of_the_member_is_left(network: NetworkForTests, till: Till, ada: str, card: str) -> None:
    network.hq("POST", f"/v1/cards/{card}/payment-tokens", {"token": TOKEN})
    network.hq("PUT", f"/v1/members/{ada}/pin", {"pin": "4821"})
    network.hq("GET", f"/v1/members/{ada}/wallet")
    till.accrue(card, 1000)
    till.redeem(card, 10)

    answer = erase(network, ada)

    assert (answer.status_code, "Idempotent-Replayed" in answer.headers) == (201, False)
    certificate = answer.json
    assert certificate["fields"] == ["reference", "name", "phone", "email", "pin", "wallet"]
    assert (certificate["cards"], certificate["payment_tokens"], certificate["members"]) == (1, 1, 1)
    assert (certificate["points_forfeited"], certificate["transfer_id"]) == (0, None)
    assert certificate["erased_by"].startswith("key_")
    shown = network.hq("GET", f"/v1/members/{ada}").json
    assert {shown[field] for field in ADA} == {None}
    assert shown["erased_at"] == certificate["erased_at"]
    [left] = shown["cards"]
    assert (left["status"], left["card"] == card) == ("blocked", False)
    assert network.hq("POST", "/v1/member-search", {"phone": ADA["phone"]}).json == {"members": []}
    assert network.hq("GET", f"/v1/members?reference={ADA['reference']}").json["members"] == []
    assert network.hq("GET", f"/v1/members/{ada}/pin").json["set_at"] is None
    assert findings(network) == []


def test_a_till_is_told_that_there_is_no_such_card(network: NetworkForTests, till: Till, ada: str, card: str) -> None:
    network.hq("POST", f"/v1/cards/{card}/payment-tokens", {"token": TOKEN})
    erase(network, ada)
    left = network.hq("GET", f"/v1/members/{ada}").json["cards"][0]["card"]

    assert till.accrue(card, 1000).json["code"] == "card_unknown"
    assert till.call("GET", f"/v1/cards/{card}").json["code"] == "card_unknown"
    assert till.accrue(left, 1000).json["code"] in ("card_number_invalid", "card_unknown", "invalid_input")
    by_token = {"payment_token": TOKEN, "order_ref": "t-1", "amount": 1000}
    assert till.post("/v1/accruals", by_token).json["code"] == "payment_token_unknown"
    assert network.hq("POST", f"/v1/cards/{left}/unblock").json["code"] == "card_number_invalid"


def test_a_purchase_of_before_is_still_returned(network: NetworkForTests, till: Till, ada: str, card: str) -> None:
    sale = till.accrue(card, 5000).json["transfer_id"]
    redemption = till.redeem(card, 50).json["transfer_id"]
    erase(network, ada)

    returned = till.reverse(redemption)
    taken_back = till.reverse(sale)

    assert (returned.status_code, taken_back.status_code) == (201, 201)
    assert returned.json["card"] != card
    assert findings(network) == []


def test_erasing_again_gives_the_same_certificate(network: NetworkForTests, ada: str) -> None:
    first = erase(network, ada)

    again = erase(network, ada, reason="unlawful")

    assert (again.status_code, again.json) == (201, first.json)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert network.hq("GET", f"/v1/members/{ada}/erasure").json == first.json


def test_points_are_forfeited_only_when_that_is_asked_for(
    network: NetworkForTests, till: Till, ada: str, card: str
) -> None:
    till.accrue(card, 10000)
    till.redeem(card, 30)
    refused = erase(network, ada)
    assert (refused.status_code, refused.json["code"], refused.json["available"]) == (409, "member_has_points", 70)
    assert network.hq("GET", f"/v1/members/{ada}").json["name"] == ADA["name"], "nothing was changed"

    answer = erase(network, ada, forfeit_points=True)

    assert (answer.status_code, answer.json["points_forfeited"]) == (201, 70)
    with unit_of_work(network.tenant_id) as session:
        transfer = session.get_one(Transfer, (network.tenant_id, ids.parse(ids.TRANSFER, answer.json["transfer_id"])))
        [lot] = session.scalars(select(Lot).where(Lot.member_id == ids.parse(ids.MEMBER, ada)))
    assert (transfer.kind, transfer.points, transfer.available_after) == ("expiry", 70, 0)
    assert (lot.remaining, lot.expired) == (0, 70)
    assert findings(network) == []


def test_points_on_hold_and_debts_are_settled_first(
    network: NetworkForTests, till: Till, ada: str, card: str
) -> None:
    sale = till.accrue(card, 10000).json["transfer_id"]
    hold = till.post("/v1/holds", {"card": card, "order_ref": "h-1", "points": 40}).json["hold_id"]
    held = erase(network, ada, forfeit_points=True)
    assert (held.status_code, held.json["code"], held.json["held"]) == (409, "member_has_holds", 40)
    till.post(f"/v1/holds/{hold}/capture", {})
    till.reverse(sale)

    owing = erase(network, ada, forfeit_points=True)

    assert (owing.status_code, owing.json["code"], owing.json["deficit"]) == (409, "member_owes_points", 40)
    till.accrue(card, 4000)
    assert erase(network, ada).status_code == 201
    assert findings(network) == []


def test_whoever_was_merged_into_the_member_is_erased_with_it(
    network: NetworkForTests, till: Till, ada: str, card: str
) -> None:
    kept = network.hq("POST", "/v1/members", {"name": "Augusta Ada", "phone": "+14155552671"}).json["member_id"]
    till.accrue(card, 1000)
    network.hq("POST", f"/v1/members/{ada}/merge", {"into": kept})
    refused = erase(network, ada, forfeit_points=True)
    assert (refused.status_code, refused.json["code"], refused.json["into"]) == (409, "member_merged", kept)

    answer = erase(network, kept, forfeit_points=True)

    assert (answer.json["members"], answer.json["cards"], answer.json["points_forfeited"]) == (2, 1, 10)
    shown = network.hq("GET", f"/v1/members/{ada}").json
    assert ({shown[field] for field in ADA}, shown["cards"]) == ({None}, [])
    assert network.hq("GET", f"/v1/members/{ada}/erasure").json == answer.json
    assert erase(network, ada).json == answer.json
    assert findings(network) == []


def test_who_was_erased_does_not_come_back(network: NetworkForTests, ada: str, card: str) -> None:
    other = network.hq("POST", "/v1/members", {"name": "Ben"}).json["member_id"]
    erase(network, ada)

    tries = [
        ("PATCH", f"/v1/members/{ada}", {"name": "Ada"}),
        ("POST", f"/v1/members/{ada}/cards", {}),
        ("PUT", f"/v1/members/{ada}/pin", {"pin": "4821"}),
        ("POST", f"/v1/members/{ada}/pin/unlock", None),
        ("DELETE", f"/v1/members/{ada}/pin", None),
        ("GET", f"/v1/members/{ada}/wallet", None),
        ("POST", f"/v1/members/{ada}/wallet/rotate", None),
        ("POST", f"/v1/members/{ada}/merge", {"into": other}),
        ("POST", f"/v1/members/{other}/merge", {"into": ada}),
    ]

    for method, path, body in tries:
        answer = network.hq(method, path, body)
        assert (answer.status_code, answer.json["code"]) == (409, "member_erased"), (method, path, answer.json)
    assert findings(network) == []


BAD: list[tuple[dict[str, Any], str]] = [
    ({"confirm": "mem_01h455vb4pex5vsknk084sn02q"}, "not_confirmed"),
    ({"confirm": None}, "invalid_input"),
    ({"reason": "because"}, "invalid_input"),
    ({"reason": "retention"}, "invalid_input"),
    ({"reason": None}, "invalid_input"),
    ({"forfeit_points": "maybe"}, "invalid_input"),
    ({"name": "Ada"}, "invalid_input"),
]


@pytest.mark.parametrize(("fields", "code"), BAD)
def test_what_is_not_asked_for_in_full_erases_nothing(
    network: NetworkForTests, ada: str, fields: dict[str, Any], code: str
) -> None:
    answer = erase(network, ada, **fields)

    assert (answer.status_code, answer.json["code"]) == (422, code)
    assert network.hq("GET", f"/v1/members/{ada}").json["name"] == ADA["name"]
    assert network.hq("GET", f"/v1/members/{ada}/erasure").json["code"] == "erasure_unknown"


def test_only_head_office_that_looks_after_members_erases(
    network: NetworkForTests, till: Till, ada: str, make_network: Callable[..., NetworkForTests]
) -> None:
    _, reader = create_credential(network.tenant_id, HQ, "reader", scopes=[READ])
    _, writer = create_credential(network.tenant_id, HQ, "writer", scopes=[DIRECTORY])

    assert erase(network, ada, till.key).json["code"] == "wrong_kind_of_key"
    assert erase(network, ada, reader).json["code"] == "scope_missing"
    assert erase(make_network(), ada).json["code"] == "member_unknown"
    assert erase(network, ada, writer).status_code == 201


def test_who_listens_is_told_to_forget_too(network: NetworkForTests, ada: str) -> None:
    network.hq("POST", "/v1/webhooks", {"url": "https://1.1.1.1/x"})

    erased_at = erase(network, ada).json["erased_at"]

    with unit_of_work(network.tenant_id) as session:
        told = [(row.type, row.payload) for row in session.scalars(select(OutboxEvent))]
    assert told == [("member.erased", {"member_id": ada, "erased_at": erased_at})]


def test_a_month_that_was_settled_stays_proven(network: NetworkForTests, till: Till, ada: str, card: str) -> None:
    till.accrue(card, 10000, occurred_at="2026-01-10T12:00:00Z")
    network.tills["B"].redeem(card, 40, occurred_at="2026-01-11T12:00:00Z")
    month = date(2026, 1, 1)
    network.settle(month)

    erase(network, ada, forfeit_points=True)

    assert prove_month(network.tenant_id, month).holds
    assert findings(network) == []
    network.settle(date(2026, 2, 1))
    assert prove_month(network.tenant_id, date(2026, 2, 1)).holds


def test_tills_that_post_meanwhile_either_come_before_or_find_no_card(
    network: NetworkForTests, ada: str, card: str
) -> None:
    """Whatever the moment: nobody who is erased has points, and nothing that a till was told is lost."""
    member_id = ids.parse(ids.MEMBER, ada)
    app = network.app

    def sell(number: int) -> int:
        return network.tills["ABC"[number % 3]].accrue(card, 100, order_ref=f"race-{number}").status_code

    def let_go() -> None:
        with app.app_context():
            erase_member(network.tenant_id, member_id, "objection", "test", forfeit_points=True)

    with ThreadPoolExecutor(5) as pool:
        sales = [pool.submit(sell, number) for number in range(30)]
        erasing = pool.submit(let_go)
        sales += [pool.submit(sell, number) for number in range(30, 50)]
        erasing.result()
        statuses = [sale.result() for sale in sales]

    assert set(statuses) <= {201, 404}
    certificate = network.hq("GET", f"/v1/members/{ada}/erasure").json
    assert certificate["points_forfeited"] == statuses.count(201)
    export = network.hq("GET", f"/v1/members/{ada}/export").json
    assert export["available"] == 0
    assert findings(network) == []


def test_two_who_erase_at_once_have_one_certificate(network: NetworkForTests, ada: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = [each.result() for each in [pool.submit(erase, network, ada) for _ in range(4)]]

    assert {answer.status_code for answer in answers} == {201}
    assert len({json.dumps(answer.json, sort_keys=True) for answer in answers}) == 1
    assert sum("Idempotent-Replayed" in answer.headers for answer in answers) == 3


def test_a_change_made_meanwhile_is_erased_or_refused(network: NetworkForTests, ada: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        change = {"phone": "+14155552671", "email": "other@example.com"}
        changing = [
            pool.submit(network.hq, "PATCH", f"/v1/members/{ada}", {**change, "name": f"Ada {number}"})
            for number in range(8)
        ]
        erasing = pool.submit(erase, network, ada)
        answers = [each.result() for each in changing]
        certificate = erasing.result()

    assert certificate.status_code == 201
    assert {answer.json.get("code") for answer in answers if answer.status_code != 200} <= {"member_erased"}
    shown = network.hq("GET", f"/v1/members/{ada}").json
    assert {shown[field] for field in ADA} == {None}


def test_a_card_given_out_meanwhile_is_erased_or_refused(network: NetworkForTests, ada: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        giving = [pool.submit(network.hq, "POST", f"/v1/members/{ada}/cards") for _ in range(6)]
        erasing = pool.submit(erase, network, ada)
        given = [each.result() for each in giving]
        certificate = erasing.result().json

    made = [answer.json["card"] for answer in given if answer.status_code == 201]
    assert len(made) == certificate["cards"]
    assert {answer.json["code"] for answer in given if answer.status_code != 201} <= {"member_erased"}
    for number in made:
        with pytest.raises(Exception, match="no such card"):
            find_card(network.tenant_id, number)


def test_a_dump_of_the_database_holds_nothing_that_was_sent(
    network: NetworkForTests, till: Till, ada: str, card: str, owner: Engine
) -> None:
    """Neither before the erasure, keys being elsewhere, nor of the numbers afterwards."""
    holder, account_number, iban = "Maria Sole-Trader", "9876543210", "DE89370400440532013000"
    network.hq("POST", f"/v1/cards/{card}/payment-tokens", {"token": TOKEN})
    network.hq("PUT", f"/v1/members/{ada}/pin", {"pin": "4821"})
    network.add_staff("ana", "preparer")
    set_bank_account(network.tenant_id, None, BankDetails("Network AG", iban=iban), "test")
    set_bank_account(network.tenant_id, "A", BankDetails(holder, account_number=account_number), "test")
    till.accrue(card, 100000, occurred_at="2026-01-10T12:00:00Z")
    network.settle(date(2026, 1, 1))
    assert instruct(network.tenant_id, date(2026, 1, 1), network.person(TREASURER)).files
    secrets = [*ADA.values(), "4915123456789", "15123456789", TOKEN, holder, account_number, iban, "Person ana"]

    before = dump(owner, network)
    found = [secret for secret in secrets if is_in(before, secret)]
    erase(network, ada, forfeit_points=True)
    after = dump(owner, network)

    # The network's own number for the member is what it is looked up by.
    assert found == [ADA["reference"]]
    assert is_in(before, card), "the dump can say yes"
    assert [secret for secret in [*secrets, card] if is_in(after, secret)] == []


def dump(owner: Engine, network: NetworkForTests) -> bytes:
    """Every row of every table that belongs to the network, as pg_dump would write it."""
    content = BytesIO()
    tables = text(
        "SELECT DISTINCT table_schema || '.' || table_name FROM information_schema.columns "
        "JOIN pg_class ON oid = (quote_ident(table_schema) || '.' || quote_ident(table_name))::regclass "
        "WHERE column_name = 'tenant_id' AND relkind = 'r'"
    )
    with owner.connect() as connection:
        names = list(connection.scalars(tables))
        cursor = connection.connection.cursor()
        for name in names:
            rows = f"SELECT * FROM {name} WHERE tenant_id = '{network.tenant_id}'"
            cursor.copy_expert(f"COPY ({rows}) TO STDOUT", content)
    assert len(names) > 40
    return content.getvalue().lower()


def is_in(dumped: bytes, secret: str) -> bool:
    """As text, or as the bytes that bytea columns are written as."""
    return secret.lower().encode() in dumped or secret.encode().hex().encode() in dumped


def test_the_command_line_erases(
    network: NetworkForTests, ada: str, card: str, till: Till, command_line: Callable[..., Result]
) -> None:
    till.accrue(card, 1000)
    words = ("member", "erase", ada, "-n", network.code, "--reason", "objection")

    assert command_line(*words).exit_code == 1, "nobody has confirmed"
    refused = command_line(*words, "--yes")
    assert (refused.exit_code, type(refused.exception)) == (1, Conflict)
    done = command_line(*words, "--yes", "--forfeit-points", "--json")

    assert done.exit_code == 0, done.output
    certificate = json.loads(done.stdout)
    assert (certificate["points_forfeited"], certificate["erased_by"]) == (10, "command line")
    assert command_line("member", "erase", ada, "-n", network.code, "--reason", "retention").exit_code == 2
    with unit_of_work(network.tenant_id) as session:
        assert session.scalars(select(PaymentToken)).all() == []
