"""Points as tender: what may be redeemed on a bill, by whom, and how rounding falls."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearinghouse.ledger.checks import check_ledger
from clearinghouse.programme.rules import Programme, Terms
from tenants.foundation import clock, ids
from tenants.members.service import find_card
from tenants.verification.rules import code_at, step_at
from tenants.verification.service import find_wallet, set_pin, wallet_secret
from tests.conftest import NetworkForTests, Till

MakeNetwork = Callable[..., NetworkForTests]


def rich(network: NetworkForTests, points: int = 10_000) -> tuple[Till, str]:
    till, card = network.tills.get("A") or network.add_till("A"), network.add_card()
    assert till.accrue(card, points * 100).status_code == 201
    return till, card


def redeem(till: Till, card: str, **fields: Any) -> tuple[int, dict[str, Any]]:
    body = {"card": card, "order_ref": f"t{ids.new_id()}", **fields}
    answer = till.post("/v1/redemptions", body)
    return answer.status_code, answer.json


def test_by_points_or_by_amount_the_answer_shows_both(make_network: MakeNetwork) -> None:
    """150 points pay for a dollar: 10 points for 6.67 cents, so for 6; a cent takes 1.5 points, so 2."""
    till, card = rich(make_network(redemption_value=Decimal(150)))

    by_points = redeem(till, card, points=10)[1]
    by_amount = redeem(till, card, amount=1)[1]

    assert (by_points["points"], by_points["amount"]) == (10, 6)
    assert (by_amount["points"], by_amount["amount"]) == (2, 1)


@given(
    st.decimals("0.01", "5000", places=2),
    st.integers(0, 3),
    st.lists(st.integers(1, 100_000), min_size=1, max_size=8),
)
def test_rounding_never_favours_whoever_splits(value: Decimal, digits: int, parts: list[int]) -> None:
    programme = Programme(1, Terms(Decimal("1.23"), value, "never"), digits)
    whole = sum(parts)

    assert sum(map(programme.points_earned, parts)) <= programme.points_earned(whole)
    assert sum(map(programme.amount_redeemed, parts)) <= programme.amount_redeemed(whole)
    assert sum(map(programme.points_to_pay, parts)) >= programme.points_to_pay(whole)
    assert programme.amount_redeemed(programme.points_to_pay(whole)) >= whole


TERMS = {"minimum_points": 100, "step_points": 50, "maximum_share": Decimal("0.5")}


@pytest.mark.parametrize(
    ("fields", "status", "told"),
    [
        ({"points": 100, "bill": 200}, 201, {"points": 100, "amount": 100}),
        ({"points": 150, "bill": 301}, 201, {"points": 150}),
        ({"amount": 101, "bill": 400}, 201, {"points": 150, "amount": 101}),
        ({"points": 50, "bill": 1000}, 422, {"code": "below_minimum", "minimum_points": 100}),
        ({"points": 125, "bill": 1000}, 422, {"code": "not_in_steps", "step_points": 50}),
        ({"points": 150, "bill": 299}, 422, {"code": "above_maximum_share", "maximum_amount": 149}),
        ({"points": 100}, 422, {"code": "bill_missing", "maximum_share": "0.5"}),
        ({"points": 100, "bill": 0}, 422, {"code": "above_maximum_share", "maximum_amount": 0}),
    ],
)
def test_minimum_step_and_share_of_the_bill(
    make_network: MakeNetwork, fields: dict[str, int], status: int, told: dict[str, Any]
) -> None:
    till, card = rich(make_network(**TERMS))

    for path in ("redemptions", "holds"):
        answer = till.post(f"/v1/{path}", {"card": card, "order_ref": path, **fields})
        assert answer.status_code == status, answer.json
        assert {name: answer.json[name] for name in told} == told


def test_points_may_not_pay_more_than_the_bill(network: NetworkForTests) -> None:
    till, card = rich(network)

    assert redeem(till, card, points=101, bill=100)[1]["code"] == "above_maximum_share"
    assert redeem(till, card, points=100, bill=100)[0] == 201


@pytest.mark.parametrize(
    ("available", "bill", "redeemable"),
    [
        (10_000, 10_000, {"points": 5000, "amount": 5000}),
        (10_000, 10_001, {"points": 5000, "amount": 5000}),
        (10_000, 399, {"points": 150, "amount": 150}),
        (10_000, 199, {"points": 0, "amount": 0}),
        (10_000, 0, {"points": 0, "amount": 0}),
        (170, 10_000, {"points": 150, "amount": 150}),
        (99, 10_000, {"points": 0, "amount": 0}),
    ],
)
def test_a_quote_says_the_most_that_a_redemption_may_be(
    make_network: MakeNetwork, available: int, bill: int, redeemable: dict[str, int]
) -> None:
    network = make_network(**TERMS)
    till, card = rich(network, available)

    quote = till.call("POST", "/v1/quotes", {"card": card, "amount": bill})

    assert quote.status_code == 200, quote.json
    assert quote.json["earns"] == bill // 100
    assert quote.json["available"] == available
    assert quote.json["redeemable"] == {**redeemable, "minimum_points": 100, "step_points": 50, "needs": "nothing"}
    if redeemable["points"]:
        assert redeem(till, card, points=redeemable["points"] + 50, bill=bill)[0] in (409, 422)
        assert redeem(till, card, points=redeemable["points"], bill=bill)[0] == 201


def test_a_quote_writes_nothing(network: NetworkForTests) -> None:
    till, card = rich(network)
    lines = [{"line": "1", "amount": 1000}, {"line": "gift card", "amount": 5000, "earns": False}]
    before = till.call("GET", "/v1/transfers").json

    quote = till.call("POST", "/v1/quotes", {"card": card, "amount": 6000, "lines": lines}).json

    assert (quote["earns"], quote["currency"], quote["deficit"]) == (10, "USD", 0)
    assert till.call("GET", "/v1/transfers").json == before


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"card": "6290000000000014"}, 404, "card_unknown"),
        ({"card": "123"}, 422, "invalid_input"),
        ({"amount": -1}, 422, "invalid_input"),
        ({"amount": 10.0}, 422, "invalid_input"),
        ({"amount": 2**53 + 1}, 422, "invalid_input"),
        ({"currency": "EUR"}, 422, "wrong_currency"),
        ({"lines": [{"line": "1", "amount": 1}]}, 422, "invalid_input"),
        ({"points": 1}, 422, "invalid_input"),
    ],
)
def test_a_quote_is_refused_as_the_posting_would_be(
    till: Till, card: str, fields: dict[str, Any], status: int, code: str
) -> None:
    refused = till.call("POST", "/v1/quotes", {"card": card, "amount": 1000, **fields})

    assert (refused.status_code, refused.json["code"]) == (status, code)


def test_a_blocked_card_gets_no_quote(network: NetworkForTests, till: Till, card: str) -> None:
    network.hq("POST", f"/v1/cards/{card}/block")

    refused = till.call("POST", "/v1/quotes", {"card": card, "amount": 1000})

    assert (refused.status_code, refused.json["code"]) == (403, "card_blocked")


def test_a_redemption_needs_what_its_amount_asks_for(make_network: MakeNetwork) -> None:
    network = make_network(pin_from=1000, code_from=5000)
    till, card = rich(network)
    member_id = find_card(network.tenant_id, card).member_id
    set_pin(network.tenant_id, member_id, "7391")
    code = code_at(wallet_secret(find_wallet(network.tenant_id, member_id)), step_at(clock.now()))

    quotes = [till.call("POST", "/v1/quotes", {"card": card, "amount": bill}).json for bill in (999, 1000, 5000)]
    assert [quote["redeemable"]["needs"] for quote in quotes] == ["nothing", "pin", "code"]
    assert redeem(till, card, points=999)[0] == 201
    assert redeem(till, card, points=1000)[1]["code"] == "pin_required"
    wrong = redeem(till, card, points=1000, pin="7392")[1]
    assert (wrong["code"], wrong["tries_left"]) == ("pin_wrong", 2)
    assert redeem(till, card, points=1000, pin="7391")[0] == 201
    assert redeem(till, card, points=5000, pin="7391")[1]["code"] == "code_required"
    assert redeem(till, f"{card}-{code}", points=5000)[0] == 201
    used = redeem(till, card, points=10, code=code)
    assert (used[0], used[1]["code"]) == (409, "code_used")


def test_a_code_is_used_up_only_by_what_was_posted_with_it(make_network: MakeNetwork) -> None:
    network = make_network(code_from=0)
    till, card = rich(network, points=100)
    wallet = find_wallet(network.tenant_id, find_card(network.tenant_id, card).member_id)
    code = code_at(wallet_secret(wallet), step_at(clock.now()))
    body = {"card": f"{card}-{code}", "order_ref": "c-1", "points": 60}

    assert redeem(till, card, points=101, code=code)[1]["code"] == "insufficient_points"
    first = till.post("/v1/redemptions", body, key="k-1")
    again = till.post("/v1/redemptions", body, key="k-1")

    assert (first.status_code, first.json["card"]) == (201, card)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert till.balance(card)["available"] == 40


def test_one_code_pays_once_when_two_tills_have_it(make_network: MakeNetwork) -> None:
    network = make_network(code_from=0)
    till, card = rich(network)
    wallet = find_wallet(network.tenant_id, find_card(network.tenant_id, card).member_id)
    code = code_at(wallet_secret(wallet), step_at(clock.now()))

    def pay(_: int) -> int:
        with network.app.app_context():
            return redeem(till, card, points=10, code=code)[0]

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(pay, range(8))) == [201] + [409] * 7
    assert till.balance(card)["available"] == 9_990


def test_a_pin_is_no_part_of_what_is_kept(make_network: MakeNetwork) -> None:
    """Else four digits could be guessed from the hash of the request: the same request without PIN is the same."""
    network = make_network(pin_from=1000)
    till, card = rich(network)
    set_pin(network.tenant_id, find_card(network.tenant_id, card).member_id, "7391")
    body = {"card": card, "order_ref": "p-1", "points": 1000}

    first = till.post("/v1/redemptions", {**body, "pin": "7391"}, key="k-1")
    again = till.post("/v1/redemptions", body, key="k-1")

    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json == first.json


@pytest.mark.parametrize(
    ("limits", "posted", "told"),
    [
        ({"member": {"hour": {"count": 2}}}, 2, {"limit": "member per hour", "redemptions_left": 0}),
        ({"member": {"day": {"points": 25}}}, 2, {"limit": "member per day", "points_left": 5}),
        ({"store": {"hour": {"count": 3}}}, 3, {"limit": "store per hour", "redemptions_left": 0}),
        ({"store": {"day": {"points": 39}}}, 3, {"limit": "store per day", "points_left": 9}),
    ],
)
def test_velocity_limits(
    make_network: MakeNetwork, limits: dict[str, Any], posted: int, told: dict[str, Any]
) -> None:
    """Ten points at a time; holds count as redemptions do."""
    network = make_network(velocity_limits=limits)
    till, card = rich(network)
    hold = till.post("/v1/holds", {"card": card, "order_ref": "h", "points": 10})
    assert hold.status_code == 201

    answers = [redeem(till, card, points=10) for _ in range(3)]

    assert [status for status, _ in answers] == [201] * (posted - 1) + [403] * (4 - posted)
    refused = answers[-1][1]
    assert refused["code"] == "velocity_exceeded"
    assert {name: refused[name] for name in told} == told
    elsewhere = redeem(network.add_till("B"), card, points=10)[0]
    assert elsewhere == (403 if "member" in limits else 201)
    capture = till.post(f"/v1/holds/{hold.json['hold_id']}/capture", {})
    assert capture.status_code == 201


def test_the_redemptions_of_a_batch_count_towards_the_limit_of_their_store(make_network: MakeNetwork) -> None:
    network = make_network(velocity_limits={"store": {"hour": {"count": 2}}})
    till, card = rich(network)
    cards = [card, network.add_card(), network.add_card()]
    for other in cards[1:]:
        till.accrue(other, 1000)

    results = batch(till, *[{"card": each, "points": 10} for each in cards])

    assert [result["outcome"] for result in results] == ["posted", "posted", "refused"]
    assert results[-1]["problem"]["code"] == "velocity_exceeded"


def batch(till: Till, *events: dict[str, Any]) -> list[dict[str, Any]]:
    redemptions = [
        {"kind": "redemption", "idempotency_key": str(ids.new_id()), "order_ref": str(ids.new_id()), **event}
        for event in events
    ]
    return till.call("POST", "/v1/batches", {"events": redemptions}).json["results"]


@pytest.mark.parametrize(("charged_to", "deficit"), [("member", 60), ("store", 0)])
def test_an_offline_redemption_is_honoured_up_to_the_limit(
    make_network: MakeNetwork, charged_to: str, deficit: int
) -> None:
    network = make_network(offline_limit=100, offline_charged_to=charged_to, pin_from=0)
    till, card = rich(network, points=40)

    beyond, too_much, online = batch(
        till,
        {"card": card, "points": 100, "offline": True},
        {"card": card, "points": 101, "offline": True},
        {"card": card, "points": 1},
    )

    assert beyond["outcome"] == "posted"
    assert (beyond["transfer"]["points"], beyond["transfer"]["available"]) == (100, 0)
    assert beyond["transfer"]["deficit"] == deficit
    assert too_much["problem"]["code"] == "offline_limit_exceeded"
    assert (too_much["problem"]["offline_limit"], too_much["problem"]["missing"]) == (100, 101)
    assert online["problem"]["code"] == "pin_required"
    assert check_ledger(network.tenant_id) == []


def test_a_redemption_that_got_no_answer_can_be_queued_as_offline_under_its_key(
    make_network: MakeNetwork,
) -> None:
    till, card = rich(make_network(offline_limit=10), points=40)
    body = {"card": card, "order_ref": "t-1", "points": 30}
    lost = till.post("/v1/redemptions", body, key="k-1").json

    [answered] = batch(till, {**body, "idempotency_key": "k-1", "offline": True})

    assert answered == {"index": 0, "outcome": "replayed", "transfer": lost}
    assert till.balance(card)["available"] == 10


def test_an_offline_redemption_that_the_balance_covers_is_like_any_other(make_network: MakeNetwork) -> None:
    network = make_network(offline_limit=10)
    till, card = rich(network, points=40)

    [posted] = batch(till, {"card": card, "points": 40, "offline": True})

    assert posted["transfer"]["available"] == 0


def test_a_reversed_offline_redemption_cancels_the_debt_first(make_network: MakeNetwork) -> None:
    network = make_network(offline_limit=100)
    till, card = rich(network, points=40)
    [posted] = batch(till, {"card": card, "points": 100, "offline": True})
    till.accrue(card, 5000)
    assert till.balance(card)["deficit"] == 10

    given_back = till.reverse(posted["transfer"]["transfer_id"]).json

    # 10 were still owed; 50 had been repaid and 40 came from a lot.
    assert (given_back["deficit"], given_back["available"]) == (0, 90)
    assert check_ledger(network.tenant_id) == []


def test_only_a_batch_can_say_that_it_was_offline(till: Till, card: str) -> None:
    status, refused = redeem(till, card, points=1, offline=True)

    assert (status, list(refused["errors"])) == (422, ["offline"])


def test_a_batch_holds_captures_and_voids(network: NetworkForTests) -> None:
    till, card = rich(network, points=100)
    [held, other] = batch(
        till, {"kind": "hold", "card": card, "points": 60}, {"kind": "hold", "card": card, "points": 40}
    )

    captured, again = batch(
        till,
        {"kind": "capture", "hold_id": held["transfer"]["hold_id"], "points": 50},
        {"kind": "capture", "hold_id": held["transfer"]["hold_id"]},
    )
    void = {"kind": "void", "hold_id": other["transfer"]["hold_id"], "idempotency_key": "v-1"}
    [voided] = till.call("POST", "/v1/batches", {"events": [void]}).json["results"]

    assert (captured["outcome"], captured["transfer"]["card"]) == ("posted", card)
    assert again["problem"]["code"] == "hold_captured"
    assert (voided["outcome"], voided["transfer"]["available"]) == ("posted", 50)


@pytest.mark.parametrize(
    "terms",
    [
        {"minimum_points": 0},
        {"step_points": -1},
        {"maximum_share": "0"},
        {"maximum_share": "1.1"},
        {"return_policy": "forgive"},
        {"return_grace_days": 4000},
        {"offline_limit": -1},
        {"offline_charged_to": "nobody"},
        {"pin_from": -1},
        {"velocity_limits": {"member": {"week": {"count": 1}}}},
        {"velocity_limits": {"member": {"day": {"count": 0}}}},
        {"velocity_limits": {"member": {"day": {}}}},
        {"velocity_limits": {"everybody": {"day": {"count": 1}}}},
    ],
)
def test_terms_that_no_programme_can_have_are_refused(network: NetworkForTests, terms: dict[str, Any]) -> None:
    body = {
        "effective_from": "2099-01-01T00:00:00Z",
        "base_rate": "1",
        "redemption_value": "100",
        "expiry_policy": "P6M",
        **terms,
    }

    refused = network.hq("POST", "/v1/programme/versions", body)

    assert refused.status_code == 422, refused.json
    assert len(network.hq("GET", "/v1/programme/versions").json["versions"]) == 1


def test_a_new_version_keeps_the_terms_it_does_not_name(make_network: MakeNetwork) -> None:
    network = make_network(**TERMS)
    body = {
        "effective_from": "2099-01-01T00:00:00Z",
        "base_rate": "2",
        "redemption_value": "100",
        "expiry_policy": "P6M",
        "pin_from": 500,
    }

    made = network.hq("POST", "/v1/programme/versions", body).json

    assert (made["minimum_points"], made["step_points"], made["maximum_share"]) == (100, 50, "0.5")
    assert (made["base_rate"], made["pin_from"], made["code_from"]) == ("2", 500, None)
