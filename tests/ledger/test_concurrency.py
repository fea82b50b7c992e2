"""What many tills do at the same moment. Real threads, each with connections of its own."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial
from itertools import count
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest
from apiflask import APIFlask
from psycopg2.errors import UntranslatableCharacter
from sqlalchemy import select, text
from werkzeug.test import TestResponse

from clearinghouse.expiry.service import expire_points
from clearinghouse.ledger.checks import check_ledger
from clearinghouse.ledger.service import (
    POSTED,
    Event,
    accrual,
    common_fields,
    ensure_partitions,
    ledger,
    stop_postings,
)
from clearinghouse.ledger.tables import Transfer
from settlement.checks.service import check_settlement
from settlement.windows.service import close_month, cut_off, list_windows
from settlement.windows.tables import Window
from tenants.foundation import clock
from tenants.foundation.database import owner_connection, unit_of_work
from tenants.foundation.errors import Conflict
from tests.conftest import NetworkForTests, Till

pytestmark = pytest.mark.usefixtures("together_and_apart")

THREADS = 8
SECONDS_MAX = 10.0
JANUARY, FEBRUARY = date(2026, 1, 1), date(2026, 2, 1)
YEARS_WITHOUT_PARTITIONS = count(1991, 2)
IN_JANUARY = "2026-01-15T12:00:00Z"

Job = Callable[[], Any]


@pytest.fixture(autouse=True)
def books_are_right_afterwards(network: NetworkForTests):
    yield
    assert check_ledger(network.tenant_id) == []
    assert check_settlement(network.tenant_id) == []


def at_once(app: APIFlask, jobs: Sequence[Job]) -> list[Any]:
    """Each job's value or its exception, in the order of the jobs."""
    barrier = Barrier(len(jobs))

    def run(job: Job) -> Any:
        with app.app_context():
            barrier.wait()
            try:
                return job()
            except Exception as error:
                return error

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


@dataclass
class Crowd:
    """Threads that call over HTTP as one till, each with a client of its own."""

    app: APIFlask
    till: Till

    def own(self) -> Till:
        till = self.till
        return Till(self.app.test_client(), till.key, till.store_code, till.store_id, till.terminal_id)

    def call(self, *calls: Callable[[Till], TestResponse]) -> list[TestResponse]:
        answers = at_once(self.app, [partial(call, self.own()) for call in calls])
        assert all(isinstance(answer, TestResponse) for answer in answers), answers
        return answers


@pytest.fixture
def crowd(app: APIFlask, till: Till) -> Crowd:
    return Crowd(app, till)


def outcomes(answers: list[TestResponse]) -> Counter[str]:
    """How often each: posted, replayed, or the code of the refusal."""
    return Counter(
        answer.json["code"]
        if answer.status_code != 201
        else "replayed"
        if "Idempotent-Replayed" in answer.headers
        else "posted"
        for answer in answers
    )


def count_transfers(network: NetworkForTests) -> int:
    with unit_of_work(network.tenant_id) as session:
        return len(session.scalars(select(Transfer.transfer_id)).all())


def test_redemptions_at_once_never_take_more_than_there_is(crowd: Crowd, till: Till, card: str) -> None:
    till.accrue(card, 10000)

    answers = crowd.call(*[lambda till: till.redeem(card, 30)] * THREADS)

    assert outcomes(answers) == {"posted": 3, "insufficient_points": THREADS - 3}
    assert till.balance(card)["available"] == 10


def test_one_key_at_once_is_posted_once_and_replayed_to_the_others(
    network: NetworkForTests, crowd: Crowd, till: Till, card: str
) -> None:
    answers = crowd.call(*[lambda till: till.accrue(card, 5000, order_ref="one", key="same")] * THREADS)

    assert outcomes(answers) == {"posted": 1, "replayed": THREADS - 1}
    assert len({answer.data for answer in answers}) == 1
    assert till.balance(card)["available"] == 50
    assert count_transfers(network) == 1


