"""A batch is its events, one after the other: nothing else happens to them than if each had been sent by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import pytest
from sqlalchemy import create_engine, func, select, text
from werkzeug.test import TestResponse

from clearinghouse.ledger.checks import check_ledger
from clearinghouse.ledger.tables import Transfer
from clearinghouse.pos.service import CHUNK_EVENTS
from tenants.foundation.config import Settings
from tenants.foundation.database import normal_url, unit_of_work
from tests.conftest import NetworkForTests, Till

Event = dict[str, Any]
OCCURRED = {"occurred_at": "2026-10-01T12:00:00Z"}
UNKNOWN_CARD = "6291000000000000"
POSTED_TOGETHER = ("accrual", "redemption", "hold")
KINDS = (*POSTED_TOGETHER * 3, "reversal", "reversal", "capture", "void")
# What two postings of the same event in two networks differ in.
OWN = {"transfer_id", "posted_at", "reverses_transfer_id", "occurred_at", "card", "hold_id", "expires_at"}


@pytest.fixture(autouse=True)
def books_are_right_afterwards(network: NetworkForTests):
    yield
    assert check_ledger(network.tenant_id) == []


def accrual(card: str, amount: int, order_ref: str, **fields: Any) -> Event:
    return event("accrual", order_ref, card=card, amount=amount, **fields)


def redemption(card: str, points: int, order_ref: str, **fields: Any) -> Event:
    return event("redemption", order_ref, card=card, points=points, **fields)


def event(kind: str, order_ref: str, **fields: Any) -> Event:
    return {
        "kind": kind,
        "idempotency_key": f"{kind} {order_ref}".replace(" ", "-"),
        "order_ref": order_ref,
        **fields,
    }


def send(till: Till, events: list[Event]) -> TestResponse:
    answer = till.call("POST", "/v1/batches", {"events": events})
    assert answer.status_code == 200, answer.json
    return answer


def counts(answer: TestResponse) -> tuple[int, int, int]:
    return answer.json["posted"], answer.json["replayed"], answer.json["refused"]


def count_transfers(network: NetworkForTests) -> int:
    with unit_of_work(network.tenant_id) as session:
        return session.scalar(select(func.count()).select_from(Transfer)) or 0


def a_day_at_the_till(card: str) -> list[Event]:
    return [
        accrual(card, 10000, "1", **OCCURRED),
        redemption(card, 30, "2", **OCCURRED),
        redemption(card, 500, "3", **OCCURRED),
        accrual(card, 0, "4", **OCCURRED),
        accrual(card, 10000, "1", **OCCURRED),
        accrual(card, 2550, "1", idempotency_key="another", **OCCURRED),
        event("reversal", "5", original_order_ref="1", original_kind="accrual", **OCCURRED),
        event("reversal", "6", original_order_ref="1", original_kind="accrual", **OCCURRED),
        event("reversal", "7", original_order_ref="99", original_kind="accrual", **OCCURRED),
        event("reversal", "8", original_order_ref="2", original_kind="redemption", **OCCURRED),
        accrual(card, -1, "9", **OCCURRED),
        accrual(card, 5000, "10", currency="EUR", **OCCURRED),
        redemption(card, 1, "11", **OCCURRED),
        accrual(card, 5000, "12", **OCCURRED),
    ]


def shown(answer: Event | None) -> Event:
    return {name: value for name, value in (answer or {}).items() if name not in OWN}


def told(results: list[Event]) -> list[tuple[str, Event]]:
    """What each event of a batch came to, as `send_singly` tells it."""
    return [
        (r["outcome"], shown(r["transfer"]) if "transfer" in r else {"code": r["problem"]["code"]}) for r in results
    ]


def send_singly(till: Till, each: Event) -> tuple[str, Event]:
    body = dict(each)
    kind, key = body.pop("kind"), body.pop("idempotency_key")
    path = f"/v1/holds/{body.pop('hold_id')}/{kind}" if "hold_id" in body else f"/v1/{kind}s"
    answer = till.post(path, body, key)
    if answer.status_code != 201:
        return "refused", {"code": answer.json["code"]}
    return ("replayed" if "Idempotent-Replayed" in answer.headers else "posted"), shown(answer.json)


def test_a_batch_gives_the_same_results_as_single_calls(
    network: NetworkForTests, till: Till, card: str, make_network: Callable[..., NetworkForTests]
) -> None:
    other = make_network()
    single_till, single_card = other.add_till("A"), other.add_card()

    batch = send(till, a_day_at_the_till(card)).json["results"]
    single = [send_singly(single_till, each) for each in a_day_at_the_till(single_card)]

    assert told(batch) == single
    assert {outcome for outcome, _ in single} == {"posted", "replayed", "refused"}
    assert till.balance(card)["available"] == single_till.balance(single_card)["available"] == 50


def place_hold(till: Till, card: str, order_ref: str) -> str:
    answer = till.post("/v1/holds", {"card": card, "order_ref": order_ref, "points": 10})
    assert answer.status_code == 201, answer.json
    return answer.json["hold_id"]


def a_day_of_chance(
    chance: Random, kinds: Sequence[str], cards: Sequence[str], holds: Sequence[str], length: int
) -> list[Event]:
    """So few cards, orders and keys that many events meet others of their batch in one or several of them."""

    def any_event() -> Event:
        kind, card = chance.choice(kinds), chance.choice([*cards, UNKNOWN_CARD])
        order_ref, key = str(chance.randrange(length // 2)), str(chance.randrange(length))
        made: Event = {"kind": kind, "idempotency_key": key, **OCCURRED}
        match kind:
            case "accrual":
                return {**made, "card": card, "order_ref": order_ref, "amount": chance.choice([500, 2500, 9900])}
            case "redemption" | "hold":
                return {**made, "card": card, "order_ref": order_ref, "points": chance.choice([1, 20, 60])}
            case "reversal":
                part = chance.choice([{}, {"points": 1}])
                return {**made, "original_order_ref": order_ref, **part}
            case _:
                return {**made, "hold_id": chance.choice(holds)}

    return [any_event() for _ in range(length)]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("members", "kinds"), [(2, KINDS), (30, KINDS), (30, POSTED_TOGETHER)])
def test_whatever_meets_in_a_batch_gives_the_same_results_as_single_calls(
    network: NetworkForTests,
    make_network: Callable[..., NetworkForTests],
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
    members: int,
    kinds: Sequence[str],
) -> None:
    together, apart = network, make_network()
    days, tills, wallets = [], [], []
    for each in (together, apart):
        till, cards = each.add_till("Z"), [each.add_card() for _ in range(members)]
        for card in cards:
            till.accrue(card, 5000, **OCCURRED)
        holds = [place_hold(till, card, f"h{number}") for number, card in enumerate(cards)]
        days.append(a_day_of_chance(Random(seed), kinds, cards, holds, 90))
        tills.append(till)
        wallets.append(cards)

    with monkeypatch.context() as not_singly:
        not_singly.setattr("clearinghouse.pos.service.post_event", None)
        batch = send(tills[0], days[0]).json["results"]
    single = [send_singly(tills[1], each) for each in days[1]]

    assert told(batch) == single
    assert [tills[0].balance(card)["available"] for card in wallets[0]] == [
        tills[1].balance(card)["available"] for card in wallets[1]
    ]
    assert check_ledger(apart.tenant_id) == []


def test_the_refusals_of_a_batch_say_as_much_as_those_of_single_calls(till: Till, card: str) -> None:
    till.accrue(card, 1000)

    [result] = send(till, [redemption(card, 15, "1")]).json["results"]

    problem = result["problem"]
    assert (problem["code"], problem["available"], problem["missing"]) == ("insufficient_points", 10, 5)
    assert problem["detail"]


def test_a_batch_sent_again_is_replayed_whole(network: NetworkForTests, till: Till, card: str) -> None:
    events = [accrual(card, 100 * n, f"a{n}") for n in range(1, 11)] + [redemption(card, 5, "r")]

    first = send(till, events)
    again = send(till, events)

    assert (counts(first), counts(again)) == ((11, 0, 0), (0, 11, 0))
    assert [r["transfer"] for r in again.json["results"]] == [r["transfer"] for r in first.json["results"]]
    assert count_transfers(network) == 11
    assert till.balance(card)["available"] == 50


def test_a_batch_of_which_a_part_was_posted_singly_posts_the_rest(till: Till, card: str) -> None:
    events = [accrual(card, 1000, "1"), accrual(card, 1000, "2")]
    send_singly(till, events[1])

    assert [result["outcome"] for result in send(till, events).json["results"]] == ["posted", "replayed"]


def test_an_event_repeated_in_its_batch_is_posted_once(till: Till, card: str) -> None:
    answer = send(till, [accrual(card, 1000, "1")] * 3)

    assert counts(answer) == (1, 2, 0)
    assert till.balance(card)["available"] == 10


def test_a_return_in_the_batch_of_its_sale_is_posted(till: Till, card: str) -> None:
    answer = send(
        till, [accrual(card, 1000, "1"), event("reversal", "2", original_order_ref="1", original_kind="accrual")]
    )

    assert counts(answer) == (2, 0, 0)
    assert till.balance(card)["available"] == 0


@pytest.mark.parametrize("size", [1, CHUNK_EVENTS - 1, CHUNK_EVENTS, CHUNK_EVENTS + 1, 2 * CHUNK_EVENTS])
def test_no_event_is_lost_or_doubled_where_a_batch_is_cut(
    network: NetworkForTests, till: Till, card: str, size: int
) -> None:
    events = [accrual(card, 100, str(n)) for n in range(size)]

    results = send(till, events).json["results"]

    assert [r["index"] for r in results] == list(range(size))
    assert [r["transfer"]["order_ref"] for r in results] == [str(n) for n in range(size)]
    assert [r["transfer"]["available"] for r in results] == list(range(1, size + 1))
    assert count_transfers(network) == size


def test_events_refused_before_the_ledger_keep_the_others_in_their_places(till: Till, card: str) -> None:
    events = [accrual(card, -1 if n % 3 == 0 else 100, str(n)) for n in range(2 * CHUNK_EVENTS)]

    results = send(till, events).json["results"]

    for n, result in enumerate(results):
        if n % 3 == 0:
            assert result["problem"]["code"] == "invalid_input"
        else:
            assert result["transfer"]["order_ref"] == str(n)


def test_a_key_repeated_beyond_the_border_of_a_chunk_is_replayed(till: Till, card: str) -> None:
    events = [accrual(card, 100, str(n)) for n in range(CHUNK_EVENTS)]

    answer = send(till, [*events, events[0]])

    assert counts(answer) == (CHUNK_EVENTS, 1, 0)
    assert answer.json["results"][-1]["transfer"] == answer.json["results"][0]["transfer"]


def test_five_thousand_events_are_posted_and_replayed(network: NetworkForTests, till: Till) -> None:
    cards = [network.add_card() for _ in range(50)]
    events = [accrual(cards[n % 50], 100, str(n)) for n in range(5000)]

    first = send(till, events)
    again = send(till, events)

    assert (counts(first), counts(again)) == ((5000, 0, 0), (0, 5000, 0))
    assert {till.balance(card)["available"] for card in cards} == {100}
    assert count_transfers(network) == 5000


def test_a_terminal_of_another_store_may_use_the_same_keys_and_orders(network: NetworkForTests, card: str) -> None:
    events = [accrual(card, 1000, "1")]

    for store in "ABC":
        assert counts(send(network.tills[store], events)) == (1, 0, 0)

    assert network.tills["A"].balance(card)["available"] == 30


def test_an_event_that_the_database_refuses_keeps_no_other_event_from_being_posted(
    network: NetworkForTests, till: Till, card: str, settings: Settings
) -> None:
    rich = network.add_card()
    till.accrue(rich, 100)
    owner = create_engine(normal_url(settings.database_url), isolation_level="AUTOCOMMIT")
    set_balance = text("UPDATE ledger.wallets SET balance = :balance WHERE tenant_id = :tenant")
    events = [accrual(number, 100, f"e{n}") for n, number in enumerate([card, rich, card])]

    with owner.connect() as connection:
        connection.execute(set_balance, {"tenant": network.tenant_id, "balance": 2**63 - 1})
        answer = till.call("POST", "/v1/batches", {"events": events}).json
        connection.execute(
            text(set_balance.text + " AND balance > 1000"), {"tenant": network.tenant_id, "balance": 1}
        )
    owner.dispose()

    assert [r["outcome"] for r in answer["results"]] == ["posted", "refused", "posted"]
    assert answer["results"][1]["problem"]["code"] == "too_large"
