"""The listing of transfers: each once, newest first, and only those that the caller may see."""

from __future__ import annotations

from typing import Any

import pytest

from clearinghouse.expiry.service import expire_points
from tests.conftest import NetworkForTests, Till

Transfers = list[dict[str, Any]]


def pages(till: Till, **filters: str | int) -> list[Transfers]:
    """All pages, by following the cursor."""
    found: list[Transfers] = []
    cursor: dict[str, str] = {}
    while True:
        query = "&".join(f"{name}={value}" for name, value in {**filters, **cursor}.items())
        answer = till.call("GET", f"/v1/transfers?{query}")
        assert answer.status_code == 200, answer.json
        found.append(answer.json["transfers"])
        if answer.json["next_cursor"] is None:
            return found
        cursor = {"cursor": answer.json["next_cursor"]}


def listed(till: Till, **filters: str | int) -> Transfers:
    return [transfer for page in pages(till, **filters) for transfer in page]


def head_office(network: NetworkForTests) -> Till:
    till = network.tills["A"]
    return Till(network.app.test_client(), network.hq_key, "", till.store_id, till.terminal_id)


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 6, 500])
def test_paging_visits_each_transfer_once_newest_first(till: Till, card: str, limit: int) -> None:
    posted = [till.accrue(card, 100 * n).json["transfer_id"] for n in range(6)]

    found = pages(till, limit=limit)

    assert [transfer["transfer_id"] for page in found for transfer in page] == posted[::-1]
    assert all(len(page) == limit for page in found[:-1])
    assert 0 < len(found[-1]) <= limit


def test_a_network_without_transfers_has_one_empty_page(till: Till) -> None:
    assert pages(till) == [[]]


def test_what_is_posted_while_somebody_pages_does_not_move_the_pages(till: Till, card: str) -> None:
    posted = [till.accrue(card, 100).json["transfer_id"] for _ in range(4)]
    first = till.call("GET", "/v1/transfers?limit=2").json
    till.accrue(card, 100)

    rest = till.call("GET", f"/v1/transfers?limit=2&cursor={first['next_cursor']}").json

    assert [t["transfer_id"] for t in first["transfers"] + rest["transfers"]] == posted[::-1]


def test_a_terminal_sees_the_transfers_of_its_store_and_head_office_all(network: NetworkForTests, card: str) -> None:
    for store, till in network.tills.items():
        till.accrue(card, 1000, order_ref=f"{store}-1")
        till.accrue(card, 1000, order_ref=f"{store}-2")

    for store, till in network.tills.items():
        assert [t["order_ref"] for t in listed(till)] == [f"{store}-2", f"{store}-1"]
        assert {t["store"] for t in listed(till)} == {store}
    everything = listed(head_office(network))
    assert [t["order_ref"] for t in everything] == ["C-2", "C-1", "B-2", "B-1", "A-2", "A-1"]


def test_a_terminal_can_not_page_into_another_store_with_its_cursor(network: NetworkForTests, card: str) -> None:
    network.tills["A"].accrue(card, 1000)
    of_b = network.tills["B"].accrue(card, 1000).json["transfer_id"]

    answer = network.tills["C"].call("GET", f"/v1/transfers?cursor={of_b}")

    assert answer.json == {"transfers": [], "next_cursor": None}


def test_transfers_are_found_by_card_and_by_order(network: NetworkForTests, till: Till, card: str) -> None:
    other = network.add_card()
    till.accrue(card, 1000, order_ref="1")
    till.accrue(other, 1000, order_ref="2")
    till.redeem(card, 5, order_ref="1")

    assert [t["kind"] for t in listed(till, card=card)] == ["redemption", "accrual"]
    assert [t["card"] for t in listed(till, order_ref="2")] == [other]
    assert [t["kind"] for t in listed(till, order_ref="1", limit=1)] == ["redemption", "accrual"]
    assert listed(till, card=other, order_ref="1") == []


def test_the_listing_says_what_the_posting_answered(till: Till, card: str) -> None:
    sale = till.accrue(card, 2599, occurred_at="2026-10-01T12:00:00Z").json
    redemption = till.redeem(card, 10).json

    assert listed(till) == [redemption, sale]


def test_a_reversal_names_the_card_in_its_answer_as_in_the_listing(till: Till, card: str) -> None:
    sale = till.accrue(card, 2599).json
    reversal = till.reverse(sale["transfer_id"]).json

    assert reversal["reverses_transfer_id"] == sale["transfer_id"]
    assert listed(till)[0] == reversal


def test_head_office_sees_what_expired_and_a_terminal_does_not(
    network: NetworkForTests, till: Till, card: str
) -> None:
    till.accrue(card, 1000, occurred_at="2026-01-15T12:00:00Z")
    expire_points(network.tenant_id)

    [expiry, sale] = listed(head_office(network))

    assert (expiry["kind"], expiry["store"], expiry["card"], expiry["points"]) == ("expiry", None, None, 10)
    assert listed(till) == [sale]


def test_a_transfer_of_the_clearinghouse_can_not_be_reversed_by_a_till(
    network: NetworkForTests, till: Till, card: str
) -> None:
    till.accrue(card, 1000, occurred_at="2026-01-15T12:00:00Z")
    expire_points(network.tenant_id)
    expiry = listed(head_office(network))[0]

    assert till.reverse(expiry["transfer_id"]).json["code"] == "not_reversible"
