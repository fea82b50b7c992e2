from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearinghouse.dayclose.rules import (
    ENTRY_KINDS,
    GROUPS,
    Entry,
    Total,
    compare_entries,
    name_as_ledger,
    status_of,
    totals_of,
)

XFR = "xfr_01h455vb4pex5vsknk084sn02q"
OTHER = "xfr_01h455vb4pex5vsknk084sn02r"


def sale(order_ref: str | None, points: int = 10, amount: int = 1000, transfer_id: str | None = None) -> Entry:
    return Entry("accrual", order_ref, transfer_id, points, amount)


def spent(order_ref: str | None, points: int = 10, amount: int = 10, transfer_id: str | None = None) -> Entry:
    return Entry("redemption", order_ref, transfer_id, points, amount)


def returned(order_ref: str | None, points: int = 10, amount: int = 1000, transfer_id: str | None = None) -> Entry:
    return Entry("reversal", order_ref, transfer_id, points, amount)


# The till's entries, the ledger's, and the pairs that differ, in the order in which they are told.
COMPARISONS: list[tuple[list[Entry], list[Entry], list[tuple[Entry | None, Entry | None]]]] = [
    ([], [], []),
    ([sale("1")], [sale("1", transfer_id=XFR)], []),
    ([sale("1"), sale("2")], [sale("2"), sale("1")], []),
    ([sale("1")], [], [(sale("1"), None)]),
    ([], [sale("1")], [(None, sale("1"))]),
    ([sale("2"), sale("1")], [], [(sale("1"), None), (sale("2"), None)]),
    ([sale("1", points=9)], [sale("1")], [(sale("1", points=9), sale("1"))]),
    ([sale("1", amount=9)], [sale("1")], [(sale("1", amount=9), sale("1"))]),
    ([sale("1")], [sale("2")], [(sale("1"), None), (None, sale("2"))]),
    ([sale("1"), spent("1")], [sale("1"), spent("1")], []),
    ([sale("1")], [spent("1")], [(sale("1"), None), (None, spent("1"))]),
    ([sale("1"), sale("1")], [sale("1")], [(sale("1"), None)]),
    ([returned("1", 5), returned("1", 7)], [returned("1", 7), returned("1", 5)], []),
    ([returned("1", 5), returned("1", 7)], [returned("1", 7)], [(returned("1", 5), None)]),
    (
        [returned("1", 5), returned("1", 7)],
        [returned("1", 7), returned("1", 6)],
        [(returned("1", 5), returned("1", 6))],
    ),
    ([returned(None, transfer_id=XFR)], [returned(None, transfer_id=XFR)], []),
    (
        [returned(None, transfer_id=XFR)],
        [returned(None, transfer_id=OTHER)],
        [(returned(None, transfer_id=XFR), None), (None, returned(None, transfer_id=OTHER))],
    ),
]


@pytest.mark.parametrize(("till", "ledger", "pairs"), COMPARISONS)
def test_orders_that_differ_are_told_with_both_sides(
    till: list[Entry], ledger: list[Entry], pairs: list[tuple[Entry | None, Entry | None]]
) -> None:
    assert [(difference.till, difference.ledger) for difference in compare_entries(till, ledger)] == pairs


def test_a_difference_is_named_by_order_and_by_transfer_where_the_ledger_knows_both() -> None:
    [difference] = compare_entries([sale("1", points=9)], [sale("1", transfer_id=XFR)])

    assert (difference.kind, difference.order_ref, difference.transfer_id) == ("accrual", "1", XFR)


entries = st.lists(
    st.builds(
        Entry,
        st.sampled_from(sorted(GROUPS.values())),
        st.sampled_from("12345"),
        st.none(),
        st.integers(0, 3),
        st.integers(0, 3),
    ),
    max_size=12,
)


@given(entries, entries)
def test_what_differs_is_what_the_totals_differ_by(till: list[Entry], ledger: list[Entry]) -> None:
    differences = compare_entries(till, ledger)
    only_till = totals_of(d.till for d in differences if d.till)
    only_ledger = totals_of(d.ledger for d in differences if d.ledger)

    for group, total in totals_of(till).items():
        for figure, value in vars(total).items():
            more = vars(only_till[group])[figure] - vars(only_ledger[group])[figure]
            assert value - vars(totals_of(ledger)[group])[figure] == more
    assert (differences == []) is (sorted(till) == sorted(ledger))


@given(entries, entries)
def test_both_sides_see_the_same_differences(till: list[Entry], ledger: list[Entry]) -> None:
    there = compare_entries(till, ledger)
    back = compare_entries(ledger, till)

    assert [(d.till, d.ledger) for d in there] == [(d.ledger, d.till) for d in back]


def test_an_entry_that_names_a_transfer_gets_the_order_that_the_ledger_has_for_it() -> None:
    ledger = [returned("R-1", transfer_id=XFR)]

    assert name_as_ledger([returned(None, transfer_id=XFR)], ledger) == ledger
    assert name_as_ledger([returned("R-1")], ledger) == [returned("R-1")]
    assert name_as_ledger([returned(None, transfer_id=OTHER)], ledger) == [returned(None, transfer_id=OTHER)]


def test_totals_count_each_kind_by_itself() -> None:
    assert totals_of([sale("1", 1, 100), sale("2", 2, 200), spent("3", 5, 50)]) == {
        "accruals": Total(2, 3, 300),
        "redemptions": Total(1, 5, 50),
        "reversals": Total(0, 0, 0),
    }


@pytest.mark.parametrize(
    ("transfer_kind", "entry_kind"),
    [
        ("accrual", "accrual"),
        ("redemption", "redemption"),
        ("capture", "redemption"),
        ("accrual_reversal", "reversal"),
        ("redemption_reversal", "reversal"),
        ("expiry", None),
        ("hold", None),
        ("void", None),
        ("hold_expiry", None),
    ],
)
def test_only_what_a_till_counts_is_compared(transfer_kind: str, entry_kind: str | None) -> None:
    assert ENTRY_KINDS.get(transfer_kind) == entry_kind


ONE, TWO = totals_of([sale("1")]), totals_of([sale("1"), sale("2")])
DIFFERENCE = compare_entries([sale("1")], [sale("2")])

STATUSES = [
    (ONE, ONE, [], 1, None, "matched"),
    (ONE, TWO, [], 1, None, "differing"),
    (ONE, ONE, DIFFERENCE, 1, None, "differing"),
    (ONE, TWO, [], 1, (1, 2), "accepted"),
    (ONE, TWO, [], 2, (1, 2), "differing"),
    (ONE, TWO, [], 1, (1, 1), "differing"),
    (TWO, ONE, [], 1, (1, 1), "accepted"),
    (ONE, ONE, [], 2, (1, 1), "matched"),
    (None, ONE, [], 0, None, "missing"),
    (None, ONE, [], 0, (0, 1), "accepted"),
    (None, TWO, [], 0, (0, 1), "missing"),
]


@pytest.mark.parametrize(("till", "ledger", "differences", "attempt", "accepted", "status"), STATUSES)
def test_an_acceptance_holds_for_the_close_and_the_ledger_that_were_looked_at(
    till, ledger, differences, attempt, accepted, status
) -> None:
    assert status_of(till, ledger, differences, attempt, accepted) == status
