"""Tills that post from many connections at once, write down every answer, and ask again when none came.

What a till may rely on is checked with every answer: it is a success, a refusal, or tells it to try again.
"""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from tests.conftest import NetworkForTests
from tests.waiting import SECONDS_MAX, wait_until

Json = dict[str, Any]

# A till that has waited longer hangs up and asks again.
ANSWER_SECONDS_MAX = 60.0
# Not `Retry-After`: what is to be found out is found out sooner.
PAUSE_SECONDS = 0.1
BATCH_EVENTS = 25
# None runs out by itself, also while a test sets the clock.
HOLD_SECONDS = 30 * 86_400
POINTS_AT_FIRST = 1_000_000

TRY_AGAIN = (429, 503)
# What tills see without any fault. They send faster than a till may.
ORDINARY = {"201", "posted in a batch", "replayed in a batch", "429 rate_limited"}
# What the clearinghouse may refuse of what these tills send; they never ask for what is not there.
REFUSALS = {"already_reversed", "more_than_left", "nothing_to_redeem", "hold_captured", "hold_voided", "hold_expired"}


@dataclass(frozen=True)
class TillKey:
    store_code: str
    key: str


@dataclass(eq=False)
class Event:
    """One that happened at a till. `seen` is what its driver saw, try by try; `hold` what it captures or voids."""

    till: TillKey
    kind: str
    key: str
    card: str
    body: Json
    hold: Event | None = None
    seen: list[str] = field(default_factory=list)
    transfer: Json | None = None
    refusal: str | None = None

    @property
    def is_settled(self) -> bool:
        return self.transfer is not None or self.refusal is not None

    def path(self) -> str:
        if self.hold is None:
            return f"/v1/{self.kind}s"
        return f"/v1/holds/{self.hold_id()}/{self.kind}"

    def hold_id(self) -> str:
        assert self.hold is not None and self.hold.transfer is not None
        return str(self.hold.transfer["hold_id"])

    def batched(self) -> Json:
        event = {"kind": self.kind, "idempotency_key": self.key, **self.body}
        return event if self.hold is None else {**event, "hold_id": self.hold_id()}

    def told(self) -> str:
        transfer = self.transfer and self.transfer["transfer_id"]
        return (
            f"{self.kind} under key {self.key} at store {self.till.store_code}, {self.body}: "
            f"transfer {transfer}, refusal {self.refusal}, seen: {'; '.join(self.seen)}"
        )


class NoAnswer(Exception):
    """None, or half of one: the till can't know what became of its request."""


