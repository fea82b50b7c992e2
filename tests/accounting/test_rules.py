from __future__ import annotations

from datetime import date
from uuid import UUID

import pytest
from apiflask import APIFlask
from hypothesis import given
from sqlalchemy import text

from settlement.accounting.accounts import OF_KIND, OF_REASON
from settlement.accounting.carrying import PointsOfMonth
from settlement.accounting.rules import (
    Entry,
    LegChange,
    LostDispute,
    SettlementToPost,
    dispute_entries,
    entries_of,
    payment_entries,
)
from settlement.proposals.rules import (
    ADJUSTMENT,
    BILATERAL,
    BORNE,
    CARRIED_FORWARD,
    DISPUTE_ACCEPTED,
    DISPUTED,
    FEE,
    FUNDING,
    KINDS,
    MARGIN,
    OPENING_BALANCE,
    REDEMPTION,
    TAX,
    Line,
    nets_of,
)
from tenants.foundation.database import db
from tests.accounting.settlements import (
    HEAD_OFFICE,
    JANUARY,
    NO_POINTS,
    PARTIES,
    A,
    B,
    C,
    line,
    settlement_of,
    settlements,
)

RECEIVABLE, PAYABLE = "Assets:Receivables:NORTH", "Liabilities:Payables:NORTH"
ADJUSTED = UUID(int=77)


def sums(entries: list[Entry]) -> dict[str, int]:
    found: dict[str, int] = {}
    for entry in entries:
        for posting in entry.postings:
            found[posting.account] = found.get(posting.account, 0) + posting.amount
    return {account: amount for account, amount in found.items() if amount}


CASES = [
    (line(FUNDING, A, HEAD_OFFICE, 5), {RECEIVABLE: 5, "Liabilities:DeferredRevenue": -5}),
    (line(FUNDING, A, HEAD_OFFICE, -5), {PAYABLE: -5, "Liabilities:DeferredRevenue": 5}),
    (
        line(FUNDING, HEAD_OFFICE, HEAD_OFFICE, 5),
        {"Expenses:Marketing:HeadOfficePoints": 5, "Liabilities:DeferredRevenue": -5},
    ),
    (line(REDEMPTION, HEAD_OFFICE, A, 5), {"Liabilities:DeferredRevenue": 5, PAYABLE: -5}),
    (line(BILATERAL, A, B, 5), {RECEIVABLE: 5, "Liabilities:Payables:SOUTH": -5}),
    (line(BILATERAL, B, C, 5), {"Assets:Receivables:SOUTH": 5, "Liabilities:Payables:SOUTH": -5}),
    (line(BILATERAL, HEAD_OFFICE, A, 5), {"Expenses:Marketing:HeadOfficePoints": 5, PAYABLE: -5}),
    (line(MARGIN, A, HEAD_OFFICE, 5), {RECEIVABLE: 5, "Income:Margin": -5}),
    (line(MARGIN, A, HEAD_OFFICE, -5), {PAYABLE: -5, "Income:Margin": 5}),
    (line(BORNE, A, B, 5), {RECEIVABLE: 5, "Liabilities:Payables:SOUTH": -5}),
    (line(BORNE, A, HEAD_OFFICE, 5), {RECEIVABLE: 5, "Expenses:Marketing:HeadOfficePoints": -5}),
    (line(FEE, A, HEAD_OFFICE, 5), {RECEIVABLE: 5, "Income:Fees": -5}),
    (line(TAX, A, HEAD_OFFICE, 5), {RECEIVABLE: 5, "Liabilities:Tax": -5}),
    (line(OPENING_BALANCE, HEAD_OFFICE, A, 5), {"Liabilities:CarriedForward": 5, PAYABLE: -5}),
    (line(CARRIED_FORWARD, A, HEAD_OFFICE, 5), {RECEIVABLE: 5, "Liabilities:CarriedForward": -5}),
    (line(DISPUTED, A, HEAD_OFFICE, -5, note=FUNDING), {PAYABLE: -5, "Liabilities:Suspense": 5}),
    (line(DISPUTED, A, B, -5, note=BILATERAL), {PAYABLE: -5, "Assets:Receivables:SOUTH": 5}),
    (line(DISPUTE_ACCEPTED, A, HEAD_OFFICE, -5, note=FEE), {PAYABLE: -5, "Income:Fees": 5}),
    (line(DISPUTE_ACCEPTED, A, HEAD_OFFICE, -5, note=TAX), {PAYABLE: -5, "Liabilities:Tax": 5}),
    (line(DISPUTE_ACCEPTED, A, HEAD_OFFICE, -5, note=FUNDING), {PAYABLE: -5, "Expenses:Disputes": 5}),
    (line(DISPUTE_ACCEPTED, HEAD_OFFICE, A, -5, note=REDEMPTION), {RECEIVABLE: 5, "Expenses:Disputes": -5}),
    (line(DISPUTE_ACCEPTED, A, HEAD_OFFICE, -5, note=ADJUSTMENT), {PAYABLE: -5, "Expenses:Disputes": 5}),
]