def test_one_order_at_once_under_different_keys_is_posted_once(crowd: Crowd, till: Till, card: str) -> None:
    answers = crowd.call(*[lambda till: till.accrue(card, 5000, order_ref="one")] * THREADS)

    assert outcomes(answers) == {"posted": 1, "order_already_posted": THREADS - 1}
    [posted] = {answer.json["transfer_id"] for answer in answers}
    assert posted.startswith("xfr_")
    assert till.balance(card)["available"] == 50


def test_one_key_at_once_for_different_cards_is_posted_for_one_of_them(
    network: NetworkForTests, crowd: Crowd, till: Till
) -> None:
    for _ in range(5):
        cards, key = [network.add_card() for _ in range(THREADS)], str(uuid4())

        answers = crowd.call(*[lambda till, card=card, key=key: till.accrue(card, 5000, key=key) for card in cards])

        assert outcomes(answers) == {"posted": 1, "idempotency_key_reused": THREADS - 1}
        assert sum(till.balance(card)["available"] for card in cards) == 50


def test_one_order_at_once_for_different_cards_is_posted_for_one_of_them(
    network: NetworkForTests, crowd: Crowd, till: Till
) -> None:
    for round_number in range(5):
        cards, order = [network.add_card() for _ in range(THREADS)], f"order {round_number}"

        answers = crowd.call(
            *[lambda till, card=card, order=order: till.accrue(card, 5000, order_ref=order) for card in cards]
        )

        assert outcomes(answers) == {"posted": 1, "order_already_posted": THREADS - 1}


def accruals(cards: list[str], keys: list[str]) -> list[dict[str, Any]]:
    return [
        {"kind": "accrual", "idempotency_key": key, "card": card, "order_ref": f"order {key}", "amount": 100}
        for card, key in zip(cards, keys, strict=True)
    ]


def test_batches_of_the_same_members_in_opposite_order_both_post(
    network: NetworkForTests, crowd: Crowd, till: Till
) -> None:
    cards = [network.add_card() for _ in range(20)]
    rounds = 10

    for _ in range(rounds):
        batches = [accruals(order, [str(uuid4()) for _ in cards]) for order in (cards, cards[::-1]) * 2]
        answers = crowd.call(*[lambda till, b=batch: till.post("/v1/batches", {"events": b}) for batch in batches])

        assert [(answer.status_code, answer.json.get("posted")) for answer in answers] == [(200, len(cards))] * 4

    assert {till.balance(card)["available"] for card in cards} == {4 * rounds}


def test_batches_with_the_same_keys_in_opposite_order_post_each_event_once(
    network: NetworkForTests, crowd: Crowd, till: Till
) -> None:
    cards = [network.add_card() for _ in range(20)]

    for _ in range(10):
        batch = accruals(cards, [str(uuid4()) for _ in cards])
        answers = crowd.call(
            *[lambda till, b=b: till.post("/v1/batches", {"events": b}) for b in (batch, batch[::-1]) * 2]
        )

        counts = [(answer.status_code, answer.json.get("refused")) for answer in answers]
        assert counts == [(200, 0)] * 4
        assert sum(answer.json["posted"] for answer in answers) == len(cards)

    assert {till.balance(card)["available"] for card in cards} == {10}


def test_batches_that_reverse_what_they_post_do_not_lock_each_other_out(
    network: NetworkForTests, crowd: Crowd, till: Till
) -> None:
    """A reversal of an event of its own batch names a member whose wallet could not be locked beforehand."""
    cards = [network.add_card() for _ in range(10)]

    def sale_and_return(card: str) -> list[dict[str, Any]]:
        [sale] = accruals([card], [str(uuid4())])
        named = {"original_order_ref": sale["order_ref"], "original_kind": "accrual"}
        return [sale, {"kind": "reversal", "idempotency_key": str(uuid4()), **named}]

    for _ in range(5):
        batches = [[e for card in order for e in sale_and_return(card)] for order in (cards, cards[::-1]) * 2]
        answers = crowd.call(*[lambda till, b=b: till.post("/v1/batches", {"events": b}) for b in batches])

        assert [(a.status_code, a.json.get("posted")) for a in answers] == [(200, 2 * len(cards))] * 4

    assert {till.balance(card)["available"] for card in cards} == {0}


