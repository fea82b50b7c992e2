"""What a till is told of a card."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta

import pytest

from tenants.foundation import clock
from tenants.foundation.months import add_months, last_day, month_of
from tests.conftest import NetworkForTests, Till, a_card_number


def this_month() -> date:
    return month_of(clock.now().date())


def expiring(points: int, months_ahead: int) -> dict[str, object]:
    """At the end of a month, counted from this one."""
    return {"points": points, "expires_on": last_day(add_months(this_month(), months_ahead)).isoformat()}


def noon(day: date) -> str:
    return f"{day}T12:00:00+00:00"


def test_what_expires_next_is_all_of_the_lots_that_expire_first(till: Till, card: str) -> None:
    earlier = add_months(this_month(), -2)
    till.accrue(card, 700)
    till.accrue(card, 1100, occurred_at=noon(earlier))
    till.accrue(card, 300, occurred_at=noon(earlier + timedelta(days=1)))

    balance = till.balance(card)

    assert (balance["available"], balance["expiring_next"]) == (21, expiring(14, 4))


def test_what_has_been_redeemed_or_has_expired_does_not_expire_next(till: Till, card: str) -> None:
    till.accrue(card, 5000, occurred_at=noon(add_months(this_month(), -7)))
    till.accrue(card, 700)
    till.redeem(card, 2)

    balance = till.balance(card)

    assert (balance["available"], balance["expiring_next"]) == (5, expiring(5, 6))


def test_nothing_expires_next_where_there_is_nothing_or_points_never_expire(
    make_network: Callable[..., NetworkForTests], till: Till, card: str
) -> None:
    lasting = make_network(expiry_policy="never")
    other_till, other_card = lasting.add_till("A"), lasting.add_card()
    other_till.accrue(other_card, 700)

    empty, eternal = till.balance(card), other_till.balance(other_card)

    assert (empty["available"], empty["held"], empty["deficit"], empty["expiring_next"]) == (0, 0, 0, None)
    assert (eternal["available"], eternal["expiring_next"]) == (7, None)


def test_points_can_be_used_on_their_last_day_by_the_networks_own_clock(
    make_network: Callable[..., NetworkForTests], monkeypatch: pytest.MonkeyPatch
) -> None:
    network = make_network(time_zone="Asia/Shanghai")
    till, card = network.add_till("A"), network.add_card()
    till.accrue(card, 700, occurred_at=noon(add_months(this_month(), -1)))
    last = last_day(add_months(this_month(), 5))

    def available_at(hour_of_utc: int) -> object:
        monkeypatch.setattr(clock, "now", lambda: datetime.combine(last, time(hour_of_utc, 30), UTC))
        return till.balance(card)["available"]

    assert [available_at(15), available_at(16)] == [7, 0]


def test_held_points_are_told_apart_until_the_hold_runs_out(till: Till, card: str) -> None:
    till.accrue(card, 700)
    hold = {"card": card, "order_ref": "hold", "points": 3}
    till.post("/v1/holds", {**hold, "expires_in": 60})
    till.post(
        "/v1/holds",
        {**hold, "order_ref": "old", "points": 2, "expires_in": 1, "occurred_at": noon(add_months(this_month(), -1))},
    )

    balance = till.balance(card)

    assert (balance["available"], balance["held"]) == (4, 3)


def test_a_card_that_is_out_of_use_says_so_and_still_shows_its_points(
    network: NetworkForTests, till: Till, card: str
) -> None:
    till.accrue(card, 700)
    network.hq("POST", f"/v1/cards/{card}/block")

    balance = till.balance(card)

    assert (balance["card"], balance["status"], balance["available"]) == (card, "blocked", 7)


def test_it_says_whether_the_network_knows_who_holds_the_card(till: Till, card: str) -> None:
    before = till.balance(card)["registered"]
    till.post(f"/v1/cards/{card}/registration", {"name": "Ann Lee"})

    assert (before, till.balance(card)["registered"]) == (False, True)


def test_another_networks_card_is_unknown_and_a_mistyped_one_is_refused(
    make_network: Callable[..., NetworkForTests], till: Till
) -> None:
    foreign = make_network().add_card()

    answers = [till.call("GET", f"/v1/cards/{number}") for number in (foreign, a_card_number(), "62901234")]

    assert [answer.status_code for answer in answers] == [404, 404, 422]
    assert [answer.json["code"] for answer in answers] == ["card_unknown", "card_unknown", "card_number_invalid"]
