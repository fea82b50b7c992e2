"""What people decide on legs, and what becomes of the month."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import partial

import pytest

from settlement.legs.service import carry_leg, confirm_leg, fail_leg, list_receivables, retry_leg
from settlement.proposals.service import get_settlement
from tenants.foundation import ids
from tenants.foundation.errors import ClearinghouseError
from tests.conftest import NetworkForTests
from tests.payments.conftest import MONTH, Paying

FEBRUARY = date(2026, 2, 1)
ACTIONS = {"confirm": confirm_leg, "fail": fail_leg, "retry": retry_leg, "carry": carry_leg}
# How a leg comes to a state, by hand.
WAYS: dict[str, tuple[str, ...]] = {
    "pending": (),
    "confirmed": ("confirm",),
    "failed": ("fail",),
    "carried": ("fail", "carry"),
}
# (state, action, state after or None where it is refused)
CASES: list[tuple[str, str, str | None]] = [
    ("pending", "confirm", "confirmed"),
    ("pending", "fail", "failed"),
    ("pending", "retry", None),
    ("pending", "carry", None),
    ("confirmed", "confirm", None),
    ("confirmed", "fail", "failed"),
    ("confirmed", "retry", None),
    ("confirmed", "carry", None),
    ("failed", "confirm", "confirmed"),
    ("failed", "fail", None),
    ("failed", "retry", "pending"),
    ("failed", "carry", "carried"),
    ("carried", "confirm", None),
    ("carried", "fail", None),
    ("carried", "retry", None),
    ("carried", "carry", None),
]


def act(paying: Paying, store: str, *actions: str) -> None:
    for action in actions:
        ACTIONS[action](paying.network.tenant_id, paying.leg(store).leg_id, paying.treasurer, f"because of {action}")


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(ClearinghouseError) as refused:
        call()
    return refused.value.code


@pytest.mark.parametrize(("state", "action", "after"), CASES, ids=[f"{row[0]}-{row[1]}" for row in CASES])
def test_the_table_of_states(paying: Paying, state: str, action: str, after: str | None) -> None:
    act(paying, "A", *WAYS[state])

    if after is None:
        assert code_of(lambda: act(paying, "A", action)) == "illegal_state"
    else:
        act(paying, "A", action)

    assert paying.states() == {"A": after or state, "B": "pending", "C": "pending"}


def test_every_change_says_who_and_why(paying: Paying) -> None:
    row = fail_leg(paying.network.tenant_id, paying.leg("A").leg_id, paying.treasurer, "account closed")

    assert (row.change.changed_by, row.change.reason) == (paying.treasurer.shown, "account closed")


def test_a_failed_leg_is_a_receivable_until_it_is_confirmed_or_carried(paying: Paying) -> None:
    def receivables() -> list[tuple[str, int]]:
        return [(row.store_code, row.leg.amount) for row in list_receivables(paying.network.tenant_id)]

    act(paying, "A", "fail")
    act(paying, "B", "fail")
    assert receivables() == [("A", 1000), ("B", -600)]

    act(paying, "A", "confirm")
    act(paying, "B", "carry")
    assert receivables() == []


def test_a_month_is_settled_when_nothing_is_waited_for(paying: Paying) -> None:
    states = [get_settlement(paying.network.tenant_id, MONTH).state]
    for store, action in (("A", "confirm"), ("B", "fail"), ("C", "confirm")):
        act(paying, store, action)
        states.append(get_settlement(paying.network.tenant_id, MONTH).state)

    assert states == ["approved", "settling", "settling", "settled"]
    assert paying.state_of_month() == "settled"


def test_a_leg_of_a_settled_month_can_still_be_retried(paying: Paying) -> None:
    for store, action in (("A", "fail"), ("B", "confirm"), ("C", "confirm")):
        act(paying, store, action)
    act(paying, "A", "retry")

    [file] = paying.instruct().files

    assert (file.direction, file.total) == ("collection", 1000)
    assert paying.states()["A"] == "instructed"
    assert get_settlement(paying.network.tenant_id, MONTH).state == "settled"


def test_what_is_carried_is_owed_in_the_open_month(paying: Paying) -> None:
    act(paying, "A", "fail", "carry")
    act(paying, "B", "fail", "carry")

    february = paying.network.settle(FEBRUARY)

    nets = {line.store_code: line.position.net for line in february.stores if line.position.net}
    assert nets == {"A": 1000, "B": -600}
    carried = Paying(paying.network, paying.treasurer, FEBRUARY)
    assert carried.states() == {"A": "pending", "B": "pending"}


def test_a_leg_of_another_network_is_unknown(paying: Paying, make_network: Callable[..., NetworkForTests]) -> None:
    leg_id = paying.leg("A").leg_id

    other = make_network().tenant_id
    for action in ACTIONS.values():
        for tenant_id, leg in ((other, leg_id), (paying.network.tenant_id, ids.new_id())):
            assert code_of(partial(action, tenant_id, leg, paying.treasurer, "x")) == "leg_unknown"


@pytest.mark.parametrize("reason", ["", "two\nlines", "x" * 201])
def test_a_reason_is_one_line(paying: Paying, reason: str) -> None:
    with pytest.raises(ClearinghouseError):
        fail_leg(paying.network.tenant_id, paying.leg("A").leg_id, paying.treasurer, reason)

    assert paying.states()["A"] == "pending"
