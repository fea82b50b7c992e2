"""Two members who turn out to be one."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from werkzeug.test import TestResponse

from clearinghouse.ledger.checks import check_ledger
from clearinghouse.ledger.tables import Lot
from clearinghouse.merges.service import post_merge
from tenants.foundation import clock, ids
from tenants.foundation.database import unit_of_work
from tenants.members.service import find_card, list_cards
from tests.conftest import NetworkForTests, Till
from tests.waiting import wait_until_somebody_waits_for


@pytest.fixture(autouse=True)
def books_are_right_afterwards(network: NetworkForTests) -> Iterator[None]:
    yield
    assert check_ledger(network.tenant_id) == []


@pytest.fixture
def other(network: NetworkForTests) -> str:
    """A card of another member."""
    return network.add_card()


def member_of(network: NetworkForTests, card: str) -> str:
    return ids.show(ids.MEMBER, find_card(network.tenant_id, card).member_id)


def merge(network: NetworkForTests, merged: str, kept: str, **fields: Any) -> TestResponse:
    """By card."""
    body = {"into": member_of(network, kept), **fields}
    return network.hq("POST", f"/v1/members/{member_of(network, merged)}/merge", body)


def lots_of(network: NetworkForTests) -> list[tuple[Any, ...]]:
    with unit_of_work(network.tenant_id) as session:
        lots = session.query(Lot).filter(Lot.is_open).order_by(Lot.lot_id)
        return [(lot.lot_id, lot.funder_id, lot.issued_on, lot.expires_on, lot.remaining) for lot in lots]


def test_lots_keep_their_expiry_and_funder_and_both_cards_work(
    network: NetworkForTests, card: str, other: str
) -> None:
    network.tills["A"].accrue(card, 3000, occurred_at="2026-01-10T12:00:00Z")
    network.tills["B"].accrue(other, 5000, occurred_at="2026-08-10T12:00:00Z")
    network.tills["A"].accrue(other, 2000)
    before = lots_of(network)

    merged = merge(network, other, card, reason="the same person")

    assert merged.status_code == 201, merged.json
    assert (merged.json["kind"], merged.json["points"]) == ("merge_in", 70)
    assert lots_of(network) == before
    till = network.tills["C"]
    assert till.balance(card) == {**till.balance(other), "card": card}
    assert till.redeem(other, 60).json["available"] == 10
    assert {c.number for c in list_cards(network.tenant_id, find_card(network.tenant_id, card).member_id)} == {
        card,
        other,
    }


def test_a_sale_of_the_merged_member_is_reversed_from_the_other(
    network: NetworkForTests, till: Till, card: str, other: str
) -> None:
    accrual = till.accrue(other, 5000).json["transfer_id"]
    redemption = till.redeem(other, 20).json["transfer_id"]
    merge(network, other, card)

    assert till.reverse(redemption).json["available"] == 50
    assert till.reverse(accrual).json["available"] == 0
    assert till.balance(card)["deficit"] == 0


def test_what_one_owes_the_other_s_points_repay(network: NetworkForTests, till: Till, card: str, other: str) -> None:
    accrual = till.accrue(other, 5000).json["transfer_id"]
    till.redeem(other, 40)
    till.reverse(accrual)
    till.accrue(card, 10000)

    merged = merge(network, other, card).json

    assert (merged["available"], merged["deficit"]) == (60, 0)


def test_merging_again_answers_with_the_first_time(
    network: NetworkForTests, till: Till, card: str, other: str
) -> None:
    till.accrue(other, 5000)
    path = f"/v1/members/{member_of(network, other)}/merge"
    body = {"into": member_of(network, card)}

    first, again = (network.hq("POST", path, body) for _ in range(2))

    assert (again.status_code, again.json) == (201, first.json)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert till.balance(card)["available"] == 50


def test_nobody_is_merged_who_can_not_be(network: NetworkForTests, till: Till, card: str, other: str) -> None:
    third = network.add_card()
    till.accrue(other, 5000)
    nobody = "mem_01h455vb4pex5vsknk084sn02q"
    themselves = merge(network, card, card)
    unknown = network.hq("POST", f"/v1/members/{member_of(network, card)}/merge", {"into": nobody})
    hold = till.post("/v1/holds", {"card": other, "order_ref": "h-merge", "points": 10}).json["hold_id"]
    holding = merge(network, other, card)
    till.post(f"/v1/holds/{hold}/void", {})
    old_id = member_of(network, other)
    merge(network, other, card)
    merged_already = network.hq("POST", f"/v1/members/{old_id}/merge", {"into": member_of(network, third)})

    refused = [(a.status_code, a.json["code"]) for a in (themselves, unknown, holding, merged_already)]
    assert refused == [
        (422, "same_member"),
        (404, "member_unknown"),
        (409, "member_has_holds"),
        (409, "member_merged"),
    ]
    assert holding.json["held"] == 10


def test_both_members_remember_it(network: NetworkForTests, till: Till, card: str, other: str) -> None:
    till.accrue(other, 5000)
    merge(network, other, card, reason="two forms")

    changes = network.hq("GET", f"/v1/cards/{card}/changes").json["changes"]

    merged = [change for change in changes if change["action"] == "merged"]
    assert [change["reason"] for change in merged] == ["two forms"]


def test_a_till_must_not_merge(network: NetworkForTests, till: Till, card: str, other: str) -> None:
    path = f"/v1/members/{member_of(network, other)}/merge"

    assert till.call("POST", path, {"into": member_of(network, card)}).status_code == 403


def test_no_point_is_lost_when_tills_post_while_members_merge(
    network: NetworkForTests, till: Till, card: str, other: str
) -> None:
    """Accruals of both cards race with the merge: each lands with whoever has the card then."""

    def earn(number: str) -> int:
        with network.app.app_context():
            return till.accrue(number, 100).status_code

    def join(_: str) -> int:
        with network.app.app_context():
            return merge(network, other, card).status_code

    with ThreadPoolExecutor(8) as pool:
        earning = [pool.submit(earn, number) for number in [card, other] * 20]
        joining = pool.submit(join, other)
        earning += [pool.submit(earn, number) for number in [card, other] * 20]

    assert joining.result() == 201
    assert {future.result() for future in earning} == {201}
    assert till.balance(card)["available"] == till.balance(other)["available"] == 80


def test_a_till_that_waited_for_a_merge_posts_to_whoever_has_the_card_then(
    network: NetworkForTests, till: Till, card: str, other: str
) -> None:
    till.accrue(other, 1000)
    merged, kept = (find_card(network.tenant_id, number).member_id for number in (other, card))
    now = clock.now()

    with ThreadPoolExecutor(1) as aside, unit_of_work(network.tenant_id) as session:
        post_merge(session, network.tenant_id, merged, kept, now, now.date())
        waiting = aside.submit(till.accrue, other, 500)
        wait_until_somebody_waits_for(session.connection())
        session.commit()

    assert waiting.result().status_code == 201
    assert till.balance(card)["available"] == till.balance(other)["available"] == 15
