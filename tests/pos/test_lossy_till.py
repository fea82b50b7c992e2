"""Every third answer is lost, and the books are equal to the tills' own."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from sqlalchemy import text

from clearinghouse.ledger.checks import check_ledger
from tenants.credentials.service import TERMINAL, create_credential
from tenants.foundation import clock
from tenants.foundation.database import unit_of_work
from tenants.terminals.service import create_terminal
from tests.conftest import NetworkForTests, Till
from tests.pos.lossy import LossyTill, Member, Shops

EVENTS = int(os.environ.get("LOSSY_TILL_EVENTS", "10000"))
TIME_ZONE = ZoneInfo("America/New_York")
DAYS = 3

BOOKS = text("""
    SELECT stores.code, kind::text, count(*), sum(points), sum(amount)
    FROM ledger.transfers JOIN tenants.stores USING (store_id) GROUP BY stores.code, kind
""")


def test_tills_that_lose_every_third_answer_end_with_the_books_equal_to_their_own(make_network) -> None:
    seed = int(os.environ.get("LOSSY_TILL_SEED") or random.randrange(10**9))
    print(f"LOSSY_TILL_SEED={seed} plays the same again")
    chance = random.Random(seed)
    network: NetworkForTests = make_network(
        time_zone=TIME_ZONE.key, base_rate=Decimal("1.5"), redemption_value=Decimal(150), expiry_policy="never"
    )
    tills = [LossyTill(till, f"{till.store_code}{n}", chance) for n, till in enumerate(make_tills(network))]
    members = [Member(network.add_card(), rich=n < 12) for n in range(16)]
    shops = Shops(tills, members, moments(), chance)
    for member in members:
        if member.rich:
            shops.fund(member)

    shops.play(EVENTS)

    assert sum(len(till.events) for till in tills) >= EVENTS
    assert ledger_of(network) == shops.books()
    for member in members:
        told = tills[0].till.balance(member.card)
        assert (told["available"] - told["deficit"], told["held"]) == (member.balance, member.held)
    assert check_ledger(network.tenant_id) == []
    for till in tills:
        assert_nothing_is_missing(till)
        assert_days_match(till)
    assert_it_was_a_bad_line(tills)


def make_tills(network: NetworkForTests) -> Iterator[Till]:
    for store_code in "ABC":
        yield network.add_till(store_code)
    second = create_terminal(network.tenant_id, "A", "2")
    _, key = create_credential(network.tenant_id, TERMINAL, "till", second.terminal_id)
    yield replace(network.tills["A"], client=network.app.test_client(), key=key, terminal_id=second.terminal_id)


def moments() -> Iterator[datetime]:
    """The last three whole days of the network, from midnight to midnight."""
    today = clock.now().astimezone(TIME_ZONE).date()
    start = datetime(today.year, today.month, today.day, tzinfo=TIME_ZONE) - timedelta(days=DAYS)
    events_max = EVENTS * 2
    for number in range(events_max):
        yield start + timedelta(days=DAYS) * number / events_max


def ledger_of(network: NetworkForTests) -> dict[tuple[str, str], list[int]]:
    with unit_of_work(network.tenant_id) as session:
        return {(row[0], row[1]): [int(each) for each in row[2:]] for row in session.execute(BOOKS)}


def assert_nothing_is_missing(till: LossyTill) -> None:
    told = till.till.call("GET", "/v1/sequences").json

    assert told["missing_sequences"] == told["repeated_sequences"] == []
    assert told["received_count"] == told["highest_sequence"] == len(till.numbered)


def assert_days_match(till: LossyTill) -> None:
    days = {event.day for event in till.events}
    for day in days:
        close = {"business_date": day, "totals": till.totals(day), "entries": till.entries(day)}
        answer = None
        while answer is None:
            answer = till.line.send(lambda close=close: till.till.call("POST", "/v1/day-closes", close))
        assert (answer.status_code, answer.json["status"]) == (201, "matched"), answer.json
    assert len(days) >= min(DAYS, 2)


def assert_it_was_a_bad_line(tills: list[LossyTill]) -> None:
    """Otherwise nothing has been shown."""
    for till in tills:
        assert till.line.lost_answers + till.line.lost_requests == till.line.calls // 3
        assert till.line.lost_answers > 0 and till.line.lost_requests > 0
        assert till.outcomes["replayed"] > 0 and till.outcomes["replayed in a batch"] > 0
    outcomes = sum((till.outcomes for till in tills), start=Counter())
    assert outcomes["refused"] > 0 and outcomes["refused in a batch"] > 0