def test_a_transfer_is_reversed_once_by_many_at_once(crowd: Crowd, till: Till, card: str) -> None:
    till.accrue(card, 10000)
    redemption = till.redeem(card, 40).json

    answers = crowd.call(*[lambda till: till.reverse(redemption["transfer_id"])] * THREADS)

    assert outcomes(answers) == {"posted": 1, "already_reversed": THREADS - 1}
    assert till.balance(card)["available"] == 100


def test_the_first_events_of_a_new_member_at_once_are_all_posted(
    network: NetworkForTests, crowd: Crowd, till: Till
) -> None:
    for _ in range(5):
        card = network.add_card()

        answers = crowd.call(*[lambda till, card=card: till.accrue(card, 1000)] * THREADS)

        assert outcomes(answers) == {"posted": THREADS}
        assert sorted(answer.json["available"] for answer in answers) == list(range(10, 10 * THREADS + 1, 10))


def test_redemptions_and_reversals_at_once_lose_no_point(crowd: Crowd, till: Till, card: str) -> None:
    till.accrue(card, 10000)
    sales = [till.accrue(card, 1000).json["transfer_id"] for _ in range(4)]
    redeemed = [till.redeem(card, 5).json["transfer_id"] for _ in range(4)]

    answers = crowd.call(
        *[lambda till, t=transfer_id: till.reverse(t) for transfer_id in sales + redeemed],
        *[lambda till: till.redeem(card, 2)] * 4,
    )

    assert outcomes(answers) == {"posted": 12}
    assert till.balance(card)["available"] == 100 - 4 * 2


def at_two_stores(network: NetworkForTests, *calls: Callable[[Till], TestResponse]) -> list[TestResponse]:
    """Every call at once, in turn from a till of store A and of store B."""
    tills = [network.tills["AB"[place % 2]] for place in range(len(calls))]
    own = [Crowd(network.app, till).own() for till in tills]
    answers = at_once(network.app, [partial(call, till) for call, till in zip(calls, own, strict=True)])
    assert all(isinstance(answer, TestResponse) for answer in answers), answers
    return answers


def place_hold(card: str, points: int) -> Callable[[Till], TestResponse]:
    return lambda till: till.post("/v1/holds", {"card": card, "order_ref": uuid4().hex, "points": points})


