"""Tills on a line that loses every third answer, with books of their own.

The books are kept from what the interface promises, not from what it answers: what a purchase earns and a redemption
costs, what returns take back, who may redeem how much. Each answer that gets through is compared with them.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from werkzeug.test import TestResponse

from tests.conftest import Till

Json = dict[str, Any]

# What a till sends again later: the event it refers to still waits in another till.
NOT_YET = {"transfer_unknown", "hold_unknown"}

# A kind of event and what the ledger calls its transfer.
REVERSALS = {"accrual": "accrual_reversal", "redemption": "redemption_reversal"}
ENTRY_KINDS = {"accrual": "accrual", "redemption": "redemption", "capture": "redemption", "reversal": "reversal"}


def earned(amount: int) -> int:
    """1.5 points for each 100 minor units, rounded down."""
    return amount * 15 // 1000


def cost_of(amount: int) -> int:
    """150 points for each 100 minor units, rounded up."""
    return -(-amount * 3 // 2)


def worth_of(points: int) -> int:
    """100 minor units for each 150 points, rounded down."""
    return points * 2 // 3


@dataclass
class Member:
    """`balance` is negative for what the member owes. Of a `rich` one no order of events can ask too much."""

    card: str
    rich: bool
    balance: int = 0
    held: int = 0


@dataclass(eq=False, repr=False)
class Event:
    """What happened at a till; `points`, `amount` and `refusal` are what the clearinghouse has to make of it."""

    till: LossyTill
    kind: str
    transfer_kind: str
    key: str
    body: Json
    order_ref: str | None
    points: int
    amount: int
    day: str
    hold: Event | None = None
    refusal: str | None = None
    sequence: int | None = None
    transfer: Json | None = None

    def __repr__(self) -> str:
        return f"{self.key}: {self.kind} of {self.points} points, {self.amount} at {self.till.name}: {self.body}"

    def path(self) -> str:
        if self.hold is None:
            return f"/v1/{self.kind}s"
        return f"/v1/holds/{self.hold_id()}/{self.kind}"

    def hold_id(self) -> str:
        assert self.hold is not None and self.hold.transfer is not None
        return self.hold.transfer["hold_id"]

    def batched(self) -> Json:
        event = {"kind": self.kind, "idempotency_key": self.key, "sequence": self.sequence, **self.body}
        return event if self.hold is None else {**event, "hold_id": self.hold_id()}

    def settle(self, transfer: Json) -> None:
        told = (transfer["kind"], transfer["points"], transfer["amount"], transfer["order_ref"])
        assert told == (self.transfer_kind, self.points, self.amount, self.order_ref), (self, transfer)
        assert transfer["business_date"] == self.day
        if self.transfer is not None:
            assert transfer["transfer_id"] == self.transfer["transfer_id"], "posted twice"
        self.transfer = transfer


@dataclass(eq=False)
class Original:
    """An accrual or a redemption and what has not come back of it. `lines` are [name, minor units left, earns]."""

    event: Event
    kind: str
    member: Member
    points_left: int
    amount_left: int
    lines: list[list[Any]] = field(default_factory=list)
    last_return: Event | None = None

    def may_come_back(self) -> bool:
        """Returns are counted on the total, so that the next one has to wait until this one is posted."""
        settled = self.last_return is None or self.last_return.transfer is not None
        return settled and (self.points_left > 0 or self.amount_left > 0)

    def points_for(self, amount: int) -> int:
        """Of a purchase the member keeps, rounded down, what is left of it; of a redemption comes back, rounded down,
        what all returns so far come to."""
        points, whole = self.event.points, self.event.amount
        if self.kind == "accrual":
            return max(self.points_left - points * (self.amount_left - amount) // whole, 0)
        came_back = points - self.points_left
        return max(points * (whole - self.amount_left + amount) // whole - came_back, 0)


class Line:
    """Every third answer never comes: mostly the answer is lost, else the request has been."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.calls = self.lost_answers = self.lost_requests = 0

    def send(self, call: Callable[[], TestResponse]) -> TestResponse | None:
        self.calls += 1
        if self.calls % 3:
            return call()
        if self.chance.random() < 0.3:
            self.lost_requests += 1
        else:
            call()
            self.lost_answers += 1
        return None


