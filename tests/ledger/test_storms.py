"""Storms: many tills at once on one card, while a month closes, and on each other's transfers.

What each till decides is drawn from a seed that a failing test prints; who comes first is not to be repeated.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from clearinghouse.ledger.checks import check_ledger
from settlement.checks.service import check_settlement
from settlement.windows.service import close_month, list_windows
from settlement.windows.tables import Window
from tenants.foundation import ids
from tenants.foundation.database import unit_of_work
from tenants.foundation.months import add_months, show_month
from tests.conftest import NetworkForTests, Till
from tests.ledger.test_concurrency import JANUARY, Crowd, at_once

Json = dict[str, Any]

pytestmark = pytest.mark.usefixtures("together_and_apart")

TILLS = 8
REFUSED = {"insufficient_points", "hold_captured", "hold_voided", "already_reversed", "more_than_left"}


@pytest.fixture
def seed() -> int:
    seed = random.randrange(10**9)
    print(f"seed {seed}")
    return seed


@pytest.fixture(autouse=True)
def books_are_right_afterwards(network: NetworkForTests) -> Iterator[None]:
    yield
    assert check_ledger(network.tenant_id) == []
    assert check_settlement(network.tenant_id) == []


def many_tills(network: NetworkForTests) -> list[Till]:
    """Of three stores in turn, each with a connection of its own."""
    tills = list(network.tills.values())
    return [Crowd(network.app, tills[number % len(tills)]).own() for number in range(TILLS)]


def all_done(results: list[Any]) -> list[Any]:
    errors = [result for result in results if isinstance(result, Exception)]
    assert not errors, errors
    return results


def posted_of(answer: Any) -> Json | None:
    """The transfer, or None for a refusal that a storm may bring."""
    if answer.status_code == 201:
        transfer: Json = answer.json
        return transfer
    assert (answer.status_code, answer.json["code"] in REFUSED) == (409, True), answer.json
    return None


def storm(till: Till, card: str, events: int, chance: random.Random) -> list[Json]:
    """What was posted. Redeems more than is earned, so that points run out again and again."""
    posted: list[Json] = []
    for _ in range(events):
        kind = chance.choice(("accrual", "redemption", "redemption", "hold", "capture", "void", "reversal"))
        earlier = chance.choice(posted) if posted else None
        if kind in ("capture", "void") and earlier and earlier["kind"] == "hold":
            answer = till.post(f"/v1/holds/{earlier['hold_id']}/{kind}", {})
        elif kind == "reversal" and earlier and earlier["kind"] in ("redemption", "capture"):
            answer = till.reverse(earlier["transfer_id"])
        elif kind == "hold":
            answer = till.post("/v1/holds", {"card": card, "order_ref": uuid4().hex, "points": chance.randint(1, 30)})
        elif kind == "redemption":
            answer = till.redeem(card, chance.randint(1, 40), order_ref=uuid4().hex)
        else:
            answer = till.accrue(card, chance.randint(100, 4_000), order_ref=uuid4().hex)
        transfer = posted_of(answer)
        if transfer is not None:
            posted.append(transfer)
    return posted


# What a transfer adds to what the member can redeem, and to what is held: times its points.
CHANGES = {
    "accrual": (1, 0),
    "redemption": (-1, 0),
    "redemption_reversal": (1, 0),
    "hold": (-1, 1),
    "void": (1, -1),
}


def change_of(transfer: Json, holds: dict[str, Json]) -> tuple[int, int]:
    points = transfer["points"]
    if transfer["kind"] == "capture":
        held = holds[transfer["hold_id"]]["points"]
        return held - points, -held
    on_available, on_held = CHANGES[transfer["kind"]]
    return on_available * points, on_held * points


def in_order_of_the_chain(network: NetworkForTests, transfers: list[Json]) -> list[Json]:
    with unit_of_work(network.tenant_id) as session:
        rows = session.execute(text("SELECT transfer_id, sequence FROM ledger.transfers")).all()
    place = {row.transfer_id.hex: row.sequence for row in rows}
    assert len(rows) == len(transfers) == len({transfer["transfer_id"] for transfer in transfers})
    known = {hex_of(transfer): transfer for transfer in transfers}
    assert known.keys() == place.keys()
    return [known[key] for key in sorted(place, key=lambda key: place[key])]


def hex_of(transfer: Json) -> str:
    return ids.parse(ids.TRANSFER, transfer["transfer_id"]).hex


def test_a_storm_on_one_card_creates_and_loses_no_point(
    network: NetworkForTests, till: Till, card: str, seed: int
) -> None:
    first = till.accrue(card, 10_000).json

    answers = all_done(
        at_once(
            network.app,
            [
                partial(storm, own, card, 40, random.Random(f"{seed} {n}"))
                for n, own in enumerate(many_tills(network))
            ],
        )
    )

    posted = [first, *(transfer for transfers in answers for transfer in transfers)]
    holds = {transfer["hold_id"]: transfer for transfer in posted if transfer["kind"] == "hold"}
    available = held = 0
    for transfer in in_order_of_the_chain(network, posted):
        on_available, on_held = change_of(transfer, holds)
        available, held = available + on_available, held + on_held
        assert available >= 0 and held >= 0, transfer
        assert (transfer["available"], transfer["deficit"]) == (available, 0), transfer
    balance = till.balance(card)
    assert (balance["available"], balance["held"], balance["deficit"]) == (available, held, 0)


def test_months_closed_while_tills_go_on_leave_every_transfer_in_one_window_and_no_point_outside(
    network: NetworkForTests, seed: int
) -> None:
    months = [add_months(JANUARY, number) for number in range(4)]
    cards = [network.add_card() for _ in range(TILLS)]

    def sell(till: Till, card: str, chance: random.Random) -> list[Json]:
        """Offline queues that come in late, of any of the months, with some returns."""
        posted = list[Json]()
        for _ in range(40):
            month = chance.choice(months)
            moment = f"{month:%Y-%m}-{chance.randint(1, 28):02d}T12:00:00Z"
            kind = chance.choice(("accrual", "accrual", "redemption", "reversal"))
            if kind == "reversal" and posted:
                answer = till.reverse(chance.choice(posted)["transfer_id"], occurred_at=moment)
            elif kind == "redemption":
                answer = till.redeem(card, chance.randint(1, 20), order_ref=uuid4().hex, occurred_at=moment)
            else:
                amount = chance.randint(100, 5_000)
                answer = till.accrue(card, amount, order_ref=uuid4().hex, occurred_at=moment)
            if answer.status_code == 409 and answer.json["code"] == "not_reversible":
                continue
            transfer = posted_of(answer)
            if transfer is not None:
                posted.append(transfer)
        return posted

    def close_all() -> list[Window]:
        return [close_month(network.tenant_id, month, "test") for month in months]

    sellers: list[Callable[[], Any]] = [
        partial(sell, own, card, random.Random(f"{seed} {card}"))
        for own, card in zip(many_tills(network), cards, strict=True)
    ]
    *sold, _ = all_done(at_once(network.app, [*sellers, close_all]))
    close_month(network.tenant_id, add_months(JANUARY, 4), "test")

    acknowledged = [transfer for transfers in sold for transfer in transfers]
    windows, _ = list_windows(network.tenant_id)
    issued, recovered = Counter[str](), Counter[str]()
    for transfer in acknowledged:
        month, points = transfer["settlement_month"], transfer["points"]
        issued[month] += {"accrual": points, "accrual_reversal": -points}.get(transfer["kind"], 0)
        recovered[month] += {"redemption": points, "redemption_reversal": -points}.get(transfer["kind"], 0)
    assert [(w.issued, w.recovered) for w in windows] == [
        (issued[show_month(w.month)], recovered[show_month(w.month)]) for w in windows
    ]
    assert {transfer["settlement_month"] for transfer in acknowledged} <= {show_month(w.month) for w in windows}
    assert windows[-1].closing_outstanding == sum(issued.values()) - sum(recovered.values()) - sum(
        w.expired or 0 for w in windows
    )


def test_everything_reversed_twice_at_once_is_reversed_once(
    network: NetworkForTests, till: Till, card: str, seed: int
) -> None:
    """By two tills of two stores under keys of their own, each in an order of its own."""
    till.accrue(card, 100_000)
    sales = [till.accrue(card, 1_000).json for _ in range(30)]
    redemptions = [till.redeem(card, 7).json for _ in range(30)]
    originals = [transfer["transfer_id"] for transfer in sales + redemptions]

    def reverse_all(till: Till, chance: random.Random) -> dict[str, Any]:
        return {transfer: till.reverse(transfer) for transfer in chance.sample(originals, len(originals))}

    own = many_tills(network)[:2]
    first, second = all_done(
        at_once(network.app, [partial(reverse_all, t, random.Random(f"{seed} {n}")) for n, t in enumerate(own)])
    )

    for original in originals:
        answers = sorted((first[original], second[original]), key=lambda answer: answer.status_code)
        assert [answer.status_code for answer in answers] == [201, 409], original
        assert answers[0].json["reverses_transfer_id"] == original
        assert answers[1].json["code"] == "already_reversed"
    with unit_of_work(network.tenant_id) as session:
        reversals = session.scalar(
            text("SELECT count(*) FROM ledger.transfers WHERE reverses_transfer_id IS NOT NULL")
        )
    assert reversals == len(originals)
    assert till.balance(card)["available"] == 1_000
