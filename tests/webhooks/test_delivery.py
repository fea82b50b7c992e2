"""From the till's posting to the receiver, through the outbox, the queue and real workers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from apiflask import APIFlask
from sqlalchemy import select
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from clearinghouse.app import create_app
from clearinghouse.ledger.tables import Books, OutboxEvent
from clearinghouse.webhooks import calling
from clearinghouse.webhooks.delivery import GAVE_UP, alone, carry, deliver, give_up_on
from clearinghouse.webhooks.jobs import FAST, SLOW, carry_all, purge_network
from clearinghouse.webhooks.queries import carry_outbox
from clearinghouse.webhooks.rules import FAILURES_UNTIL_PAUSE, GIVE_UP_AFTER, PING
from clearinghouse.webhooks.tables import Delivery, Endpoint
from settlement.windows.service import close_month
from tenants.foundation import clock, ids
from tenants.foundation.config import Settings
from tenants.foundation.database import db, unit_of_work
from tenants.foundation.queue import job_queue
from tests.conftest import ROOT, NetworkForTests, Till
from tests.webhooks.conftest import Received, Receiver, deliveries_of, let_time_pass, make_webhook, run_workers

pytestmark = pytest.mark.usefixtures("to_private", "empty_queues")

ROUNDS_MAX = 40


def endpoint_of(network: NetworkForTests, webhook: dict[str, Any]) -> Endpoint:
    with unit_of_work(network.tenant_id) as session:
        return session.get_one(Endpoint, (network.tenant_id, ids.parse(ids.WEBHOOK, webhook["webhook_id"])))


def outbox_of(network: NetworkForTests) -> list[OutboxEvent]:
    with unit_of_work(network.tenant_id) as session:
        return list(session.scalars(select(OutboxEvent)))


def deliver_until_done(network: NetworkForTests, webhook: dict[str, Any]) -> None:
    for _ in range(ROUNDS_MAX):
        run_workers()
        if not deliveries_of(network, webhook, "pending"):
            return
        let_time_pass(network.tenant_id)
    raise AssertionError("something is pending still")


def sequences_by_member(calls: list[Received]) -> dict[str, list[int]]:
    """The order in which each member's events were accepted, each where it was accepted first."""
    found: dict[str, list[int]] = defaultdict(list)
    for call in calls:
        if call.data["sequence"] not in found[call.data["member_id"]]:
            found[call.data["member_id"]].append(call.data["sequence"])
    return found


def test_a_posting_reaches_the_receiver_as_the_api_shows_it(
    network: NetworkForTests, till: Till, card: str, receiver: Receiver
) -> None:
    webhook = make_webhook(network, receiver.url)
    posted = till.accrue(card, 2500).json

    run_workers()

    [call] = receiver.calls
    member_id = network.hq("GET", "/v1/members").json["members"][0]["member_id"]
    assert call.event["type"] == "accrual.posted"
    assert call.event["timestamp"] == posted["posted_at"]
    assert call.data == {"member_id": member_id, "sequence": 1, **posted}
    assert call.headers["content-type"] == "application/json"
    assert call.headers["path"] == "/hook?shop=1"
    [delivery] = deliveries_of(network, webhook)
    assert (delivery["status"], delivery["attempts"]) == ("delivered", 1)
    assert delivery["event_id"] == call.headers["webhook-id"]
    assert outbox_of(network) == []


def test_calls_are_signed_as_the_standard_webhooks_library_verifies(
    network: NetworkForTests, till: Till, card: str, receiver: Receiver
) -> None:
    secret = make_webhook(network, receiver.url)["secret"]
    till.accrue(card, 2500, order_ref="Käse \U0001f9c0")

    run_workers()

    [call] = receiver.calls
    assert Webhook(secret).verify(call.body, call.headers) == call.event
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(call.body.replace("2500", "2501"), call.headers)