class LossyTill:
    def __init__(self, till: Till, name: str, chance: random.Random) -> None:
        self.till, self.name, self.chance = till, name, chance
        self.line = Line(chance)
        self.events: list[Event] = []
        self.queue: list[Event] = []
        self.numbered: list[Event] = []
        self.outcomes: Counter[str] = Counter()

    def send(self, event: Event, tries_max: int) -> bool:
        """Whether an answer came within so many tries with the same key."""
        for _ in range(tries_max):
            answer = self.line.send(lambda: self.till.post(event.path(), event.body, event.key))
            if answer is not None:
                self.take(event, answer)
                return True
        return False

    def take(self, event: Event, answer: TestResponse) -> None:
        if answer.status_code == 201:
            assert event.refusal is None, (event, answer.json)
            self.outcomes["replayed" if "Idempotent-Replayed" in answer.headers else "posted"] += 1
            event.settle(answer.json)
        elif answer.json["code"] in NOT_YET and event.refusal is None:
            self.put_aside(event)
        else:
            assert answer.json["code"] == event.refusal, (event, answer.json)
            self.outcomes["refused"] += 1

    def put_aside(self, event: Event) -> None:
        """For the next batches, under the till's next number."""
        event.sequence = len(self.numbered) + 1
        self.numbered.append(event)
        self.queue.append(event)

    def flush(self, size: int) -> None:
        """Some of what waits, with some that has been sent before, in any order; again until an answer comes."""
        batch = self.queue[:size]
        if self.numbered:
            batch += self.chance.choices(self.numbered, k=self.chance.randrange(1 + len(batch) // 10))
        if self.chance.random() < 0.5:
            self.chance.shuffle(batch)
        body = {"events": [event.batched() for event in batch], "last_sequence": len(self.numbered)}
        answer = None
        while answer is None:
            answer = self.line.send(lambda: self.till.call("POST", "/v1/batches", body))
        assert answer.status_code == 200, answer.json
        for event, result in zip(batch, answer.json["results"], strict=True):
            self.outcomes[f"{result['outcome']} in a batch"] += 1
            if result["outcome"] == "refused":
                assert result["problem"]["code"] in NOT_YET, (event, result)
            else:
                event.settle(result["transfer"])
        self.queue = [event for event in self.queue if event.transfer is None]

    def totals(self, day: str) -> Json:
        sums = {kind: {"count": 0, "points": 0, "amount": 0} for kind in ("accruals", "redemptions", "reversals")}
        for entry in self.entries(day):
            total = sums[f"{entry['kind']}s"]
            total["count"] += 1
            total["points"] += entry["points"]
            total["amount"] += entry["amount"]
        return sums

    def entries(self, day: str) -> list[Json]:
        return [
            {"kind": ENTRY_KINDS[e.kind], "order_ref": e.order_ref, "points": e.points, "amount": e.amount}
            for e in self.events
            if e.day == day and e.refusal is None and e.kind in ENTRY_KINDS
        ]


class Shops:
    """Makes events up, one after the other, and keeps the tills' books."""

    def __init__(
        self, tills: list[LossyTill], members: list[Member], moments: Iterator[datetime], chance: random.Random
    ) -> None:
        self.tills, self.members, self.moments, self.chance = tills, members, moments, chance
        self.originals: list[Original] = []
        self.holds: list[tuple[Event, Member]] = []
        self.numbers = iter(range(1, 10**9))

    def play(self, events_max: int) -> None:
        """So many events that the clearinghouse posts; what it refuses comes on top."""
        while sum(len(till.events) for till in self.tills) < events_max:
            till = self.chance.choice(self.tills)
            if till.queue and self.chance.random() < 0.01:
                till.flush(self.chance.randrange(1, 400))
            event, member = self.next_event(till)
            self.deliver(till, event, member)
        self.deliver_the_rest()

    def deliver(self, till: LossyTill, event: Event, member: Member) -> None:
        if event.refusal is None:
            till.events.append(event)
        if not member.rich:
            # Whether this member has the points depends on the order of events: all else waits for the answer.
            assert till.send(event, tries_max=1_000)
            assert event.transfer is not None or event.refusal is not None
        else:
            is_told = self.chance.random() < 0.15 and till.send(event, tries_max=self.chance.randrange(1, 4))
            if not is_told:
                till.put_aside(event)

    def deliver_the_rest(self) -> None:
        for _ in range(100):
            for till in self.tills:
                if till.queue:
                    till.flush(self.chance.randrange(1, 2_000))
        assert not any(till.queue for till in self.tills)

    def next_event(self, till: LossyTill) -> tuple[Event, Member]:
        kind = self.chance.choices(("accrual", "redemption", "hold", "resolution", "return"), (45, 20, 9, 8, 18))[0]
        if kind == "resolution":
            ready = [place for place, (hold, _) in enumerate(self.holds[:50]) if hold.transfer is not None]
            if ready:
                return self.resolve(till, *self.holds.pop(self.chance.choice(ready)))
        if kind == "return":
            for original in self.chance.choices(self.originals, k=10) if self.originals else ():
                if original.may_come_back():
                    return self.give_back(till, original)
        member = self.chance.choice([m for m in self.members if m.rich == (self.chance.random() > 0.05)])
        if kind in ("redemption", "hold"):
            return self.tender(till, member, kind), member
        return self.sell(till, member), member

    def event(self, till: LossyTill, kind: str, points: int, amount: int, body: Json, **more: Any) -> Event:
        number, moment = next(self.numbers), next(self.moments)
        order_ref = None if kind == "void" else f"{till.name}/{number}"
        body = {"occurred_at": moment.isoformat(), **body} | ({"order_ref": order_ref} if order_ref else {})
        transfer_kind = more.pop("transfer_kind", kind)
        day = moment.date().isoformat()
        return Event(till, kind, transfer_kind, f"k{number}", body, order_ref, points, amount, day, **more)

    def fund(self, member: Member) -> None:
        """With points that no order of events can use up, and that do not come back."""
        event = self.sell(self.tills[0], member, amount=10**9)
        self.originals.pop()
        self.tills[0].events.append(event)
        assert self.tills[0].send(event, tries_max=1_000)

    def sell(self, till: LossyTill, member: Member, amount: int | None = None) -> Event:
        lines = []
        if amount is None and self.chance.random() < 0.3:
            for name in range(self.chance.randrange(1, 5)):
                lines.append([str(name), self.chance.randrange(1, 5_000), self.chance.random() < 0.8])
        if amount is None:
            amount = sum(line[1] for line in lines) if lines else self.chance.randrange(20_000)
        points = earned(sum(line[1] for line in lines if line[2]) if lines else amount)
        body: Json = {"card": member.card, "amount": amount}
        if lines:
            body["lines"] = [{"line": name, "amount": each, "earns": earns} for name, each, earns in lines]
        event = self.event(till, "accrual", points, amount, body)
        member.balance += points
        self.originals.append(Original(event, "accrual", member, points, amount, lines))
        return event

    def tender(self, till: LossyTill, member: Member, kind: str) -> Event:
        if self.chance.random() < 0.5:
            points = self.chance.randrange(1, 300)
            named, amount = {"points": points}, worth_of(points)
        else:
            amount = self.chance.randrange(1, 300)
            named, points = {"amount": amount}, cost_of(amount)
        body: Json = {"card": member.card, **named}
        if kind == "hold":
            body["expires_in"] = 30 * 86_400
        refusal = "insufficient_points" if points > max(member.balance, 0) else None
        event = self.event(till, kind, points, amount, body, refusal=refusal)
        if refusal is None:
            member.balance -= points
            if kind == "hold":
                member.held += points
                self.holds.append((event, member))
            else:
                self.originals.append(Original(event, "redemption", member, points, amount))
        return event

    def resolve(self, till: LossyTill, hold: Event, member: Member) -> tuple[Event, Member]:
        member.held -= hold.points
        way = self.chance.choice(("void", "all", "points", "amount"))
        if way == "void":
            member.balance += hold.points
            return self.event(till, "void", hold.points, hold.amount, {}, hold=hold), member
        points, amount, body = hold.points, hold.amount, {}
        if way == "points":
            points = self.chance.randrange(1, hold.points + 1)
            amount, body = hold.amount * points // hold.points, {"points": points}
        elif way == "amount" and hold.amount:
            amount = self.chance.randrange(1, hold.amount + 1)
            points, body = -(-amount * hold.points // hold.amount), {"amount": amount}
        event = self.event(till, "capture", points, amount, body, hold=hold)
        member.balance += hold.points - points
        self.originals.append(Original(event, "redemption", member, points, amount))
        return event, member

    def give_back(self, till: LossyTill, original: Original) -> tuple[Event, Member]:
        points, amount, body = self.size_of_return(original)
        name = original.event
        if name.transfer is not None and self.chance.random() < 0.5:
            body["transfer_id"] = name.transfer["transfer_id"]
        else:
            body |= {"original_order_ref": name.order_ref, "original_kind": original.kind}
            if till.till.store_code != name.till.till.store_code:
                body["original_store"] = name.till.till.store_code
        event = self.event(till, "reversal", points, amount, body, transfer_kind=REVERSALS[original.kind])
        original.points_left -= points
        original.amount_left -= amount
        original.last_return = event
        original.member.balance += points if original.kind == "redemption" else -points
        return event, original.member

    def size_of_return(self, original: Original) -> tuple[int, int, Json]:
        """Points, minor units, and how the till says so."""
        way = self.chance.choice(("all", "amount", "points"))
        if original.lines and way != "all":
            return self.return_of_lines(original)
        if way == "amount" and original.amount_left:
            amount = self.chance.randrange(1, original.amount_left + 1)
            return original.points_for(amount), amount, {"amount": amount}
        if way == "points" and original.points_left:
            points = self.chance.randrange(1, original.points_left + 1)
            return points, original.amount_left * points // original.points_left, {"points": points}
        for line in original.lines:
            line[1] = 0
        return original.points_left, original.amount_left, {}

    def return_of_lines(self, original: Original) -> tuple[int, int, Json]:
        open_lines = [line for line in original.lines if line[1]]
        chosen = self.chance.sample(open_lines, self.chance.randrange(1, len(open_lines) + 1))
        body, amount = [], 0
        for line in chosen:
            part = self.chance.randrange(1, line[1] + 1)
            whole = part == line[1] and self.chance.random() < 0.5
            body.append({"line": line[0]} if whole else {"line": line[0], "amount": part})
            line[1] -= part
            amount += part
        kept = earned(sum(left for _, left, earns in original.lines if earns))
        return max(original.points_left - kept, 0), amount, {"lines": body}

    def books(self) -> dict[tuple[str, str], list[int]]:
        """By store and kind of transfer: how many, points, minor units."""
        sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
        for till in self.tills:
            for event in till.events:
                total = sums[till.till.store_code, event.transfer_kind]
                total[0] += 1
                total[1] += event.points
                total[2] += event.amount
        return dict(sums)
