"""A till's day against the ledger's: totals first, then order by order.

Points and money (minor units) are integers and never negative: the kind of an entry tells which way they go.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import NamedTuple

ACCRUAL, REDEMPTION, REVERSAL = "accrual", "redemption", "reversal"

# The one place that says which transfers a till counts, and as what. Of the others (holds and their end without
# a capture, expiry) a till's totals say nothing.
ENTRY_KINDS = {
    "accrual": ACCRUAL,
    "redemption": REDEMPTION,
    "capture": REDEMPTION,
    "accrual_reversal": REVERSAL,
    "redemption_reversal": REVERSAL,
}
# The totals of a day: for each kind of entry how many there were, their points and their amounts.
GROUPS = {"accruals": ACCRUAL, "redemptions": REDEMPTION, "reversals": REVERSAL}
FIGURES = ("count", "points", "amount")

MATCHED, DIFFERING, ACCEPTED, MISSING = "matched", "differing", "accepted", "missing"
STATUSES = (MATCHED, DIFFERING, ACCEPTED, MISSING)
# What somebody still has to look at.
OPEN_STATUSES = (DIFFERING, MISSING)


class Entry(NamedTuple):
    """One order of a day. `transfer_id` is as people see it; the till may name an order by it instead."""

    kind: str
    order_ref: str | None
    transfer_id: str | None
    points: int
    amount: int


@dataclass(frozen=True)
class Total:
    count: int
    points: int
    amount: int


Totals = dict[str, Total]


@dataclass(frozen=True)
class Difference:
    """An order on which till and ledger disagree; one that a side does not have is None there."""

    kind: str
    order_ref: str | None
    transfer_id: str | None
    till: Entry | None
    ledger: Entry | None


def totals_of(entries: Iterable[Entry]) -> Totals:
    sums = {kind: [0, 0, 0] for kind in GROUPS.values()}
    for entry in entries:
        total = sums[entry.kind]
        total[0] += 1
        total[1] += entry.points
        total[2] += entry.amount
    return {group: Total(*sums[kind]) for group, kind in GROUPS.items()}


def count_of(totals: Totals) -> int:
    return sum(total.count for total in totals.values())


def name_as_ledger(till: Sequence[Entry], ledger: Iterable[Entry]) -> list[Entry]:
    """The till's entries, those that it named by a transfer also by the order that the ledger has for it."""
    order_refs = {entry.transfer_id: entry.order_ref for entry in ledger}
    return [
        entry if entry.transfer_id is None else entry._replace(order_ref=order_refs.get(entry.transfer_id))
        for entry in till
    ]


def compare_entries(till: Iterable[Entry], ledger: Iterable[Entry]) -> list[Difference]:
    """By order. The till's entries are named as the ledger's.

    An order may have more than one entry of a kind: the reversals of its accrual and of its redemption. Those that
    agree cancel each other; what is left is told side by side.
    """
    sides: dict[tuple[str, str], tuple[list[Entry], list[Entry]]] = defaultdict(lambda: ([], []))
    for place, entries in enumerate((till, ledger)):
        for entry in entries:
            sides[entry.order_ref or entry.transfer_id or "", entry.kind][place].append(entry)
    return [
        difference_of(left, right)
        for _, (ours, theirs) in sorted(sides.items())
        for left, right in zip_longest(without(ours, theirs), without(theirs, ours))
    ]


def without(entries: Sequence[Entry], others: Sequence[Entry]) -> list[Entry]:
    """Those of `entries` that have none of the same value among `others`, each of which cancels one."""
    left = Counter((entry.points, entry.amount) for entry in others)
    remaining = []
    for entry in sorted(entries, key=lambda entry: (entry.points, entry.amount)):
        left[entry.points, entry.amount] -= 1
        if left[entry.points, entry.amount] < 0:
            remaining.append(entry)
    return remaining


def difference_of(till: Entry | None, ledger: Entry | None) -> Difference:
    named = ledger or till
    assert named is not None
    return Difference(named.kind, named.order_ref, named.transfer_id, till, ledger)


def status_of(
    till: Totals | None,
    ledger: Totals,
    differences: Sequence[Difference],
    attempt: int,
    accepted: tuple[int, int] | None,
) -> str:
    """`till` is None for a day that was never closed. `accepted` has the attempt, and the number of the ledger's
    transfers, that head office accepted last: a transfer never goes away, so one more is all that can change."""
    if till == ledger and not differences:
        return MATCHED
    if accepted == (attempt, count_of(ledger)):
        return ACCEPTED
    return MISSING if till is None else DIFFERING
