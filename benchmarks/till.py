"""(f) The other calls of a till, each as a ratio to the plain accrual, measured by turns through the same server."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import TextClause, text

from benchmarks.http import RUN, HttpServer, numbers, request
from benchmarks.load import Load, merged, saturate
from benchmarks.world import Network, World, pick
from tenants.foundation import ids

CONNECTIONS = 8
ROUNDS = 2
ACCRUAL, REPLAY, QUOTE, BALANCE = "accrual", "replayed accrual", "quote", "balance of a card"
# What each call is answered with; a redemption or hold may find too few points.
EXPECTED = {200, 201, 409}
REQUESTS_PER_SECOND_MAX = 10_000

OPEN_HOLDS = text("SELECT hold_id FROM ledger.holds WHERE tenant_id = :tenant AND state = 'held' LIMIT :limit")
WHOLE_ACCRUALS = text("""
    SELECT transfer_id FROM ledger.transfers t
    WHERE tenant_id = :tenant AND kind = 'accrual' AND amount > 100 AND idempotency_key LIKE :run
      AND NOT EXISTS (SELECT FROM ledger.transfers r
                      WHERE r.tenant_id = :tenant AND r.reverses_transfer_id = t.transfer_id)
    LIMIT :limit
""")


@dataclass(frozen=True)
class CallRun:
    name: str
    per_second: float
    milliseconds_p99: float


class Till:
    """Makes requests; what names an earlier transfer looks it up in the database first."""

    def __init__(self, world: World, network: Network, limit: int) -> None:
        self.world, self.network, self.limit = world, network, limit
        self.accruals_sent: list[bytes] = []

    def accruals(self) -> Iterator[bytes]:
        while True:
            body = {
                "card": pick(self.network.cards),
                "order_ref": self.reference(),
                "amount": random.randint(200, 9999),
            }
            made = self.post("/v1/accruals", body)
            self.accruals_sent.append(made)
            yield made

    def replays(self) -> Iterator[bytes]:
        """Of accruals that were posted, oldest first."""
        sent, self.accruals_sent = self.accruals_sent, []
        return iter(sent)

    def quotes(self) -> Iterator[bytes]:
        while True:
            body = {"card": pick(self.network.cards), "amount": random.randint(200, 9999)}
            yield request("/v1/quotes", pick(self.network.keys), body)

    def balances(self) -> Iterator[bytes]:
        while True:
            yield request(f"/v1/cards/{pick(self.network.cards)}", pick(self.network.keys))

    def redemptions(self) -> Iterator[bytes]:
        while True:
            body = {"card": pick(self.network.cards), "order_ref": self.reference(), "points": random.randint(1, 50)}
            yield self.post("/v1/redemptions", body)

    def holds(self) -> Iterator[bytes]:
        while True:
            body = {"card": pick(self.network.cards), "order_ref": self.reference(), "points": random.randint(2, 50)}
            yield self.post("/v1/holds", body)

    def captures(self) -> Iterator[bytes]:
        for hold_id in self.ask(OPEN_HOLDS):
            yield self.post(f"/v1/holds/{ids.show(ids.HOLD, hold_id)}/capture", {"points": 1})

    def partial_reversals(self) -> Iterator[bytes]:
        for transfer_id in self.ask(WHOLE_ACCRUALS, run=f"{RUN}%"):
            yield self.post("/v1/reversals", {"transfer_id": ids.show(ids.TRANSFER, transfer_id), "amount": 100})

    def post(self, path: str, body: dict[str, object]) -> bytes:
        return request(path, pick(self.network.keys), body, f"{RUN}-{random.getrandbits(96):024x}")

    def reference(self) -> str:
        return f"{RUN}-{next(numbers)}"

    def ask(self, statement: TextClause, **values: object) -> Iterable[UUID]:
        with self.world.owner.connect() as connection:
            return list(
                connection.scalars(statement, {"tenant": self.network.tenant_id, "limit": self.limit, **values})
            )


def measure_calls(world: World, server: HttpServer, network: Network, seconds: int) -> list[CallRun]:
    till = Till(world, network, REQUESTS_PER_SECOND_MAX * seconds)
    calls: dict[str, Callable[[], Iterator[bytes]]] = {
        ACCRUAL: till.accruals,
        REPLAY: till.replays,
        QUOTE: till.quotes,
        BALANCE: till.balances,
        "redemption": till.redemptions,
        "hold": till.holds,
        "capture of a part": till.captures,
        "partial reversal": till.partial_reversals,
    }
    loads: dict[str, list[Load]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, requests in calls.items():
            loads[name].append(checked(name, saturate(server.port, CONNECTIONS, requests(), seconds)))
    return [run_of(name, measured) for name, measured in loads.items()]


def checked(name: str, load: Load) -> Load:
    if not load.statuses or set(load.statuses) - EXPECTED or load.statuses[409] > len(load.latencies) / 10:
        raise RuntimeError(f"unexpected answers to {name}: {load.statuses}, like {load.openings[-1:]!r}")
    return load


def run_of(name: str, loads: list[Load]) -> CallRun:
    together = merged(loads)
    return CallRun(name, together.per_second, together.percentile(99))