@pytest.mark.parametrize(("one", "expected"), CASES, ids=lambda case: getattr(case, "kind", ""))
def test_each_kind_of_line_has_its_accounts(one: Line, expected: dict[str, int]) -> None:
    assert sums(entries_of(settlement_of([one]), "hq")) == expected


def test_every_kind_of_line_has_been_tried() -> None:
    assert {one.kind for one, _ in CASES} == set(KINDS) - {ADJUSTMENT}
    assert OF_KIND.keys() == set(KINDS) - {ADJUSTMENT, DISPUTED, DISPUTE_ACCEPTED}


@pytest.mark.parametrize(
    ("reason", "account"),
    [
        ("correction", "Expenses:Adjustments:Corrections"),
        ("goodwill", "Expenses:Adjustments:Goodwill"),
        ("compensation", "Expenses:Adjustments:Compensation"),
        ("penalty", "Income:Penalties"),
        ("dispute_released", "Liabilities:Suspense"),
        ("leg_carried", "Liabilities:CarriedForward"),
    ],
)
def test_an_adjustment_is_booked_by_its_reason(reason: str, account: str) -> None:
    lines = [line(ADJUSTMENT, HEAD_OFFICE, A, 5, reference=ADJUSTED)]

    assert sums(entries_of(settlement_of(lines, {ADJUSTED: reason}), "hq")) == {account: 5, PAYABLE: -5}


def test_every_reason_that_the_database_takes_has_an_account(context: APIFlask) -> None:
    checks = db.session.scalars(
        text(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint "
            "WHERE conrelid = 'settlement.adjustments'::regclass AND contype = 'c'"
        )
    ).all()
    db.session.rollback()
    [reasons] = [check for check in checks if "goodwill" in check]

    assert set(reasons.split("'")[1::2]) == set(OF_REASON)


POINTS = PointsOfMonth(opening=100, closing=60, breakage=7, margin=20, rate_differences=-3, rounding=1)


@pytest.mark.parametrize(("breakage_to", "earned"), [("hq", "Income:Breakage"), ("members", "Liabilities:Breakage")])
def test_points_are_booked_by_what_became_of_them(breakage_to: str, earned: str) -> None:
    entries = entries_of(settlement_of([], points=POINTS), breakage_to)

    assert [(entry.number, entry.narration) for entry in entries] == [
        ("2026-01-0001", "Points expired in 2026-01"),
        ("2026-01-0002", "Points used in 2026-01"),
    ]
    assert sums(entries) == {
        "Liabilities:DeferredRevenue": 25,
        earned: -7,
        "Income:Margin": -20,
        "Income:RateDifferences": 3,
        "Income:Rounding": -1,
    }


def test_a_store_that_remits_has_its_lines_in_receivables_and_one_that_receives_in_payables() -> None:
    lines = [
        line(FUNDING, B, HEAD_OFFICE, 50),
        line(REDEMPTION, HEAD_OFFICE, B, 20),
        line(FUNDING, C, HEAD_OFFICE, 10),
        line(REDEMPTION, HEAD_OFFICE, C, 90),
    ]

    found = sums(entries_of(settlement_of(lines), "hq"))

    assert found == {
        "Assets:Receivables:SOUTH": 30,
        "Liabilities:Payables:SOUTH": -80,
        "Liabilities:DeferredRevenue": 50,
    }