def test_after_a_rotation_both_secrets_verify_and_after_a_second_one_the_first_does_not(
    network: NetworkForTests, receiver: Receiver
) -> None:
    webhook = make_webhook(network, receiver.url)
    path = f"/v1/webhooks/{webhook['webhook_id']}"
    secrets = [webhook["secret"], network.hq("POST", f"{path}/rotate-secret").json["secret"]]
    network.hq("POST", f"{path}/ping")
    run_workers()
    secrets.append(network.hq("POST", f"{path}/rotate-secret").json["secret"])
    network.hq("POST", f"{path}/ping")
    run_workers()

    def verified(call: Received) -> list[bool]:
        result = []
        for secret in secrets:
            try:
                result.append(bool(Webhook(secret).verify(call.body, call.headers)))
            except WebhookVerificationError:
                result.append(False)
        return result

    assert len(set(secrets)) == 3
    assert [verified(call) for call in receiver.calls] == [[True, True, False], [False, True, True]]


def test_the_earlier_secret_ends_after_a_day(network: NetworkForTests, receiver: Receiver) -> None:
    webhook = make_webhook(network, receiver.url)
    path = f"/v1/webhooks/{webhook['webhook_id']}"
    network.hq("POST", f"{path}/rotate-secret")
    with unit_of_work(network.tenant_id) as session:
        endpoint = session.scalars(select(Endpoint)).one()
        assert endpoint.earlier_secret_until is not None
        endpoint.earlier_secret_until -= timedelta(hours=24)
    network.hq("POST", f"{path}/ping")

    run_workers()

    assert len(receiver.calls[0].headers["webhook-signature"].split()) == 1


def test_every_event_arrives_at_least_once_and_in_order_of_each_member_though_the_receiver_fails_and_hangs(
    network: NetworkForTests, make_receiver: Callable[..., Receiver], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calling, "CALL_SECONDS_MAX", 0.2)
    receiver = make_receiver(manners=lambda number: None if number % 17 == 0 else 500 if number % 3 == 0 else 200)
    webhook = make_webhook(network, receiver.url)
    cards = [network.add_card() for _ in range(10)]
    for number in range(10):
        for card in cards:
            assert network.tills["ABC"[number % 3]].accrue(card, 100 + number).status_code == 201

    deliver_until_done(network, webhook)

    accepted = sequences_by_member(receiver.accepted)
    assert len(accepted) == 10
    assert all(sequences == list(range(1, 11)) for sequences in accepted.values()), accepted
    assert len(receiver.calls) > 130, "it did fail now and then"
    assert {d["status"] for d in deliveries_of(network, webhook)} == {"delivered"}


def test_a_receiver_that_was_down_gets_everything_once_it_is_back(
    network: NetworkForTests, till: Till, receiver: Receiver
) -> None:
    receiver.manners = lambda number: 503
    webhook = make_webhook(network, receiver.url)
    cards = [network.add_card() for _ in range(3)]
    for card in cards * 4:
        till.accrue(card, 100)
    run_workers()
    let_time_pass(network.tenant_id)
    run_workers()
    assert endpoint_of(network, webhook).failing_since is not None

    receiver.manners = lambda number: 200
    let_time_pass(network.tenant_id)
    deliver_until_done(network, webhook)

    assert list(sequences_by_member(receiver.accepted).values()) == [[1, 2, 3, 4]] * 3
    endpoint = endpoint_of(network, webhook)
    assert (endpoint.failing_since, endpoint.failures_in_row) == (None, 0)


def test_an_event_waits_for_the_earlier_one_of_its_member_and_not_for_those_of_others(
    network: NetworkForTests, till: Till, receiver: Receiver
) -> None:
    unlucky, lucky = network.add_card(), network.add_card()
    till.accrue(unlucky, 100)
    webhook = make_webhook(network, receiver.url)
    receiver.manners = lambda number: 500 if number == 1 else 200
    till.accrue(unlucky, 100)
    run_workers()
    till.accrue(unlucky, 100)
    till.accrue(lucky, 100)

    run_workers()

    told = [(call.data["card"], call.data["sequence"], call.status) for call in receiver.calls]
    assert told == [(unlucky, 2, 500), (lucky, 1, 200)]
    waiting = [d for d in deliveries_of(network, webhook, "pending") if d["next_attempt_at"] is None]
    assert len(waiting) == 1
    let_time_pass(network.tenant_id)
    run_workers()
    assert [call.data["sequence"] for call in receiver.accepted if call.data["card"] == unlucky] == [2, 3]