def test_two_stores_that_hold_and_redeem_at_once_never_take_more_than_there_is(
    network: NetworkForTests, till: Till, card: str
) -> None:
    till.accrue(card, 10000)

    answers = at_two_stores(network, *[place_hold(card, 30), lambda till: till.redeem(card, 30)] * (THREADS // 2))

    assert outcomes(answers) == {"posted": 3, "insufficient_points": THREADS - 3}
    redeemed = sum(answer.json["points"] for answer in answers if answer.json.get("kind") == "redemption")
    balance = till.balance(card)
    assert (balance["available"], balance["held"], balance["deficit"]) == (10, 90 - redeemed, 0)


def test_captures_beside_redemptions_find_what_was_held_for_them(
    network: NetworkForTests, till: Till, card: str
) -> None:
    till.accrue(card, 10000)
    holds = [place_hold(card, 10)(till).json["hold_id"] for _ in range(4)]

    answers = at_two_stores(
        network,
        *[lambda till, h=h: till.post(f"/v1/holds/{h}/capture", {}) for h in holds],
        *[lambda till: till.redeem(card, 20)] * 4,
    )

    assert outcomes(answers) == {"posted": 4 + 3, "insufficient_points": 1}
    balance = till.balance(card)
    assert (balance["available"], balance["held"]) == (0, 0)


def test_a_hold_is_captured_or_voided_by_two_at_once_and_never_both(
    network: NetworkForTests, till: Till, card: str
) -> None:
    till.accrue(card, 10000)
    left = 100
    for _ in range(10):
        hold_id = place_hold(card, 10)(till).json["hold_id"]

        captured, voided = at_two_stores(
            network,
            lambda till, h=hold_id: till.post(f"/v1/holds/{h}/capture", {"points": 4}),
            lambda till, h=hold_id: till.post(f"/v1/holds/{h}/void", {}),
        )

        assert sorted([captured.status_code, voided.status_code]) == [201, 409]
        refused = captured if voided.status_code == 201 else voided
        assert refused.json["code"] == ("hold_voided" if refused is captured else "hold_captured")
        left -= 4 if captured.status_code == 201 else 0
    balance = till.balance(card)
    assert (balance["available"], balance["held"]) == (left, 0)


def test_one_batch_sent_twice_at_the_same_moment_is_posted_once_and_counted_once(
    network: NetworkForTests, crowd: Crowd, till: Till
) -> None:
    cards = [network.add_card() for _ in range(20)]
    sent = 0
    for _ in range(5):
        events = accruals(cards, [str(uuid4()) for _ in cards])
        batch = {"events": [{**event, "sequence": sent + n} for n, event in enumerate(events, 1)]}
        sent += len(events)

        answers = crowd.call(*[lambda till, b=batch: till.call("POST", "/v1/batches", b)] * 4)

        assert [(a.status_code, a.json["refused"], a.json["repeated_count"]) for a in answers] == [(200, 0, 0)] * 4
        assert sum(answer.json["posted"] for answer in answers) == len(cards)
        ids = {tuple(result["transfer"]["transfer_id"] for result in answer.json["results"]) for answer in answers}
        assert len(ids) == 1
    told = till.call("GET", "/v1/sequences").json
    assert (told["received_count"], told["missing_count"], told["repeated_count"]) == (sent, 0, 0)


RETURNS: list[tuple[dict[str, Any], str, set[str]]] = [
    ({"amount": 4000}, "amount", {"more_than_left"}),
    ({"points": 40}, "points", {"more_than_left"}),
    ({}, "amount", {"already_reversed"}),
    ({"lines": [{"line": "1", "amount": 4000}]}, "amount", {"more_than_left"}),
]


@pytest.mark.parametrize(("part", "measure", "codes"), RETURNS)
def test_returns_in_two_stores_at_once_never_give_back_more_than_the_sale(
    network: NetworkForTests, till: Till, card: str, part: dict[str, Any], measure: str, codes: set[str]
) -> None:
    sale = till.accrue(card, 10000, lines=[{"line": "1", "amount": 10000}]).json

    answers = at_two_stores(network, *[lambda till: till.reverse(sale["transfer_id"], **part)] * THREADS)

    posted = [answer.json for answer in answers if answer.status_code == 201]
    assert {answer.json["code"] for answer in answers if answer.status_code != 201} == codes
    most = {"amount": 10000, "points": 100}[measure]
    assert sum(each[measure] for each in posted) == (most if not part else most * 8 // 10)
    assert till.balance(card)["available"] == 100 - sum(each["points"] for each in posted)


def test_returns_of_a_redemption_in_two_stores_at_once_never_give_back_more_than_was_redeemed(
    network: NetworkForTests, till: Till, card: str
) -> None:
    till.accrue(card, 10000)
    redemption = till.redeem(card, 100).json

    answers = at_two_stores(network, *[lambda till: till.reverse(redemption["transfer_id"], points=30)] * THREADS)

    assert outcomes(answers) == {"posted": 3, "more_than_left": THREADS - 3}
    assert till.balance(card)["available"] == 90


def plain_accrual(till: Till, card: str, order_ref: str) -> Event:
    common = common_fields(clock.now(), clock.now().date(), till.terminal_id, till.store_id, order_ref)
    return accrual([], amount=100, programme_version=1, card=card, **common)


@contextmanager
def lock_wallets(network: NetworkForTests, cards: list[str]) -> Iterator[None]:
    """By a transaction of somebody else, on a connection of its own."""
    with owner_connection() as connection:
        connection.execute(
            text(
                "SELECT FROM ledger.wallets JOIN tenants.cards USING (tenant_id, member_id) "
                "WHERE tenant_id = :tenant AND number = ANY (:cards) FOR UPDATE OF wallets"
            ),
            {"tenant": network.tenant_id, "cards": cards},
        )
        yield
        connection.rollback()


def test_an_event_that_the_database_can_not_take_does_not_keep_those_beside_it_from_being_posted(
    app: APIFlask, network: NetworkForTests, till: Till, card: str
) -> None:
    events = [plain_accrual(till, card, order_ref) for order_ref in ("1", "2", "a \0 in it", "3", "4")]
    with ThreadPoolExecutor(1) as aside, unit_of_work(network.tenant_id) as session:
        # While it can't end, all come to wait for it, if they wait.
        stop_postings(session, network.tenant_id)
        storm = aside.submit(at_once, app, [partial(ledger().post_one, network.tenant_id, event) for event in events])
        time.sleep(0.1)
        session.commit()
        *posted, _, fourth, fifth = results = storm.result()

    assert [result.outcome for result in (*posted, fourth, fifth)] == [POSTED] * 4
    assert isinstance(results[2], UntranslatableCharacter)
    assert count_transfers(network) == 4


def test_a_till_whose_card_is_locked_holds_up_no_other(
    network: NetworkForTests, crowd: Crowd, till: Till, card: str
) -> None:
    till.accrue(card, 1000)
    others = [network.add_card() for _ in range(THREADS)]
    with ThreadPoolExecutor(1) as aside:
        with lock_wallets(network, [card]):
            stuck = aside.submit(crowd.call, lambda till: till.accrue(card, 1000))
            time.sleep(0.05)
            answers = crowd.call(*[lambda till, c=other: till.accrue(c, 1000) for other in others])
            assert outcomes(answers) == {"posted": THREADS}
            assert not stuck.done()
        assert outcomes(stuck.result()) == {"posted": 1}


def test_a_till_that_comes_to_be_posted_together_with_a_locked_card_does_not_wait_for_it(
    app: APIFlask, network: NetworkForTests, till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenants.foundation.group_commit.PATIENCE_SECONDS", SECONDS_MAX)
    first, locked, *others = [network.add_card() for _ in range(THREADS)]
    for card in (first, locked):
        till.accrue(card, 1000)

    def accrue(card: str) -> Future[Any]:
        event = plain_accrual(till, card, card)
        return threads.submit(at_once, app, [lambda: ledger().post_one(network.tenant_id, event)])

    with ThreadPoolExecutor(THREADS) as threads, lock_wallets(network, [locked]):
        with lock_wallets(network, [first]):
            under_way = accrue(first)
            time.sleep(0.1)
            stuck, *waiting = [accrue(card) for card in (locked, *others)]
            time.sleep(0.1)
        assert [posted.result(SECONDS_MAX)[0].outcome for posted in (under_way, *waiting)] == [POSTED] * (THREADS - 1)
        assert not stuck.done()
    assert stuck.result()[0].outcome == POSTED


def test_a_month_closed_under_load_holds_every_acknowledged_transfer_in_one_window(
    app: APIFlask, network: NetworkForTests, crowd: Crowd
) -> None:
    cards = [network.add_card() for _ in range(THREADS)]

    def sell(till: Till, card: str) -> list[dict[str, Any]]:
        answers = [till.accrue(card, 100 * n, occurred_at=IN_JANUARY) for n in range(1, 26)]
        assert {answer.status_code for answer in answers} == {201}
        return [answer.json for answer in answers]

    *sold, closed = at_once(
        app,
        [partial(sell, crowd.own(), card) for card in cards]
        + [lambda: close_month(network.tenant_id, JANUARY, "test")],
    )
    close_month(network.tenant_id, FEBRUARY, "test")

    assert isinstance(closed, Window), closed
    acknowledged = [transfer for answers in sold for transfer in answers]
    by_month = Counter[str]()
    for transfer in acknowledged:
        by_month[transfer["settlement_month"]] += transfer["points"]
    windows, first_open = list_windows(network.tenant_id)
    assert {w.month.isoformat()[:7]: w.issued for w in windows} == {m: by_month[m] for m in ("2026-01", "2026-02")}
    assert sum(by_month.values()) == THREADS * sum(range(1, 26))
    assert first_open == date(2026, 3, 1)


def test_a_month_closed_by_many_at_once_is_closed_once(app: APIFlask, network: NetworkForTests, card: str) -> None:
    for month_number in range(1, 6):
        month = date(2026, month_number, 1)
        network.tills["A"].accrue(card, 10000, occurred_at=f"{month.isoformat()[:7]}-10T12:00:00Z")

        results = at_once(app, [lambda month=month: close_month(network.tenant_id, month, "test")] * 3)

        refusals = [result for result in results if not isinstance(result, Window)]
        assert all(isinstance(refusal, Conflict) for refusal in refusals), refusals
        assert len(refusals) == 2
        windows, first_open = list_windows(network.tenant_id)
        assert (len(windows), first_open) == (month_number, date(2026, month_number + 1, 1))


def test_a_close_that_was_interrupted_is_taken_up_by_many_at_once_and_published_once(
    app: APIFlask, network: NetworkForTests, card: str
) -> None:
    for month_number in range(1, 6):
        month = date(2026, month_number, 1)
        network.tills["A"].accrue(card, 10000, occurred_at=f"{month.isoformat()[:7]}-10T12:00:00Z")
        cut_off(network.tenant_id, month, "interrupted")

        results = at_once(app, [lambda month=month: close_month(network.tenant_id, month, "test")] * 4)

        refusals = [result for result in results if not isinstance(result, Window)]
        assert all(isinstance(refusal, Conflict) for refusal in refusals), refusals
        assert len(refusals) == 3


def test_points_expired_by_two_jobs_at_once_expire_once(app: APIFlask, network: NetworkForTests) -> None:
    till = network.tills["A"]
    for _ in range(30):
        till.accrue(network.add_card(), 1000, occurred_at=IN_JANUARY)

    results = at_once(app, [lambda: expire_points(network.tenant_id, date(2026, 8, 1))] * 4)

    assert sum(results) == 300
    assert count_transfers(network) == 60


def test_expiry_beside_the_tills_loses_no_point(app: APIFlask, network: NetworkForTests, crowd: Crowd) -> None:
    till = network.tills["A"]
    cards = [network.add_card() for _ in range(6)]
    for card in cards:
        till.accrue(card, 1000, occurred_at=IN_JANUARY)

    def redeem_all(till: Till) -> int:
        answers = [till.redeem(card, 10, occurred_at="2026-07-31T12:00:00Z") for card in cards]
        assert {answer.status_code for answer in answers} <= {201, 409}
        return sum(answer.json["points"] for answer in answers if answer.status_code == 201)

    redeemed, expired = at_once(
        app, [partial(redeem_all, crowd.own()), lambda: expire_points(network.tenant_id, date(2026, 8, 1))]
    )

    assert redeemed + expired == 60


def test_partitions_made_beside_the_tills_stop_neither(
    app: APIFlask, crowd: Crowd, network: NetworkForTests, card: str
) -> None:
    """Opening a network and closing a month make partitions of the table that every posting writes to."""
    first_year = next(YEARS_WITHOUT_PARTITIONS)
    months = [date(first_year + n // 12, n % 12 + 1, 1) for n in range(24)]

    def make_partitions() -> int:
        return sum(ensure_partitions(month, month) for month in months)

    def sell(till: Till) -> set[int]:
        sales = [till.accrue(card, 100) for _ in range(60)]
        returns = [till.reverse(sale.json["transfer_id"]) for sale in sales]
        return {answer.status_code for answer in sales + returns}

    *statuses, made = at_once(app, [partial(sell, crowd.own()) for _ in range(4)] + [make_partitions])

    assert statuses == [{201}] * 4
    assert made == len(months)
