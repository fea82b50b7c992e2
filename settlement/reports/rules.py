"""What netting saves, how long unpaid legs have been due, and how a month compares with the one before.

Money is in integer minor units, points are integers, shares are `Decimal`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal

from settlement.legs.rules import direction_of
from tenants.foundation.money import round_half_even

# What a payer owes a payee, in minor units: (payer, payee) -> amount. Parties are texts, as a month has tens of
# thousands of pairs, and looking up UUIDs takes ten times as long.
Obligations = Mapping[tuple[str, str], int]
# (issuer, redeemer) -> points.
PointFlows = Mapping[tuple[str, str], int]

NOTHING = Decimal(0)
SHARE_DECIMALS = Decimal("0.0001")

# The last day past due of each bucket; beyond the last begins the one that has no end.
NOT_DUE, OLDEST = "not_due", "over_90"
BUCKET_ENDS = {NOT_DUE: 0, "days_1_30": 30, "days_31_60": 60, "days_61_90": 90}
BUCKETS = (*BUCKET_ENDS, OLDEST)


@dataclass(frozen=True)
class Efficiency:
    """What is owed for points of others, in minor units, and in how many payments, if it were paid one by one
    (`gross`), each two parties only their difference (`bilateral`), each party only its net (`multilateral`)."""

    gross: int = 0
    bilateral: int = 0
    multilateral: int = 0
    gross_payments: int = 0
    bilateral_payments: int = 0
    multilateral_payments: int = 0

    @property
    def bilateral_saved(self) -> Decimal | None:
        """The share of gross that need not be paid; None where nothing is owed."""
        return share_saved(self.gross, self.bilateral)

    @property
    def multilateral_saved(self) -> Decimal | None:
        return share_saved(self.gross, self.multilateral)


def share_saved(gross: int, paid: int) -> Decimal | None:
    return rounded_share(Decimal(gross - paid), gross) if gross else None


def rounded_share(part: Decimal, whole: int) -> Decimal:
    return (part / whole).quantize(SHARE_DECIMALS, ROUND_HALF_EVEN)


def efficiency_of(obligations: Obligations, agent: str | None = None) -> Efficiency:
    """`agent` is who everybody pays or is paid by in multilateral netting; what it nets makes no payment more.

    A party's obligation to itself counts nowhere, and less than nothing is owed the other way.
    """
    owed = one_way(obligations)
    pairs: dict[tuple[str, str], int] = {}
    nets: dict[str, int] = {}
    for (payer, payee), amount in owed.items():
        pair, difference = ((payer, payee), amount) if payer < payee else ((payee, payer), -amount)
        pairs[pair] = pairs.get(pair, 0) + difference
        nets[payer] = nets.get(payer, 0) - amount
        nets[payee] = nets.get(payee, 0) + amount
    return Efficiency(
        gross=sum(owed.values()),
        bilateral=sum(map(abs, pairs.values())),
        multilateral=sum(net for net in nets.values() if net > 0),
        gross_payments=len(owed),
        bilateral_payments=sum(1 for difference in pairs.values() if difference),
        multilateral_payments=sum(1 for party, net in nets.items() if net and party != agent),
    )


def one_way(obligations: Obligations) -> dict[tuple[str, str], int]:
    """Without zeros; every amount positive."""
    owed: dict[tuple[str, str], int] = {}
    for (payer, payee), amount in obligations.items():
        if amount and payer != payee:
            pair = (payer, payee) if amount > 0 else (payee, payer)
            owed[pair] = owed.get(pair, 0) + abs(amount)
    return owed


def pooled_obligations(flows: PointFlows, rates: Mapping[str, Decimal]) -> dict[tuple[str, str], int]:
    """What the issuer of points would owe the store that recovered them, if head office did not stand between them.

    Each flow at what its redeemer is paid for a point, rounded once. A store that is paid for nothing, on the whole,
    is owed nothing.
    """
    return {
        (issuer, redeemer): round_half_even(points * rates.get(redeemer, NOTHING))
        for (issuer, redeemer), points in flows.items()
        if issuer != redeemer
    }


def mean_rates(paid: Iterable[tuple[str, int, Decimal]]) -> dict[str, Decimal]:
    """What each redeemer was paid for a point, from (redeemer, points, rate): where its rate changed, the mean.

    The flows do not say on which day of the month they were.
    """
    points: dict[str, int] = {}
    amounts: dict[str, Decimal] = {}
    for redeemer, quantity, rate in paid:
        points[redeemer] = points.get(redeemer, 0) + abs(quantity)
        amounts[redeemer] = amounts.get(redeemer, NOTHING) + abs(quantity) * rate
    return {redeemer: amounts[redeemer] / count for redeemer, count in points.items() if count}


@dataclass(frozen=True)
class UnpaidLeg:
    """A leg that is not confirmed. `amount` (minor units): positive the store remits, negative it receives."""

    month: date
    store_code: str
    store_name: str
    participant_name: str
    amount: int
    due_on: date
    state: str

    @property
    def direction(self) -> str:
        return direction_of(self.amount)

    def days_past_due(self, as_of: date) -> int:
        """Zero on the day it is due, negative before."""
        return (as_of - self.due_on).days

    def bucket(self, as_of: date) -> str:
        return bucket_of(self.days_past_due(as_of))


def bucket_of(days_past_due: int) -> str:
    """A leg can still be paid in time on the day that it is due."""
    return next((bucket for bucket, end in BUCKET_ENDS.items() if days_past_due <= end), OLDEST)


@dataclass(frozen=True)
class AgedStore:
    """What a store has not paid (collections) or been paid (payouts), by how long it has been due: `amounts` are
    minor units, positive, one for each of BUCKETS."""

    store_code: str
    store_name: str
    participant_name: str
    amounts: tuple[int, ...]

    @property
    def total(self) -> int:
        return sum(self.amounts)


def aged_stores(legs: Iterable[UnpaidLeg], direction: str, as_of: date) -> list[AgedStore]:
    """By code."""
    names: dict[str, tuple[str, str]] = {}
    amounts: dict[str, list[int]] = {}
    for leg in legs:
        if leg.direction == direction:
            names[leg.store_code] = leg.store_name, leg.participant_name
            of_store = amounts.setdefault(leg.store_code, [0] * len(BUCKETS))
            of_store[BUCKETS.index(leg.bucket(as_of))] += abs(leg.amount)
    return [AgedStore(code, *names[code], tuple(amounts[code])) for code in sorted(amounts)]


def bucket_totals(stores: Iterable[AgedStore]) -> tuple[int, ...]:
    return tuple(map(sum, zip((0,) * len(BUCKETS), *(store.amounts for store in stores), strict=True)))


@dataclass(frozen=True)
class MonthFigures:
    """A month in points and, once it is proposed, in money (minor units).

    `collections` and `payouts` are what stores remit and receive, both positive; `fees` are without tax; a negative
    `hq_net` is what head office keeps.
    """

    month: date
    state: str | None
    version: int | None
    issued: int
    recovered: int
    expired: int
    outstanding: int
    collections: int | None = None
    payouts: int | None = None
    fees: int | None = None
    hq_net: int | None = None
    efficiency: Efficiency | None = None

    @property
    def saved(self) -> Decimal | None:
        """The share of gross that multilateral netting saves."""
        return None if self.efficiency is None else self.efficiency.multilateral_saved


POINT_FIGURES = ("issued", "recovered", "expired", "outstanding")
MONEY_FIGURES = ("collections", "payouts", "fees", "hq_net")


@dataclass(frozen=True)
class Change:
    """Against the month before. `share` is of the absolute value then; None where that was zero."""

    absolute: int
    share: Decimal | None


@dataclass(frozen=True)
class ComparedMonth:
    """`changes` by figure: those that this month and the one before it both have."""

    figures: MonthFigures
    changes: Mapping[str, Change]


def compare(months: Sequence[MonthFigures]) -> list[ComparedMonth]:
    """`months` follow each other, oldest first; the first has nothing to be compared with."""
    befores = [None, *months]
    return [ComparedMonth(now, changes_between(before, now)) for before, now in zip(befores, months, strict=False)]


def changes_between(before: MonthFigures | None, now: MonthFigures) -> dict[str, Change]:
    if before is None:
        return {}
    changes = {}
    for name in (*POINT_FIGURES, *MONEY_FIGURES):
        was, become = getattr(before, name), getattr(now, name)
        if was is not None and become is not None:
            changes[name] = change_of(was, become)
    return changes


def change_of(before: int, now: int) -> Change:
    share = rounded_share(Decimal(now - before), abs(before)) if before else None
    return Change(now - before, share)