class Line:
    """A kept connection to whatever port the driver says."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.connection: http.client.HTTPConnection | None = None

    def call(
        self, till: TillKey, path: str, body: Json | None = None, key: str | None = None, hang_up: bool = False
    ) -> tuple[int, Json, Any]:
        """Status, body and headers. Raises `NoAnswer`."""
        headers = {"Authorization": f"Bearer {till.key}", "Content-Type": "application/json"}
        if key is not None:
            headers["Idempotency-Key"] = key
        try:
            connection = self.open()
            connection.request("GET" if body is None else "POST", path, body and json.dumps(body), headers)
            if hang_up:
                raise NoAnswer("hung up after sending")
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read()), answer.headers
        except NoAnswer:
            self.close()
            raise
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            raise NoAnswer(f"no answer ({type(error).__name__}: {error})") from error

    def call_patiently(self, till: TillKey, path: str, body: Json | None = None) -> Json:
        """Where nothing is broken, but a till may have asked too often."""
        status, answer, _ = self.call(till, path, body)
        while status == 429:
            time.sleep(PAUSE_SECONDS)
            status, answer, _ = self.call(till, path, body)
        assert status == 200, (path, status, answer)
        return answer

    def open(self) -> http.client.HTTPConnection:
        if self.connection is None or self.connection.port != self.driver.port:
            self.close()
            self.connection = http.client.HTTPConnection("127.0.0.1", self.driver.port, timeout=ANSWER_SECONDS_MAX)
        return self.connection

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None


class Driver:
    """`port` and `hang_up_share` may be changed while it runs: where tills call, and how many don't wait for answers.

    `wrong` is what no till should ever have been told.
    """

    def __init__(self, network: NetworkForTests, port: int, seed: int, cards_a_till: int = 3) -> None:
        self.network, self.port, self.seed = network, port, seed
        self.hang_up_share = 0.0
        self.events: list[Event] = []
        self.statuses: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.stopping = threading.Event()
        self.numbers = count(1)
        self.tills = [TillKey(till.store_code, till.key) for till in network.tills.values()]
        self.cards = {till: [network.add_card() for _ in range(cards_a_till)] for till in self.tills}

    def settled(self) -> int:
        return sum(event.is_settled for event in self.events)

    def wait_for_more(self, answers: int) -> None:
        until = self.settled() + answers
        wait_until(lambda: self.settled() >= until, f"{answers} more answers, after {self.statuses}")

    def fund(self) -> None:
        """So that nothing is ever refused for want of points."""
        line = Line(self)
        for till, cards in self.cards.items():
            for card in cards:
                self.deliver(line, self.event(till, "accrual", card, amount=POINTS_AT_FIRST * 100))
        line.close()

    @contextmanager
    def running(self, connections: int = 8) -> Iterator[None]:
        """Every till posts over several connections at once."""
        self.stopping.clear()
        errors: list[BaseException] = []

        def play(number: int) -> None:
            try:
                self.play(self.tills[number % len(self.tills)], random.Random(f"{self.seed} {number}"))
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=play, args=(number,)) for number in range(connections)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.stopping.set()
            for thread in threads:
                thread.join()
        if errors:
            raise errors[0]

    def play(self, till: TillKey, chance: random.Random) -> None:
        line, own = Line(self), list[Event]()
        while not self.stopping.is_set():
            if chance.random() < 0.1:
                batch = [self.next_event(till, own, chance) for _ in range(BATCH_EVENTS)]
                self.try_batch(line, till, batch, chance)
            else:
                event = self.next_event(till, own, chance)
                # Some tills ask again at once, others leave it for later.
                for _ in range(chance.choice((1, 1, 3))):
                    if event.is_settled or self.stopping.is_set():
                        break
                    self.try_once(line, event, chance)
        line.close()

    # ------------------------------------------------------------- what happens at a till

    def next_event(self, till: TillKey, own: list[Event], chance: random.Random) -> Event:
        """Of this connection's own: what another one has under way can't be spoken of."""
        kind = chance.choices(("accrual", "redemption", "hold", "resolution", "reversal"), (40, 20, 12, 12, 10))[0]
        card = chance.choice(self.cards[till])
        if kind == "resolution":
            held = next((e for e in own if e.kind == "hold" and e.transfer and not e.body.get("resolved")), None)
            if held is not None:
                own.remove(held)
                body = {"points": chance.randint(1, held.transfer["points"])} if chance.random() < 0.5 else {}
                kind = chance.choice(("capture", "void"))
                return self.event(till, kind, held.card, hold=held, **(body if kind == "capture" else {}))
        if kind == "reversal":
            original = next((e for e in own if e.kind in ("accrual", "redemption") and e.transfer), None)
            if original is not None:
                own.remove(original)
                assert original.transfer is not None
                return self.event(till, "reversal", original.card, transfer_id=original.transfer["transfer_id"])
        if kind == "hold":
            found = self.event(till, "hold", card, points=chance.randint(1, 20), expires_in=HOLD_SECONDS)
        elif kind == "redemption":
            found = self.event(till, "redemption", card, points=chance.randint(1, 20))
        else:
            found = self.event(till, "accrual", card, amount=chance.randint(100, 5_000))
        own.append(found)
        return found

    def event(self, till: TillKey, kind: str, card: str, hold: Event | None = None, **body: Any) -> Event:
        number = next(self.numbers)
        if kind in ("accrual", "redemption", "hold"):
            body = {"card": card, "order_ref": f"{till.store_code}/{number}", **body}
        event = Event(till, kind, f"k{self.seed}-{number}", card, body, hold)
        self.events.append(event)
        return event

    # ------------------------------------------------------------- sending it

    def try_once(self, line: Line, event: Event, chance: random.Random | None = None) -> None:
        hang_up = chance is not None and chance.random() < self.hang_up_share
        try:
            status, answer, headers = line.call(event.till, event.path(), event.body, event.key, hang_up)
        except NoAnswer as none:
            self.statuses["no answer"] += 1
            event.seen.append(str(none))
            self.stopping.wait(PAUSE_SECONDS)
            return
        self.note(event, status, answer)
        if status == 201:
            self.settle(event, answer)
        elif status in TRY_AGAIN:
            self.check_retry(event, status, answer, headers)
        else:
            self.refuse(event, answer)

    def try_batch(
        self, line: Line, till: TillKey, events: Sequence[Event], chance: random.Random | None = None
    ) -> None:
        hang_up = chance is not None and chance.random() < self.hang_up_share
        body = {"events": [event.batched() for event in events]}
        try:
            status, answer, headers = line.call(till, "/v1/batches", body, hang_up=hang_up)
        except NoAnswer as none:
            self.statuses["no answer"] += 1
            for event in events:
                event.seen.append(f"in a batch: {none}")
            self.stopping.wait(PAUSE_SECONDS)
            return
        if status in TRY_AGAIN:
            self.note(events[0], status, answer)
            self.check_retry(events[0], status, answer, headers)
            return
        if status != 200:
            self.wrong.append(f"a batch was answered {status} {answer}")
            return
        for event, result in zip(events, answer["results"], strict=True):
            event.seen.append(f"in a batch: {result['outcome']}")
            self.statuses[f"{result['outcome']} in a batch"] += 1
            if result["outcome"] == "refused":
                self.refuse(event, result["problem"])
            else:
                self.settle(event, result["transfer"])

    def note(self, event: Event, status: int, answer: Json) -> None:
        what = str(status) if status == 201 else f"{status} {answer.get('code')}"
        event.seen.append(what)
        self.statuses[what] += 1

    def settle(self, event: Event, transfer: Json) -> None:
        # Only the answer to a single hold says until when.
        transfer = {name: value for name, value in transfer.items() if name != "expires_at"}
        if event.transfer not in (None, transfer):
            self.wrong.append(f"two answers: {transfer} now, before {event.told()}")
        if event.refusal is not None:
            self.wrong.append(f"posted after a refusal: {event.told()}")
        event.transfer = transfer

    def refuse(self, event: Event, answer: Json) -> None:
        if event.is_settled or answer.get("code") not in REFUSALS:
            self.wrong.append(f"answered {answer} to {event.told()}")
        event.refusal = str(answer.get("code"))

    def check_retry(self, event: Event, status: int, answer: Json, headers: Any) -> None:
        """The till has to see from the answer alone that it may send the same again."""
        is_problem = headers.get("Content-Type") == "application/problem+json" and answer.get("status") == status
        if not (
            is_problem and answer.get("code") and answer.get("detail") and headers.get("Retry-After", "").isdigit()
        ):
            self.wrong.append(f"answered {status} {answer} with {dict(headers)}, which tells no till what to do")
        self.stopping.wait(PAUSE_SECONDS)

    def who_saw(self, statuses: set[str]) -> list[str]:
        """Events whose till saw one of these."""
        return [e.told() for e in self.events if any(status in seen for status in statuses for seen in e.seen)]

    # ------------------------------------------------------------- and again

    def deliver(self, line: Line, event: Event) -> None:
        deadline = time.monotonic() + SECONDS_MAX
        while not event.is_settled:
            assert time.monotonic() < deadline, f"still not answered: {event.told()}"
            self.try_once(line, event)

    def deliver_the_rest(self) -> None:
        """What has no answer yet is sent again until it has one: by itself, or in batches as a till's queue is."""
        self.stopping.clear()
        self.hang_up_share = 0.0
        line, chance = Line(self), random.Random(self.seed)
        deadline = time.monotonic() + SECONDS_MAX
        for till in self.tills:
            while waiting := [e for e in self.events if e.till is till and not e.is_settled]:
                assert time.monotonic() < deadline, f"{len(waiting)} without an answer, like {waiting[0].told()}"
                if chance.random() < 0.5:
                    self.try_batch(line, till, waiting[:1_000])
                else:
                    self.try_once(line, waiting[0])
        line.close()

    def ask_all_again(self) -> list[str]:
        """Every request once more: what is answered otherwise than before."""
        before = [(event, event.transfer) for event in self.events if event.transfer]
        line, different = Line(self), list[str]()
        for till in self.tills:
            own = [event for event, _ in before if event.till is till]
            for start in range(0, len(own), 1_000):
                events = own[start : start + 1_000]
                answer = line.call_patiently(till, "/v1/batches", {"events": [e.batched() for e in events]})
                for event, result in zip(events, answer["results"], strict=True):
                    if (result["outcome"], result.get("transfer")) != ("replayed", event.transfer):
                        different.append(f"answered {result} to {event.told()}")
        line.close()
        return different

    def balances(self) -> dict[str, Json]:
        """Of every card, as its till is told."""
        line = Line(self)
        found = {
            card: line.call_patiently(till, f"/v1/cards/{card}")
            for till, cards in self.cards.items()
            for card in cards
        }
        line.close()
        return found