def test_what_comes_to_nothing_is_not_booked() -> None:
    assert entries_of(settlement_of([line(FUNDING, A, HEAD_OFFICE, 0)]), "hq") == []


@given(settlements())
def test_every_entry_balances_and_each_participant_owes_the_sum_of_its_legs(settlement: SettlementToPost) -> None:
    entries = entries_of(settlement, "hq")

    assert all(entry.balance == 0 and entry.postings for entry in entries)
    assert [entry.number for entry in entries] == [f"2026-01-{n:04}" for n in range(1, len(entries) + 1)]
    found = sums(entries)
    assert "Liabilities:Clearing" not in found
    legs = {store_id: net for store_id, net in nets_of(settlement.lines).items() if store_id in PARTIES}
    for owner in ("NORTH", "SOUTH"):
        own = [net for store_id, net in legs.items() if PARTIES[store_id].participant == owner]
        assert found.get(f"Assets:Receivables:{owner}", 0) == sum(net for net in own if net > 0)
        assert found.get(f"Liabilities:Payables:{owner}", 0) == sum(net for net in own if net < 0)


@given(settlements())
def test_the_same_settlement_gives_the_same_entries(settlement: SettlementToPost) -> None:
    assert entries_of(settlement, "hq") == entries_of(settlement, "hq")


DAY = date(2026, 2, 15)


def change(from_state: str, to_state: str, amount: int) -> LegChange:
    return LegChange("leg_x", 3, DAY, JANUARY, from_state, to_state, amount, PARTIES[A])


@pytest.mark.parametrize(
    ("from_state", "to_state", "amount", "expected"),
    [
        ("none", "pending", 5, {}),
        ("pending", "instructed", 5, {}),
        ("instructed", "confirmed", 5, {"Assets:Bank": 5, RECEIVABLE: -5}),
        ("instructed", "confirmed", -5, {"Assets:Bank": -5, PAYABLE: 5}),
        ("instructed", "failed", 5, {}),
        ("confirmed", "failed", 5, {"Assets:Bank": -5, RECEIVABLE: 5}),
        ("confirmed", "failed", -5, {"Assets:Bank": 5, PAYABLE: -5}),
        ("failed", "pending", 5, {}),
        ("failed", "confirmed", 5, {"Assets:Bank": 5, RECEIVABLE: -5}),
        ("failed", "carried", 5, {"Liabilities:CarriedForward": 5, RECEIVABLE: -5}),
        ("failed", "carried", -5, {"Liabilities:CarriedForward": -5, PAYABLE: 5}),
    ],
)
def test_each_step_of_a_payment(from_state: str, to_state: str, amount: int, expected: dict[str, int]) -> None:
    entries = list(payment_entries([change(from_state, to_state, amount)]))

    assert sums(entries) == expected
    assert [(entry.number, entry.day, entry.balance) for entry in entries] == [("leg_x-3", DAY, 0)][: bool(expected)]


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        (line(DISPUTED, A, HEAD_OFFICE, -5, note=FEE), {"Income:Fees": 5}),
        (line(DISPUTED, A, HEAD_OFFICE, -5, note=FUNDING), {"Expenses:Disputes": 5}),
        (line(DISPUTED, HEAD_OFFICE, A, -5, note=ADJUSTMENT), {"Expenses:Disputes": -5}),
        (line(DISPUTED, A, B, -5, note=BILATERAL), {}),
    ],
)
def test_a_dispute_that_is_accepted_late_leaves_nothing_in_suspense(held: Line, expected: dict[str, int]) -> None:
    settled = entries_of(settlement_of([held]), "hq")
    decided = list(dispute_entries([LostDispute("dsp_x", DAY, held, PARTIES[A])], HEAD_OFFICE))

    own = {name: amount for name, amount in sums([*settled, *decided]).items() if not name.endswith("TH")}
    assert own == expected


def test_no_points_leave_no_entry() -> None:
    assert entries_of(settlement_of([], points=NO_POINTS), "hq") == []
