"""The same points in both models: over their whole life stores pay and are paid the same, whatever became of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from settlement.proposals.rules import nets_of
from settlement.terms.rules import MODELS, ON_REDEMPTION
from settlement.terms.service import set_terms
from tests.conftest import NetworkForTests, Till

JANUARY = date(2026, 1, 1)
Nets = dict[str, int]


def on(day: int) -> str:
    return f"2026-01-{day:02}T12:00:00Z"


def used_elsewhere(network: NetworkForTests, card: str) -> Any:
    """A hundred points of A, redeemed in B."""
    sale = network.tills["A"].accrue(card, 10_000, occurred_at=on(2)).json
    network.tills["B"].redeem(card, 100, occurred_at=on(3))
    return sale


def repaid_by_another(network: NetworkForTests, card: str) -> None:
    sale = used_elsewhere(network, card)
    network.tills["A"].reverse(sale["transfer_id"], occurred_at=on(4))
    network.tills["C"].accrue(card, 4_000, occurred_at=on(5))


def made_good_by_others_points(network: NetworkForTests, card: str) -> None:
    sale = used_elsewhere(network, card)
    network.tills["C"].accrue(card, 10_000, occurred_at=on(4))
    network.tills["A"].reverse(sale["transfer_id"], occurred_at=on(5))


def borne_by_another(network: NetworkForTests, card: str) -> None:
    sale = used_elsewhere(network, card)
    network.tills["C"].reverse(sale["transfer_id"], occurred_at=on(4))


def redeem_offline(till: Till, card: str) -> None:
    event = {"kind": "redemption", "idempotency_key": "offline", "order_ref": "offline", "offline": True}
    event |= {"card": card, "points": 50, "occurred_at": on(2)}
    answer = till.call("POST", "/v1/batches", {"events": [event]})
    assert answer.json["results"][0]["outcome"] == "posted", answer.json


def advanced_and_repaid(network: NetworkForTests, card: str) -> None:
    redeem_offline(network.tills["B"], card)
    network.tills["A"].accrue(card, 3_000, occurred_at=on(3))


def borne_offline(network: NetworkForTests, card: str) -> None:
    redeem_offline(network.tills["B"], card)


def in_the_same_store(network: NetworkForTests, card: str) -> None:
    network.tills["A"].accrue(card, 10_000, occurred_at=on(2))
    network.tills["A"].redeem(card, 100, occurred_at=on(3))


def given_back_and_used_again(network: NetworkForTests, card: str) -> None:
    network.tills["A"].accrue(card, 10_000, occurred_at=on(2))
    redeemed = network.tills["B"].redeem(card, 100, occurred_at=on(3)).json
    network.tills["B"].reverse(redeemed["transfer_id"], occurred_at=on(4))
    network.tills["C"].redeem(card, 100, occurred_at=on(5))


# A point costs 3 and pays 2. None is left in the end; what members owe then, head office carries.
CASES: list[tuple[Callable[[NetworkForTests, str], object], dict[str, Any], Nets]] = [
    (used_elsewhere, {}, {"A": 300, "B": -200, "C": 0, "HQ": -100}),
    (in_the_same_store, {}, {"A": 100, "B": 0, "C": 0, "HQ": -100}),
    (given_back_and_used_again, {}, {"A": 300, "B": 0, "C": -200, "HQ": -100}),
    (repaid_by_another, {}, {"A": 0, "B": -200, "C": 120, "HQ": 80}),
    (made_good_by_others_points, {}, {"A": 0, "B": -200, "C": 300, "HQ": -100}),
    (borne_by_another, {"return_policy": "clamp"}, {"A": 0, "B": -200, "C": 300, "HQ": -100}),
    (advanced_and_repaid, {"offline_limit": 50}, {"A": 90, "B": -100, "C": 0, "HQ": 10}),
    (borne_offline, {"offline_limit": 50, "offline_charged_to": "store"}, {"A": 0, "B": 50, "C": 0, "HQ": -50}),
]


@pytest.mark.parametrize(("happens", "programme", "expected"), CASES, ids=[case[0].__name__ for case in CASES])
@pytest.mark.parametrize("model", MODELS)
def test_used_points_come_to_the_same_in_both_models(
    make_network: Callable[..., NetworkForTests],
    happens: Callable[[NetworkForTests, str], object],
    programme: dict[str, Any],
    expected: Nets,
    model: str,
) -> None:
    network = make_network(funding_rate=Decimal(3), redemption_rate=Decimal(2), **programme)
    for store_code in "ABC":
        network.add_till(store_code)
    set_terms(network.tenant_id, JANUARY, "test", model=model)

    happens(network, network.add_card())
    document = network.settle(JANUARY)

    by_code = {code: nets_of(document.lines).get(party, 0) for party, code in document.codes().items()}
    assert by_code == expected
    assert all(identity.holds for identity in document.identities)


@pytest.mark.parametrize(("model", "net"), [("pooled", 300), (ON_REDEMPTION, 0)])
def test_points_that_nobody_has_used_are_paid_for_in_one_model_only(
    make_network: Callable[..., NetworkForTests], model: str, net: int
) -> None:
    network = make_network(funding_rate=Decimal(3), redemption_rate=Decimal(2))
    till = network.add_till("A")
    set_terms(network.tenant_id, JANUARY, "test", model=model)
    till.accrue(network.add_card(), 10_000, occurred_at=on(2))

    assert nets_of(network.settle(JANUARY).lines).get(till.store_id, 0) == net