def test_a_later_batch_of_the_outbox_does_not_overtake_an_earlier_one(
    network: NetworkForTests, till: Till, card: str, receiver: Receiver
) -> None:
    webhook = make_webhook(network, receiver.url)
    for _ in range(3):
        till.accrue(card, 100)
        carry(network.tenant_id)

    due = [d["next_attempt_at"] is not None for d in deliveries_of(network, webhook)]

    assert due == [True, False, False]
    run_workers()
    assert [call.data["sequence"] for call in receiver.accepted] == [1, 2, 3]


def test_two_that_carry_the_outbox_at_once_keep_the_order(
    app: APIFlask, network: NetworkForTests, till: Till, card: str, receiver: Receiver
) -> None:
    webhook = make_webhook(network, receiver.url)
    till.accrue(card, 100)

    def carry_too() -> None:
        with app.app_context():
            carry(network.tenant_id)

    overtaking = threading.Thread(target=carry_too)
    with unit_of_work(network.tenant_id) as session:
        carry_outbox(session, network.tenant_id)
        with app.app_context():
            till.accrue(card, 100)
        overtaking.start()
        overtaking.join(0.3)
        assert overtaking.is_alive(), "it waits, however new what it has to carry"
    overtaking.join()

    assert [d["next_attempt_at"] is not None for d in deliveries_of(network, webhook)] == [True, False]


def test_nothing_is_forgotten_when_events_come_while_others_are_delivered(
    app: APIFlask, network: NetworkForTests, receiver: Receiver
) -> None:
    receiver.manners = lambda number: 500 if number % 11 == 0 else 200
    webhook = make_webhook(network, receiver.url)
    cards = [network.add_card() for _ in range(4)]
    over = threading.Event()

    def carry_and_deliver() -> None:
        with app.app_context():
            while not over.is_set():
                for endpoint_id, _ in carry(network.tenant_id):
                    deliver(network.tenant_id, endpoint_id)

    couriers = [threading.Thread(target=carry_and_deliver) for _ in range(2)]
    for courier in couriers:
        courier.start()
    posted = [network.tills["A"].accrue(card, 100).status_code for _ in range(40) for card in cards]
    over.set()
    for courier in couriers:
        courier.join()
    let_time_pass(network.tenant_id)
    deliver_until_done(network, webhook)

    assert set(posted) == {201}
    assert list(sequences_by_member(receiver.accepted).values()) == [list(range(1, 41))] * 4


def test_after_three_days_an_event_fails_and_the_next_of_its_member_goes_on(
    network: NetworkForTests, till: Till, card: str, receiver: Receiver
) -> None:
    receiver.manners = lambda number: 500
    webhook = make_webhook(network, receiver.url)
    till.accrue(card, 100)
    till.accrue(card, 200)
    run_workers()
    with unit_of_work(network.tenant_id) as session:
        session.scalars(select(Delivery).where(Delivery.sequence == 1)).one().queued_at -= GIVE_UP_AFTER
    let_time_pass(network.tenant_id)
    run_workers()

    first, second = deliveries_of(network, webhook)
    assert (first["status"], first["failed_because"], first["next_attempt_at"]) == ("failed", GAVE_UP, None)
    assert (second["status"], second["attempts"]) == ("pending", 1)


def test_an_endpoint_that_accepted_nothing_for_three_days_is_not_called_for_each_old_event(
    network: NetworkForTests, till: Till, card: str, receiver: Receiver
) -> None:
    receiver.manners = lambda number: 500
    webhook = make_webhook(network, receiver.url)
    for _ in range(5):
        till.accrue(card, 100)
    run_workers()
    endpoint = endpoint_of(network, webhook)
    calls = len(receiver.calls)

    assert give_up_on(network.tenant_id, endpoint.endpoint_id, clock.now() + GIVE_UP_AFTER / 2) == 0
    assert give_up_on(network.tenant_id, endpoint.endpoint_id, clock.now() + GIVE_UP_AFTER) == 5

    assert len(receiver.calls) == calls
    assert {d["status"] for d in deliveries_of(network, webhook)} == {"failed"}


