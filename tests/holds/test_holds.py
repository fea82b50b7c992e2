"""Points set aside: held once, resolved once, and never lost in between."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from werkzeug.test import TestResponse

from clearinghouse.expiry.service import expire_points
from clearinghouse.holds.service import release_overdue
from clearinghouse.ledger.checks import check_ledger
from tenants.foundation import clock
from tenants.foundation.config import Settings
from tenants.foundation.database import normal_url
from tests.conftest import NetworkForTests, Till, numbers

STATES = ("held", "captured", "voided", "expired")


@pytest.fixture(autouse=True)
def books_are_right_afterwards(network: NetworkForTests) -> Iterator[None]:
    yield
    assert check_ledger(network.tenant_id) == []


def place(till: Till, card: str, points: int, **fields: Any) -> TestResponse:
    return till.post("/v1/holds", {"card": card, "order_ref": f"h{next(numbers)}", "points": points, **fields})


def capture(till: Till, hold_id: str, **fields: Any) -> TestResponse:
    return till.post(f"/v1/holds/{hold_id}/capture", fields)


def void(till: Till, hold_id: str) -> TestResponse:
    return till.post(f"/v1/holds/{hold_id}/void", {})


def points(till: Till, card: str) -> tuple[int, int, int]:
    balance = till.balance(card)
    return balance["available"], balance["held"], balance["deficit"]


def run_out(settings: Settings, network: NetworkForTests) -> None:
    """As if the time of all holds had passed."""
    owner = create_engine(normal_url(settings.database_url))
    with owner.begin() as connection:
        connection.execute(text("SELECT set_config('app.tenant_id', :t, true)"), {"t": str(network.tenant_id)})
        connection.execute(
            text("UPDATE ledger.holds SET expires_at = now() - interval '1 second' WHERE state = 'held'")
        )
    owner.dispose()


def test_held_points_are_there_for_nobody_else(till: Till, card: str) -> None:
    till.accrue(card, 10000)

    held = place(till, card, 70)

    assert held.status_code == 201, held.json
    assert held.json["hold_id"].startswith("hld_")
    assert (held.json["points"], held.json["amount"], held.json["available"]) == (70, 70, 30)
    assert points(till, card) == (30, 70, 0)
    refused = till.redeem(card, 31)
    assert (refused.json["code"], refused.json["available"]) == ("insufficient_points", 30)


def test_a_capture_redeems_a_part_and_releases_the_rest(network: NetworkForTests, card: str) -> None:
    a, b = network.tills["A"], network.tills["B"]
    a.accrue(card, 10000)
    hold_id = place(a, card, 70, order_ref="web-1").json["hold_id"]

    captured = capture(b, hold_id, points=45)

    assert captured.status_code == 201, captured.json
    assert (captured.json["kind"], captured.json["store"], captured.json["order_ref"]) == ("capture", "B", "web-1")
    assert (captured.json["points"], captured.json["amount"], captured.json["available"]) == (45, 45, 55)
    assert captured.json["hold_id"] == hold_id
    assert points(a, card) == (55, 0, 0)


def test_a_capture_by_amount_rounds_points_up(make_network: Any) -> None:
    """3 points pay for 2 cents: 25 cents take 38 points, not 37 1/2."""
    network = make_network(redemption_value=Decimal(150))
    till, card = network.add_till("A"), network.add_card()
    till.accrue(card, 30000)
    hold_id = place(till, card, 150).json["hold_id"]

    captured = capture(till, hold_id, amount=25).json

    assert (captured["points"], captured["amount"], captured["available"]) == (38, 25, 262)
    assert check_ledger(network.tenant_id) == []


def test_a_captured_hold_can_come_back_like_a_redemption(till: Till, card: str) -> None:
    till.accrue(card, 10000)
    hold_id = place(till, card, 70, order_ref="web-2").json["hold_id"]
    captured = capture(till, hold_id).json

    by_order = till.post("/v1/reversals", {"original_order_ref": "web-2", "points": 20})
    by_id = till.reverse(captured["transfer_id"])

    assert (by_order.status_code, by_order.json["available"]) == (201, 50)
    assert (by_id.json["points"], by_id.json["available"]) == (50, 100)


def test_a_void_releases_all(till: Till, card: str) -> None:
    till.accrue(card, 10000)
    hold_id = place(till, card, 70).json["hold_id"]

    voided = void(till, hold_id)

    assert (voided.status_code, voided.json["kind"], voided.json["available"]) == (201, "void", 100)
    assert points(till, card) == (100, 0, 0)


def in_state(state: str, till: Till, card: str, settings: Settings, network: NetworkForTests) -> str:
    hold_id: str = place(till, card, 70).json["hold_id"]
    if state == "captured":
        capture(till, hold_id)
    elif state == "voided":
        void(till, hold_id)
    elif state == "expired":
        run_out(settings, network)
        release_overdue(network.tenant_id)
    return hold_id


# Action x state -> next state, or the code of the refusal.
TRANSITIONS = {
    ("capture", "held"): "captured",
    ("capture", "captured"): "hold_captured",
    ("capture", "voided"): "hold_voided",
    ("capture", "expired"): "hold_expired",
    ("void", "held"): "voided",
    ("void", "captured"): "hold_captured",
    ("void", "voided"): "hold_voided",
    ("void", "expired"): "hold_expired",
}


@pytest.mark.parametrize(("action", "state"), TRANSITIONS)
def test_a_hold_resolves_once(
    settings: Settings, network: NetworkForTests, till: Till, card: str, action: str, state: str
) -> None:
    till.accrue(card, 10000)
    hold_id = in_state(state, till, card, settings, network)
    before = points(till, card)
    expected = TRANSITIONS[action, state]

    answer = {"capture": capture, "void": void}[action](till, hold_id)
    found = till.call("GET", f"/v1/holds/{hold_id}").json

    if expected in STATES:
        assert (answer.status_code, found["state"]) == (201, expected)
        assert found["resolved_by"] == answer.json["transfer_id"]
    else:
        assert (answer.status_code, answer.json["code"]) == (409, expected)
        assert answer.json["transfer_id"] == found["resolved_by"]
        assert (found["state"], points(till, card)) == (state, before)


def test_a_hold_that_has_run_out_gives_its_points_back_before_any_job_says_so(
    settings: Settings, network: NetworkForTests, till: Till, card: str
) -> None:
    till.accrue(card, 10000)
    hold_id = place(till, card, 70).json["hold_id"]
    run_out(settings, network)

    assert points(till, card) == (100, 0, 0)
    assert till.redeem(card, 100).status_code == 201
    assert capture(till, hold_id).json["code"] == "hold_expired"
    assert release_overdue(network.tenant_id) == 0


def test_the_job_releases_what_has_run_out_and_nothing_else(
    settings: Settings, network: NetworkForTests, till: Till, card: str
) -> None:
    till.accrue(card, 10000)
    place(till, card, 30)
    place(till, card, 40)
    run_out(settings, network)
    other = network.add_card()
    till.accrue(other, 10000)
    place(till, other, 10)

    assert release_overdue(network.tenant_id) == 2
    assert points(till, card) == (100, 0, 0)
    assert points(till, other) == (90, 10, 0)


def test_points_that_expire_while_held_can_be_captured_but_not_kept(make_network: Any) -> None:
    """On hold since before they expired: what was promised is honoured, what is released is over."""
    network = make_network(expiry_policy="P1D", opened_on=clock.now().date() - timedelta(days=40))
    till, card = network.add_till("A"), network.add_card()
    till.accrue(card, 10000, occurred_at=a_moment(days_ago=5))
    held = place(till, card, 70, occurred_at=a_moment(days_ago=4), expires_in=30 * 86_400).json
    assert points(till, card) == (0, 70, 0)

    captured = capture(till, held["hold_id"], points=30).json

    assert held["expires_at"] == till.call("GET", f"/v1/holds/{held['hold_id']}").json["expires_at"]
    assert (captured["points"], captured["available"]) == (30, 0)
    assert points(till, card) == (0, 0, 0)
    assert expire_points(network.tenant_id) == 70
    assert check_ledger(network.tenant_id) == []


def a_moment(days_ago: int) -> str:
    return (clock.now() - timedelta(days=days_ago)).isoformat()


def test_two_tills_capture_one_hold_once(network: NetworkForTests, card: str) -> None:
    a, b = network.tills["A"], network.tills["B"]
    a.accrue(card, 10000)
    for _ in range(10):
        hold_id = place(a, card, 10).json["hold_id"]
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda till, hold=hold_id: in_context(network, till, hold), (a, b)))
        assert sorted(answer.status_code for answer in answers) == [201, 409]
        assert {a.json["code"] for a in answers if a.status_code == 409} == {"hold_captured"}
    assert points(a, card) == (0, 0, 0)


def in_context(network: NetworkForTests, till: Till, hold_id: str) -> TestResponse:
    with network.app.app_context():
        return capture(till, hold_id)


def test_a_capture_whose_answer_was_lost_is_replayed(till: Till, card: str) -> None:
    till.accrue(card, 10000)
    hold_id = place(till, card, 70).json["hold_id"]

    first = till.post(f"/v1/holds/{hold_id}/capture", {"points": 20}, key="c-1")
    again = till.post(f"/v1/holds/{hold_id}/capture", {"points": 20}, key="c-1")
    other = till.post(f"/v1/holds/{hold_id}/capture", {"points": 21}, key="c-1")

    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json == first.json
    assert (other.status_code, other.json["code"]) == (409, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"points": 71}, 409, "more_than_held"),
        ({"amount": 71}, 409, "more_than_held"),
        ({"points": 0}, 422, "invalid_input"),
        ({"points": -1}, 422, "invalid_input"),
        ({"points": 1, "amount": 1}, 422, "invalid_input"),
        ({"points": "all"}, 422, "invalid_input"),
        ({"card": "6290000000000014"}, 422, "invalid_input"),
    ],
)
def test_a_wrong_capture_leaves_the_hold_as_it_is(
    till: Till, card: str, fields: dict[str, Any], status: int, code: str
) -> None:
    till.accrue(card, 10000)
    hold_id = place(till, card, 70).json["hold_id"]

    refused = capture(till, hold_id, **fields)

    assert (refused.status_code, refused.json["code"]) == (status, code)
    assert points(till, card) == (30, 70, 0)


@pytest.mark.parametrize("expires_in", [0, -1, 30 * 86_400 + 1, 1.5, "60", None])
def test_a_hold_lasts_from_a_second_to_thirty_days(till: Till, card: str, expires_in: object) -> None:
    till.accrue(card, 10000)

    refused = place(till, card, 10, expires_in=expires_in)

    assert (refused.status_code, list(refused.json["errors"])) == (422, ["expires_in"])


@pytest.mark.parametrize(
    ("hold_id", "status", "code"),
    [
        ("hld_01h455vb4pex5vsknk084sn02q", 404, "hold_unknown"),
        ("xfr_01h455vb4pex5vsknk084sn02q", 422, "invalid_id"),
        ("1", 422, "invalid_id"),
    ],
)
def test_a_hold_of_nobody_is_refused(till: Till, hold_id: str, status: int, code: str) -> None:
    answers = [capture(till, hold_id), void(till, hold_id), till.call("GET", f"/v1/holds/{hold_id}")]

    assert [(answer.status_code, answer.json["code"]) for answer in answers] == [(status, code)] * 3


def test_another_network_knows_nothing_of_it(
    network: NetworkForTests, till: Till, card: str, make_network: Any
) -> None:
    till.accrue(card, 10000)
    hold_id = place(till, card, 70).json["hold_id"]
    stranger = make_network().add_till("A")

    answers = [capture(stranger, hold_id), void(stranger, hold_id), stranger.call("GET", f"/v1/holds/{hold_id}")]

    assert {answer.status_code for answer in answers} == {404}
    assert stranger.call("GET", "/v1/holds").json["holds"] == []


def test_a_transfer_that_is_no_hold_can_not_be_captured(till: Till, card: str) -> None:
    accrual = till.accrue(card, 10000).json["transfer_id"]

    refused = capture(till, accrual.replace("xfr_", "hld_"))

    assert (refused.status_code, refused.json["code"]) == (404, "hold_unknown")


def test_a_reversed_accrual_leaves_what_is_held_alone_and_a_void_pays_the_deficit(till: Till, card: str) -> None:
    accrual = till.accrue(card, 10000).json["transfer_id"]
    hold_id = place(till, card, 70).json["hold_id"]

    assert till.reverse(accrual).json["deficit"] == 70
    assert points(till, card) == (0, 70, 70)
    assert void(till, hold_id).json["deficit_change"] == -70
    assert points(till, card) == (0, 0, 0)


def test_holds_are_listed_newest_first_in_pages(network: NetworkForTests, till: Till, card: str) -> None:
    till.accrue(card, 10000)
    made = [place(till, card, 1).json["hold_id"] for _ in range(3)]
    void(till, made[0])

    first = till.call("GET", "/v1/holds?limit=2").json
    rest = till.call("GET", f"/v1/holds?limit=2&cursor={first['next_cursor']}").json
    held = till.call("GET", "/v1/holds?state=held").json["holds"]

    assert [hold["hold_id"] for hold in first["holds"] + rest["holds"]] == made[::-1]
    assert rest["next_cursor"] is None
    assert {hold["hold_id"] for hold in held} == set(made[1:])
