from __future__ import annotations

from datetime import timedelta
from itertools import count

import pytest

from tenants.foundation import clock
from tests.conftest import Till


def test_a_purchase_earns_one_point_for_each_whole_currency_unit(till: Till, card: str) -> None:
    answer = till.accrue(card, 2599)

    assert answer.status_code == 201, answer.json
    assert answer.json["points"] == 25
    assert answer.json["available"] == 25
    assert till.balance(card)["available"] == 25


def test_a_purchase_of_zero_is_recorded_and_earns_nothing(till: Till, card: str) -> None:
    answer = till.accrue(card, 0)

    assert answer.status_code == 201
    assert answer.json["points"] == 0


def test_the_same_key_and_body_is_answered_with_the_stored_result(till: Till, card: str) -> None:
    first = till.accrue(card, 1000, order_ref="same", key="k1")
    till.accrue(card, 500)
    again = till.accrue(card, 1000, order_ref="same", key="k1")

    assert again.status_code == 201
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json == first.json
    assert till.balance(card)["available"] == 15


def test_a_clock_that_is_set_back_meanwhile_finds_nothing_to_lie_in_the_future(
    till: Till, card: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings = count()
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now - next(readings) * timedelta(hours=1))

    answer = till.accrue(card, 100)

    assert answer.status_code == 201, answer.json