def test_an_endpoint_that_keeps_failing_rests_as_a_whole(
    network: NetworkForTests, till: Till, receiver: Receiver
) -> None:
    receiver.manners = lambda number: 500
    webhook = make_webhook(network, receiver.url)
    for _ in range(40):
        till.accrue(network.add_card(), 100)

    run_workers()

    # Those under way when the last failure came are let finish.
    assert FAILURES_UNTIL_PAUSE <= len(receiver.calls) <= 2 * FAILURES_UNTIL_PAUSE
    shown = network.hq("GET", f"/v1/webhooks/{webhook['webhook_id']}").json
    assert shown["failing_since"] and shown["paused_until"]
    assert (shown["pending"], shown["failures_in_row"]) == (40, len(receiver.calls))
    calls = len(receiver.calls)
    run_workers()
    assert len(receiver.calls) == calls


def test_a_receiver_that_is_gone_is_disabled(network: NetworkForTests, till: Till, receiver: Receiver) -> None:
    receiver.manners = lambda number: 410
    webhook = make_webhook(network, receiver.url)
    cards = [network.add_card(), network.add_card()]
    for card in cards * 2:
        till.accrue(card, 100)

    run_workers()

    shown = network.hq("GET", f"/v1/webhooks/{webhook['webhook_id']}").json
    assert (shown["status"], shown["disabled_because"]) == ("disabled", "the receiver answered 410 Gone")
    assert {d["status"] for d in deliveries_of(network, webhook)} == {"failed"}
    till.accrue(cards[0], 100)
    assert outbox_of(network) == []


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ([], ["accrual.posted", "redemption.posted", "redemption.reversed", "accrual.reversed"]),
        (["redemption.posted"], ["redemption.posted"]),
        (["accrual.posted", "accrual.reversed"], ["accrual.posted", "accrual.reversed"]),
        (["window.closed"], []),
    ],
)
def test_an_endpoint_gets_the_events_it_has_chosen(
    network: NetworkForTests, till: Till, card: str, receiver: Receiver, chosen: list[str], told: list[str]
) -> None:
    make_webhook(network, receiver.url, events=chosen)
    accrual = till.accrue(card, 2500).json["transfer_id"]
    redemption = till.redeem(card, 10).json["transfer_id"]
    till.reverse(redemption)
    till.reverse(accrual)

    run_workers()

    assert [call.event["type"] for call in receiver.calls] == told


def test_head_office_is_told_of_a_closed_month_once(network: NetworkForTests, card: str, receiver: Receiver) -> None:
    make_webhook(network, receiver.url, events=["window.closed"])
    network.tills["A"].accrue(card, 10000, occurred_at="2026-01-10T12:00:00Z")

    close_month(network.tenant_id, date(2026, 1, 1), "test")
    run_workers()

    [call] = receiver.calls
    assert call.event["type"] == "window.closed"
    assert call.data == {
        **{"month": "2026-01", "closed_by": "test", "issued": 100, "borne": 0, "recovered": 0, "expired": 0},
        **{"opening_outstanding": 0, "closing_outstanding": 100},
    }


