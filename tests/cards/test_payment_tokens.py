"""A purchase paid with a bound payment card finds its member; nothing of token or card is kept but a keyed hash."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text
from werkzeug.test import TestResponse

from clearinghouse.ledger.checks import check_ledger
from tenants.foundation.config import Settings
from tenants.foundation.database import normal_url
from tenants.payment_tokens.service import hash_token
from tests.conftest import NetworkForTests, Till

TOKEN = "tok_1N3T00LkdIwHu7ix"
orders = count(1)


def bind(till: Till, card: str, token: Any = TOKEN) -> TestResponse:
    return till.call("POST", f"/v1/cards/{card}/payment-tokens", {"token": token})


def unbind(till: Till, card: str, token: Any = TOKEN) -> TestResponse:
    return till.call("POST", f"/v1/cards/{card}/payment-tokens/unbind", {"token": token})


def buy(till: Till, amount: int = 1000, key: str | None = None, **fields: Any) -> TestResponse:
    body = {"payment_token": TOKEN, "order_ref": f"p{next(orders)}", "amount": amount, **fields}
    return till.post("/v1/accruals", body, key)


def test_a_purchase_paid_with_a_bound_payment_card_finds_its_member(
    network: NetworkForTests, till: Till, card: str
) -> None:
    assert bind(till, card).json == {"card": card, "payment_tokens": 1}

    sale = buy(network.tills["B"], 1500)

    assert sale.status_code == 201, sale.json
    assert (sale.json["points"], sale.json["card"], sale.json["store"]) == (15, None, "B")
    assert till.balance(card)["available"] == 15
    assert check_ledger(network.tenant_id) == []


def test_a_purchase_found_by_its_payment_card_is_reversed_like_any_other(
    network: NetworkForTests, till: Till, card: str
) -> None:
    bind(till, card)
    sale = buy(till).json

    answer = till.reverse(sale["transfer_id"])

    assert (answer.status_code, answer.json["card"]) == (201, None)
    assert till.balance(card)["available"] == 0
    assert check_ledger(network.tenant_id) == []


def test_a_payment_card_that_nobody_has_bound_finds_nobody(till: Till, card: str) -> None:
    answer = buy(till)

    assert (answer.status_code, answer.json["code"]) == (404, "payment_token_unknown")


def test_a_purchase_names_its_member_in_one_way(till: Till, card: str) -> None:
    bind(till, card)

    for fields in ({"card": card}, {"payment_token": None}, {"payment_token": ""}, {"payment_token": 1}):
        answer = buy(till, **fields)

        assert (answer.status_code, answer.json["code"]) == (422, "invalid_input")
    neither = till.post("/v1/accruals", {"order_ref": "x", "amount": 1})
    assert neither.json["errors"] == {"card": ["Send card or payment_token: one of the two."]}


def test_points_are_not_redeemed_with_a_payment_card_alone(till: Till, card: str) -> None:
    bind(till, card)

    answer = till.post("/v1/redemptions", {"payment_token": TOKEN, "order_ref": "x", "points": 1})

    assert (answer.status_code, answer.json["code"]) == (422, "invalid_input")


def test_a_repeat_is_replayed_even_after_the_payment_card_was_unbound(till: Till, card: str) -> None:
    bind(till, card)
    first = buy(till, key="k", order_ref="same")
    unbind(till, card)

    again = buy(till, key="k", order_ref="same")
    other = buy(till, key="k", order_ref="same", payment_token="tok_of_another_card")

    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json == first.json
    assert other.json["code"] == "idempotency_key_reused"


def test_a_batch_finds_members_by_card_and_by_payment_card(network: NetworkForTests, till: Till, card: str) -> None:
    other = network.add_card()
    bind(till, card)
    named = [{"card": other}, {"payment_token": TOKEN}, {"payment_token": "tok_of_nobody"}, {"card": card}]
    events = [
        {"kind": "accrual", "idempotency_key": str(uuid4()), "order_ref": f"b{n}", "amount": 1000, **who}
        for n, who in enumerate(named * 20)
    ]

    answer = till.call("POST", "/v1/batches", {"events": events}).json

    assert (answer["posted"], answer["refused"]) == (60, 20)
    assert {r["problem"]["code"] for r in answer["results"] if "problem" in r} == {"payment_token_unknown"}
    assert (till.balance(card)["available"], till.balance(other)["available"]) == (400, 200)
    assert check_ledger(network.tenant_id) == []


def test_batches_by_card_and_by_payment_card_at_once_wait_for_each_other_in_no_circle(
    network: NetworkForTests, till: Till
) -> None:
    cards = [network.add_card() for _ in range(10)]
    for number, card in enumerate(cards):
        bind(till, card, f"tok_number_{number}")

    def send(store: str) -> int:
        by_card = [{"card": card} for card in cards]
        by_token = [{"payment_token": f"tok_number_{number}"} for number in reversed(range(10))]
        events = [
            {"kind": "accrual", "idempotency_key": str(uuid4()), "order_ref": str(uuid4()), "amount": 100, **who}
            for who in (by_token + by_card) * 3
        ]
        answer = network.tills[store].call("POST", "/v1/batches", {"events": events})
        return answer.json["posted"]

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(send, "ABC")) == [60] * 3

    assert {till.balance(card)["available"] for card in cards} == {18}
    assert check_ledger(network.tenant_id) == []


def test_a_blocked_card_does_not_matter_while_the_member_has_another(
    network: NetworkForTests, till: Till, card: str
) -> None:
    bind(till, card)
    network.hq("POST", f"/v1/cards/{card}/block")

    blocked = buy(till)
    network.hq("POST", f"/v1/cards/{card}/replace")
    replaced = buy(till)

    assert (blocked.status_code, blocked.json["code"]) == (403, "card_blocked")
    assert replaced.status_code == 201


def test_binding_again_changes_nothing(till: Till, card: str) -> None:
    assert [bind(till, card).json["payment_tokens"] for _ in range(2)] == [1, 1]
    assert bind(till, card, "tok_another_one").json["payment_tokens"] == 2
    assert till.call("GET", f"/v1/cards/{card}/payment-tokens").json == {"card": card, "payment_tokens": 2}


def test_a_payment_card_belongs_to_one_member(network: NetworkForTests, till: Till, card: str) -> None:
    other = network.add_card()
    bind(till, card)

    answer = bind(till, other)

    assert (answer.status_code, answer.json["code"]) == (409, "token_bound")
    assert TOKEN not in answer.text
    assert unbind(till, card).json == {"card": card, "payment_tokens": 0}
    assert bind(till, other).status_code == 201
    assert buy(till).status_code == 201
    assert till.balance(other)["available"] == 10


def test_tills_that_bind_the_same_payment_card_at_once_bind_it_to_one_member(
    network: NetworkForTests, till: Till
) -> None:
    cards = [network.add_card() for _ in range(4)]

    with ThreadPoolExecutor(4) as pool:
        statuses = sorted(pool.map(lambda card: bind(till, card).status_code, cards))

    assert statuses == [201, 409, 409, 409]


def test_the_same_payment_card_may_be_bound_in_two_networks_under_different_hashes(
    network: NetworkForTests, till: Till, card: str, make_network: Callable[..., NetworkForTests]
) -> None:
    other = make_network()
    their_till, their_card = other.add_till("A"), other.add_card()

    assert bind(till, card).status_code == bind(their_till, their_card).status_code == 201
    assert hash_token(network.tenant_id, TOKEN) != hash_token(other.tenant_id, TOKEN)
    buy(till)

    assert (till.balance(card)["available"], their_till.balance(their_card)["available"]) == (10, 0)


def test_only_what_is_bound_to_the_member_can_be_unbound(network: NetworkForTests, till: Till, card: str) -> None:
    bind(till, card)

    for number, token in ((network.add_card(), TOKEN), (card, "tok_of_nobody")):
        answer = unbind(till, number, token)

        assert (answer.status_code, answer.json["code"]) == (404, "payment_token_unknown")
    assert buy(till).status_code == 201


@pytest.mark.parametrize(("way", "code"), [("block", "card_blocked"), ("replace", "card_replaced")])
def test_nothing_is_bound_through_a_card_out_of_use_but_can_be_unbound(
    network: NetworkForTests, till: Till, card: str, way: str, code: str
) -> None:
    bind(till, card)
    network.hq("POST", f"/v1/cards/{card}/{way}")

    answer = bind(till, card, "tok_another_one")

    assert (answer.status_code, answer.json["code"]) == (403, code)
    assert unbind(till, card).status_code == 200


@pytest.mark.parametrize("token", ["", "short", "with a space", "tok_é1234567", "x" * 256, "tok_\n12345678", 1, None])
def test_what_is_no_token_is_refused(till: Till, card: str, token: Any) -> None:
    for call in (bind, unbind):
        answer = call(till, card, token)

        assert (answer.status_code, answer.json["code"]) == (422, "invalid_input")


def test_a_card_number_is_no_token(till: Till, card: str) -> None:
    for call in (bind, unbind):
        answer = call(till, card, "4111111111111111")

        assert (answer.status_code, answer.json["code"]) == (422, "payment_card_number")


def test_a_card_of_another_network_binds_nothing(till: Till, make_network: Callable[..., NetworkForTests]) -> None:
    theirs = make_network().add_card()

    assert bind(till, theirs).json["code"] == "card_unknown"
    assert till.call("GET", f"/v1/cards/{theirs}/payment-tokens").json["code"] == "card_unknown"


def test_a_token_is_neither_kept_nor_logged_nor_answered(
    network: NetworkForTests, till: Till, card: str, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    token = f"tok_{uuid4().hex}"
    with caplog.at_level(logging.DEBUG):
        answers = [
            bind(till, card, token),
            buy(till, payment_token=token),
            buy(till, payment_token=token, amount=-1),
            buy(till, payment_token=token, currency="EUR"),
            unbind(till, card, token),
            buy(till, payment_token=token),
        ]

    assert [answer.status_code for answer in answers] == [201, 201, 422, 422, 200, 404]
    assert not [answer.text for answer in answers if token in answer.text]
    assert token not in caplog.text
    assert rows_with(settings, token) == []
    # The search would have found it: the hash is there.
    assert "tenants.payment_tokens" in rows_with(settings, hash_token(network.tenant_id, token).hex())


def rows_with(settings: Settings, content: str) -> list[str]:
    """The tables that hold a text anywhere in a row."""
    owner = create_engine(normal_url(settings.database_url))
    tables = "SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog')"
    with owner.connect() as connection:
        found = [
            table
            for table in connection.scalars(text(tables)).all()
            if connection.scalar(
                text(f"SELECT count(*) FROM {table} AS t WHERE t::text LIKE :content"), {"content": f"%{content}%"}
            )
        ]
    owner.dispose()
    return found


def test_payment_cards_stay_with_the_member_when_the_card_is_replaced(
    network: NetworkForTests, till: Till, card: str
) -> None:
    bind(till, card)
    till.accrue(card, 1000)

    new = network.hq("POST", f"/v1/cards/{card}/replace").json["card"]
    buy(till)

    assert till.balance(new)["available"] == 20
    assert till.call("GET", f"/v1/cards/{new}/payment-tokens").json["payment_tokens"] == 1
