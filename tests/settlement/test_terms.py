"""How a network settles: set for months to come, and a closed month given more time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from settlement.approvals.postponing import postpone
from settlement.approvals.service import approve
from settlement.fees.service import set_fee
from settlement.proposals.queries import open_stores
from settlement.states.service import history
from settlement.terms.rules import Terms
from settlement.terms.service import list_terms, set_terms, terms_in_force
from settlement.windows.service import get_window
from tenants.foundation.database import unit_of_work
from tenants.foundation.errors import ClearinghouseError
from tenants.networks.service import today_in
from tenants.staff.rules import APPROVER
from tenants.stores.service import close_store, find_store
from tenants.stores.tables import Store
from tests.conftest import NetworkForTests

JANUARY, FEBRUARY, MARCH = date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1)


def code_of(call: Callable[[], Any]) -> str:
    with pytest.raises(ClearinghouseError) as refused:
        call()
    return refused.value.code


def put(network: NetworkForTests, month: date, **changes: Any) -> Any:
    return set_terms(network.tenant_id, month, "ana", **changes)


def test_a_network_begins_with_the_defaults(network: NetworkForTests) -> None:
    assert list_terms(network.tenant_id) == []
    assert terms_in_force(network.tenant_id) == (JANUARY, Terms())


def test_what_is_left_out_stays_as_it_is(network: NetworkForTests) -> None:
    put(network, JANUARY, minimum_payout=500)
    new = put(network, MARCH, payout_days=20)

    assert (new.minimum_payout, new.payout_days, new.version, new.made_by) == (500, 20, 1, "ana")
    network.close(JANUARY)
    network.close(FEBRUARY)
    assert terms_in_force(network.tenant_id) == (MARCH, Terms(minimum_payout=500, payout_days=20))


def test_terms_set_again_are_a_new_version_and_the_old_one_stays(network: NetworkForTests) -> None:
    put(network, FEBRUARY, minimum_payout=500)
    put(network, FEBRUARY, minimum_payout=50)

    assert [(row.version, row.minimum_payout) for row in list_terms(network.tenant_id)] == [(1, 500), (2, 50)]
    network.close(JANUARY)
    assert terms_in_force(network.tenant_id)[1].minimum_payout == 50


def test_a_closed_month_has_the_terms_it_has(network: NetworkForTests) -> None:
    network.close(JANUARY)

    assert code_of(lambda: put(network, JANUARY, minimum_payout=5)) == "window_closed"
    put(network, FEBRUARY, minimum_payout=5)


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "barter"},
        {"minimum_payout": -1},
        {"minimum_payout": 10**13},
        {"dispute_days": 0},
        {"dispute_days": 12},
        {"approval_days": 15},
        {"collection_days": 18},
        {"payout_days": 15},
        {"payout_days": 91},
    ],
)
def test_terms_that_can_not_be_are_refused(network: NetworkForTests, changes: dict[str, Any]) -> None:
    assert code_of(lambda: put(network, JANUARY, **changes)) == "invalid_terms"

    assert list_terms(network.tenant_id) == []


def test_the_calendar_of_a_month_is_that_of_its_terms(network: NetworkForTests) -> None:
    put(network, JANUARY, dispute_days=1, approval_days=2, collection_days=3, payout_days=4)

    network.close(JANUARY)

    window = get_window(network.tenant_id, JANUARY)
    days = (window.dispute_until, window.approve_by, window.collect_on, window.pay_on)
    assert days == tuple(date(2026, 2, day) for day in (1, 2, 3, 4))


def test_the_model_is_chosen_before_points_are_outstanding(network: NetworkForTests, card: str) -> None:
    put(network, JANUARY, model="on_redemption")
    assert code_of(lambda: put(network, FEBRUARY, model="pooled")) == "model_in_use"
    network.tills["A"].accrue(card, 10000, occurred_at="2026-01-10T12:00:00Z")
    network.close(JANUARY)

    assert code_of(lambda: put(network, FEBRUARY, model="pooled")) == "model_in_use"
    assert put(network, FEBRUARY, minimum_payout=9).model == "on_redemption"
    assert code_of(lambda: put(network, MARCH, model="pooled")) == "model_in_use"


def test_the_model_changes_when_all_points_have_been_used(network: NetworkForTests, card: str) -> None:
    network.tills["A"].accrue(card, 10000, occurred_at="2026-01-10T12:00:00Z")
    network.tills["B"].redeem(card, 100, occurred_at="2026-01-11T12:00:00Z")
    network.close(JANUARY)

    put(network, FEBRUARY, model="on_redemption")

    assert terms_in_force(network.tenant_id)[1].model == "on_redemption"


def test_terms_that_follow_take_a_new_model_over(network: NetworkForTests) -> None:
    put(network, MARCH, minimum_payout=7)

    put(network, JANUARY, model="on_redemption")

    newest = {row.from_month: row for row in list_terms(network.tenant_id)}
    assert (newest[MARCH].model, newest[MARCH].minimum_payout, newest[MARCH].version) == ("on_redemption", 7, 2)


def test_a_month_is_postponed_whole_and_its_history_says_by_whom(network: NetworkForTests) -> None:
    network.close(JANUARY)
    before = get_window(network.tenant_id, JANUARY)

    window = postpone(network.tenant_id, JANUARY, 5, "ana", "late answers")

    for name in ("dispute_until", "approve_by", "collect_on", "pay_on"):
        assert (getattr(window, name) - getattr(before, name)).days == 5
    with unit_of_work(network.tenant_id) as session:
        change = history(session, window.window_id)[-1]
    assert (change.from_state, change.to_state, change.changed_by) == ("closed", "closed", "ana")
    assert change.reason == "postponed by 5 days: late answers"


@pytest.mark.parametrize("days", [-1, 0, 91])
def test_a_month_is_never_brought_forward(network: NetworkForTests, days: int) -> None:
    network.close(JANUARY)

    assert code_of(lambda: postpone(network.tenant_id, JANUARY, days, "ana")) == "invalid_days"


@pytest.mark.parametrize("reason", [" ", "no\0", "two\nlines"])
def test_a_reason_of_a_postponement_is_a_line_of_text(network: NetworkForTests, reason: str) -> None:
    network.close(JANUARY)

    assert code_of(lambda: postpone(network.tenant_id, JANUARY, 5, "ana", reason)) == "invalid_reason"


def test_only_a_closed_month_that_is_not_approved_is_postponed(network: NetworkForTests) -> None:
    assert code_of(lambda: postpone(network.tenant_id, JANUARY, 5, "ana")) == "window_unknown"
    network.settle(JANUARY)
    assert code_of(lambda: postpone(network.tenant_id, JANUARY, 5, "ana")) == "settlement_approved"


def test_stores_dispute_for_longer_when_a_month_is_postponed(network: NetworkForTests) -> None:
    network.propose(JANUARY)
    with unit_of_work(network.tenant_id):
        today = today_in(network.tenant_id)
    window = get_window(network.tenant_id, JANUARY)
    while window.dispute_until < today:
        window = postpone(network.tenant_id, JANUARY, min((today - window.dispute_until).days, 90), "ana")

    refused = code_of(lambda: approve(network.tenant_id, JANUARY, network.person(APPROVER)))

    assert refused == "disputes_possible"


def test_what_is_too_little_is_carried_over_three_months_and_then_paid(network: NetworkForTests, card: str) -> None:
    put(network, JANUARY, minimum_payout=100)
    network.tills["A"].accrue(card, 100_000, occurred_at="2026-01-02T12:00:00Z")
    paid = []
    for month, points in ((JANUARY, 40), (FEBRUARY, 30), (MARCH, 50)):
        network.tills["B"].redeem(card, points, occurred_at=f"{month:%Y-%m}-15T12:00:00Z")
        document = network.settle(month)
        position = document.stores[1].position
        paid.append((position.opening, position.carried_forward, position.net))

    assert paid == [(0, 40, 0), (-40, 70, 0), (-70, 0, -120)]


OPENINGS = [
    ("2025-06-01T12:00:00Z", None, True),
    ("2026-01-31T22:59:00Z", None, True),
    ("2026-01-31T23:00:00Z", None, False),
    ("2025-06-01T12:00:00Z", "2026-01-01T00:00:00Z", True),
    ("2025-06-01T12:00:00Z", "2025-12-31T23:00:00Z", True),
    ("2025-06-01T12:00:00Z", "2025-12-31T22:59:00Z", False),
]


@pytest.mark.parametrize(("made", "closed", "is_open"), OPENINGS)
def test_a_store_is_open_in_a_month_by_the_days_of_its_network(made: str, closed: str | None, is_open: bool) -> None:
    closed_at = None if closed is None else datetime.fromisoformat(closed)
    store = Store(store_id=UUID(int=1), created_at=datetime.fromisoformat(made), closed_at=closed_at)

    assert open_stores([store], JANUARY, "Europe/Berlin") == ([store.store_id] if is_open else [])


def a_monthly_fee(network: NetworkForTests) -> None:
    set_fee(network.tenant_id, "f", "month", Decimal(5), Decimal(0), JANUARY, "ana")


def test_a_store_made_after_the_month_owes_the_monthly_fee_if_it_has_points_in_it(
    network: NetworkForTests, card: str
) -> None:
    """As when the books of a past month are imported."""
    a_monthly_fee(network)
    network.tills["A"].accrue(card, 100_000, occurred_at="2026-01-02T12:00:00Z")

    document = network.propose(JANUARY)

    codes = document.codes()
    assert [codes[line.payer_id] for line in document.lines if line.kind == "fee"] == ["A"]


def test_a_store_that_is_added_or_closed_later_changes_no_settlement(network: NetworkForTests) -> None:
    a_monthly_fee(network)
    network.propose(JANUARY)

    network.add_till("D")
    close_store(network.tenant_id, "B")

    approve(network.tenant_id, JANUARY, network.person(APPROVER))


def test_a_store_is_closed_once(network: NetworkForTests) -> None:
    close_store(network.tenant_id, "B")
    first = find_store(network.tenant_id, "B").closed_at
    close_store(network.tenant_id, "B")

    assert first is not None
    assert find_store(network.tenant_id, "B").closed_at == first