def test_several_endpoints_get_the_same_event_under_the_same_id(
    network: NetworkForTests, till: Till, card: str, make_receiver: Callable[..., Receiver]
) -> None:
    receivers = [make_receiver(), make_receiver()]
    secrets = [make_webhook(network, receiver.url)["secret"] for receiver in receivers]
    till.accrue(card, 100)

    run_workers()

    [[first], [second]] = [receiver.calls for receiver in receivers]
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert Webhook(secrets[1]).verify(second.body, second.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(secrets[0]).verify(second.body, second.headers)


def test_an_endpoint_that_fails_does_not_hold_up_another(
    network: NetworkForTests, till: Till, make_receiver: Callable[..., Receiver]
) -> None:
    down, up = make_receiver(manners=lambda number: 500), make_receiver()
    make_webhook(network, down.url)
    make_webhook(network, up.url)
    for _ in range(30):
        till.accrue(network.add_card(), 100)

    run_workers()

    assert len(up.accepted) == 30


def test_postings_go_on_while_a_call_hangs(
    app: APIFlask, network: NetworkForTests, till: Till, card: str, receiver: Receiver
) -> None:
    receiver.manners = lambda number: None if number == 1 else 200
    webhook = make_webhook(network, receiver.url)
    till.accrue(card, 100)
    [(endpoint_id, _)] = carry(network.tenant_id)

    def deliver_it() -> None:
        with app.app_context():
            deliver(network.tenant_id, endpoint_id)

    delivering = threading.Thread(target=deliver_it)
    delivering.start()
    receiver.wait_for_calls(1)

    # The very member of the call that hangs, another one, and another relay: none of them waits for it.
    posted = [till.accrue(each, 100).status_code for each in (card, network.add_card(), card)]
    carry(network.tenant_id)
    network.hq("POST", f"/v1/webhooks/{webhook['webhook_id']}/ping")
    assert delivering.is_alive()
    receiver.stopped.set()
    delivering.join()

    assert posted == [201, 201, 201]
    deliver_until_done(network, webhook)
    of_members = [call for call in receiver.accepted if call.event["type"] != PING]
    assert sorted(sequences_by_member(of_members).values()) == [[1], [1, 2, 3]]


def test_two_workers_never_deliver_to_the_same_endpoint_at_once(
    network: NetworkForTests, till: Till, card: str, receiver: Receiver
) -> None:
    make_webhook(network, receiver.url)
    till.accrue(card, 100)
    [(endpoint_id, _)] = carry(network.tenant_id)

    with alone(endpoint_id) as is_alone, alone(endpoint_id) as is_alone_too:
        deliver(network.tenant_id, endpoint_id)
        assert (is_alone, is_alone_too) == (True, False)
        assert receiver.calls == []

    deliver(network.tenant_id, endpoint_id)
    assert len(receiver.calls) == 1


def test_postings_need_no_queue(settings: Settings, network: NetworkForTests, card: str, receiver: Receiver) -> None:
    make_webhook(network, receiver.url)
    elsewhere = create_app(replace(settings, redis_url="redis://127.0.0.1:1/0"))
    till = network.tills["A"]
    till_elsewhere = Till(elsewhere.test_client(), till.key, till.store_code, till.store_id, till.terminal_id)

    answer = till_elsewhere.accrue(card, 100)

    assert answer.status_code == 201
    assert [str(row.transfer_id) for row in outbox_of(network)] == [
        str(ids.parse(ids.TRANSFER, answer.json["transfer_id"]))
    ]
    elsewhere.extensions["calls"].engine.dispose()
    with elsewhere.app_context():
        db.engine.dispose()


def test_postings_write_to_the_outbox_only_while_somebody_listens(
    network: NetworkForTests, till: Till, card: str, receiver: Receiver
) -> None:
    written = [len(outbox_of(network)) for _ in [till.accrue(card, 100)]]
    webhook = make_webhook(network, receiver.url)
    for enabled in (False, True):
        network.hq("PATCH", f"/v1/webhooks/{webhook['webhook_id']}", {"enabled": enabled})
        till.accrue(card, 100)
        written.append(len(outbox_of(network)))

    assert written == [0, 0, 1]
    with unit_of_work(network.tenant_id) as session:
        assert session.scalars(select(Books.events_wanted)).one()
    run_workers()
    assert [call.data["sequence"] for call in receiver.calls] == [3]


def test_an_endpoint_is_not_told_of_what_happened_before_it_was_there(
    network: NetworkForTests, till: Till, card: str, make_receiver: Callable[..., Receiver]
) -> None:
    early, late = make_receiver(), make_receiver()
    make_webhook(network, early.url)
    till.accrue(card, 100)
    make_webhook(network, late.url)
    till.accrue(card, 100)

    run_workers()

    assert ([c.data["sequence"] for c in early.calls], [c.data["sequence"] for c in late.calls]) == ([1, 2], [2])


def test_networks_are_told_of_their_own_events_only(
    network: NetworkForTests,
    make_network: Callable[..., NetworkForTests],
    till: Till,
    card: str,
    make_receiver: Callable[..., Receiver],
) -> None:
    other = make_network()
    own, foreign = make_receiver(), make_receiver()
    make_webhook(network, own.url)
    make_webhook(other, foreign.url)
    till.accrue(card, 100)
    other_till = other.add_till("A")
    other_till.accrue(other.add_card(), 200)

    run_workers()

    assert [call.data["amount"] for call in own.calls] == [100]
    assert [call.data["amount"] for call in foreign.calls] == [200]


def test_only_networks_with_something_to_do_get_a_job(
    network: NetworkForTests, make_network: Callable[..., NetworkForTests], till: Till, card: str, receiver: Receiver
) -> None:
    idle = make_network()
    make_webhook(idle, receiver.url)
    make_webhook(network, receiver.url)
    till.accrue(card, 100)

    carry_all()
    carry_all()

    queued = [job.args for job in job_queue(FAST).get_jobs()]
    assert queued.count((str(network.tenant_id),)) == 1
    assert (str(idle.tenant_id),) not in queued


def test_a_slow_receiver_is_served_after_the_fast_ones(
    network: NetworkForTests, till: Till, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clearinghouse.webhooks.delivery.SLOW_MILLISECONDS", -1)
    make_webhook(network, receiver.url)
    till.accrue(network.add_card(), 100)
    run_workers()
    till.accrue(network.add_card(), 100)

    [(_, is_slow)] = carry(network.tenant_id)
    carry_all()
    queued = {name: len(job_queue(name).get_job_ids()) for name in (FAST, SLOW)}

    assert is_slow
    assert (queued[FAST] > 0, queued[SLOW]) == (True, 0)
    run_workers()
    assert len(receiver.accepted) == 2


def family_of(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *[each for child in children for each in family_of(int(child))]]


def test_nothing_is_lost_when_a_worker_is_killed_in_the_middle_of_a_call(
    settings: Settings, network: NetworkForTests, till: Till, receiver: Receiver
) -> None:
    receiver.manners = lambda number: None if number == 2 else 200
    webhook = make_webhook(network, receiver.url)
    cards = [network.add_card() for _ in range(3)]
    for card in cards * 2:
        till.accrue(card, 100)
    carry_all()
    environment = os.environ | {
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "CLEARINGHOUSE_VAR": str(settings.var),
        "CLEARINGHOUSE_SECRET_KEY": settings.secret_key.decode(),
        "CLEARINGHOUSE_WEBHOOKS_TO_PRIVATE": "1",
    }
    command = [sys.executable, "-m", "cli", "worker", "--burst", "--only-webhooks"]
    with subprocess.Popen(command, cwd=ROOT, env=environment) as worker:
        receiver.wait_for_calls(2)
        for pid in family_of(worker.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    receiver.stopped.set()

    assert deliveries_of(network, webhook, "pending")
    deliver_until_done(network, webhook)

    assert list(sequences_by_member(receiver.accepted).values()) == [[1, 2]] * 3
    assert all(Webhook(webhook["secret"]).verify(call.body, call.headers) for call in receiver.accepted)


def test_what_was_delivered_a_month_ago_is_forgotten_and_what_failed_is_kept_longer(
    network: NetworkForTests, till: Till, receiver: Receiver
) -> None:
    webhook = make_webhook(network, receiver.url)
    for _ in range(4):
        till.accrue(network.add_card(), 100)
    run_workers()
    ages = [("delivered", None, 29), ("delivered", None, 31), ("failed", GAVE_UP, 89), ("failed", GAVE_UP, 91)]
    with unit_of_work(network.tenant_id) as session:
        for delivery, (state, because, days) in zip(session.scalars(select(Delivery)).all(), ages, strict=True):
            delivery.state, delivery.failed_because = state, because
            delivery.finished_at = clock.now() - timedelta(days=days)

    purged = purge_network(str(network.tenant_id))

    assert purged == 2
    assert sorted(d["status"] for d in deliveries_of(network, webhook)) == ["delivered", "failed"]
    assert purge_network(str(network.tenant_id)) == 0
