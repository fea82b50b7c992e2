"""The clearinghouse's own posting, in process: as a till's request does it."""

from __future__ import annotations

import random
from uuid import UUID

from benchmarks.peers.crew import Post
from benchmarks.posting import ACCRUALS, REDEMPTIONS, last_usable_day, numbered_id
from benchmarks.world import STORE, STORE_NUMBERS, TERMINAL, bench_app, pick
from clearinghouse.ledger.service import Event, Grant, accrual, common_fields, redemption
from tenants.foundation import clock, ids

TOO_FEW_POINTS = "insufficient_points"


def open_poster(database_url: str, redis_url: str, tenant_id: UUID, cards: list[str]) -> Post:
    book = bench_app(database_url, redis_url).extensions["ledger"]

    def post() -> None:
        result = book.post_one(tenant_id, an_event(pick(cards)))
        if result.code not in (None, TOO_FEW_POINTS):
            raise RuntimeError(f"unexpectedly refused: {result.code}")

    return post


def an_event(card: str) -> Event:
    now, number, points = clock.now(), random.choice(STORE_NUMBERS), random.randint(1, 100)
    store_id, reference = numbered_id(STORE, number), str(ids.new_id())
    common = common_fields(now, now.date(), numbered_id(TERMINAL, number), store_id, reference, reference, bytes(32))
    if random.random() * (ACCRUALS + REDEMPTIONS) < REDEMPTIONS:
        return redemption(points, points, 1, card, **common)
    return accrual([Grant(store_id, points, last_usable_day(now.date()))], points, 1, card, **common)
