"""From points to money: every amount of a month, each as a line that says who owes it to whom.

Points are integers, money is in integer minor units of the network's currency, rates are `Decimal` minor units
per point. Head office is the network's own id. A line's amount is what its payer owes its payee (less than nothing
where more was taken back than given), so whatever the lines are, what all owe and are owed comes to zero.

Two models. `pooled`: a store funds the points it issues, head office keeps the money and pays the store that recovers
them. `on_redemption`: nothing is owed until points are used; then the store that issued them owes the store that
recovered them, at the latter's redemption rate, and head office the difference to its own funding rate. Points that
repay what a member owes are used up too: head office, which carries the debt, recovers them. So over the life of a
point the two models come to the same but for points that expire, which only the pooled model has a store pay for.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from settlement.adjustments.rules import Adjustment
from settlement.fees.rules import (
    MONTH,
    POINT_ISSUED,
    POINT_RECOVERED,
    TRANSFER,
    VOLUME,
    Fee,
    fees_by_participant,
    fees_on,
)
from settlement.netting.rules import StoreDay, StorePoints
from settlement.states.rules import ACCEPTED
from settlement.terms.rules import POOLED
from tenants.foundation.money import round_half_even
from tenants.foundation.months import last_day
from tenants.rates.rules import Rate, RateBook, rate_gap

OPENING_BALANCE = "opening_balance"
FUNDING, REDEMPTION = "funding", "redemption"
BILATERAL, MARGIN, BORNE = "bilateral", "margin", "borne"
FEE, TAX = "fee", "tax"
ADJUSTMENT = "adjustment"
DISPUTE_ACCEPTED, DISPUTED = "dispute_accepted", "disputed"
CARRIED_FORWARD = "carried_forward"
# In the order of a statement.
KINDS = (
    OPENING_BALANCE,
    FUNDING,
    REDEMPTION,
    BILATERAL,
    MARGIN,
    BORNE,
    FEE,
    TAX,
    ADJUSTMENT,
    DISPUTE_ACCEPTED,
    DISPUTED,
    CARRIED_FORWARD,
)
ORDER_OF_KIND = {kind: place for place, kind in enumerate(KINDS)}

REMIT, RECEIVE, NONE = "remit", "receive", "none"


@dataclass(frozen=True)
class Line:
    """`amount` (minor units) is what the payer owes the payee: `exact`, rounded half to even.

    `quantity` x `rate` is `exact` where there is one rate. `origin_month` is the month that it belongs to,
    `reference` the rate, fee, adjustment or dispute that it comes from.
    """

    kind: str
    payer_id: UUID
    payee_id: UUID
    exact: Decimal
    amount: int
    origin_month: date
    quantity: int | None = None
    rate: Decimal | None = None
    reference: UUID | None = None
    note: str = ""

    @property
    def key(self) -> str:
        """Names the line in every version of its month."""
        return f"{self.kind}/{self.payer_id}/{self.payee_id}/{self.reference or '-'}"

    def owed_by(self, store_id: UUID) -> int:
        """What the line has `store_id` pay; negative: receive."""
        if self.payer_id == self.payee_id:
            return 0
        return (self.payer_id == store_id) * self.amount - (self.payee_id == store_id) * self.amount


class Use(NamedTuple):
    """Points that `redeemer_id` recovered of those that `issuer_id` had issued, on `day` and on days after it until
    a rate changes. Head office recovers what repays a member's debt."""

    issuer_id: UUID
    redeemer_id: UUID
    day: date
    points: int


class Loss(NamedTuple):
    """Points that a return took back from `issuer_id` although they had been used, on days as those of a `Use`.

    `bearer_id` answers for them: the store that took the goods back, head office while the member owes them, or
    whoever had issued the points that the member gave for them.
    """

    issuer_id: UUID
    bearer_id: UUID
    day: date
    points: int


@dataclass(frozen=True)
class Activity:
    """A store's accruals and redemptions of a day, and the amounts purchased less those returned, in minor units."""

    store_id: UUID
    day: date
    transfers: int
    volume: int


@dataclass(frozen=True)
class Dispute:
    """`amount` of the line named by `line_key`, in the line's own direction. `state` opened or accepted."""

    dispute_id: UUID
    line_key: str
    amount: int
    state: str


@dataclass(frozen=True)
class Month:
    """All that a month's lines are made of. `participants` is by store, `open_stores` are those that were there in
    the month whether or not anything happened in them, `closed_stores` those that were closed before it began.
    `opening` is what head office owed each store already and did not pay because it was too little (minor units,
    positive)."""

    head_office_id: UUID
    month: date
    model: str
    minimum_payout: int
    participants: Mapping[UUID, UUID]
    days: Sequence[StoreDay]
    rates: RateBook
    uses: Sequence[Use] = ()
    borne: Sequence[Loss] = ()
    activity: Sequence[Activity] = ()
    fees: Sequence[Fee] = ()
    adjustments: Sequence[Adjustment] = ()
    disputes: Sequence[Dispute] = ()
    opening: Mapping[UUID, int] = field(default_factory=dict)
    open_stores: Collection[UUID] = ()
    closed_stores: Collection[UUID] = ()

    def rate_of(self, store_id: UUID, day: date) -> Rate:
        """Head office, which is no participant, has the network's rate."""
        return self.rates.on(self.participants.get(store_id), day)


def derive_lines(month: Month) -> list[Line]:
    """Every line of the month, in a fixed order. Raises `Conflict` when days lack a rate."""
    check_rates(month)
    lines = [
        *opening_lines(month),
        *(pooled_lines(month) if month.model == POOLED else on_redemption_lines(month)),
        *fee_lines(month),
        *adjustment_lines(month),
    ]
    lines += dispute_lines(month, lines)
    lines += carried_lines(month, lines)
    return sorted((line for line in lines if line.amount or line.exact or line.quantity), key=order_of)


def check_rates(month: Month) -> None:
    had = ((month.participants.get(day.store_id), day.day) for day in month.days)
    missing = days_without_rate(month.month, month.rates, had)
    if missing:
        raise rate_gap(missing)


def days_without_rate(month: date, rates: RateBook, had: Iterable[tuple[UUID | None, date]]) -> set[date]:
    """Every day of the month needs a rate of the network, and every day that a participant had points on one of its
    own or the network's: events of earlier months come late. `had` are these, with the participants."""
    of_month = ((None, month + timedelta(days=day)) for day in range(last_day(month).day))
    return {day for whose, day in {*of_month, *had} if rates.find(whose, day) is None}


def order_of(line: Line) -> tuple[int, int, int, int]:
    """No two lines of a month are the same in it, as in their keys."""
    return (
        ORDER_OF_KIND[line.kind],
        line.payer_id.int,
        line.payee_id.int,
        0 if line.reference is None else line.reference.int,
    )


def whole(kind: str, payer_id: UUID, payee_id: UUID, amount: int, origin_month: date, **more: object) -> Line:
    """A line of an amount that needs no rounding."""
    return Line(kind, payer_id, payee_id, Decimal(amount), amount, origin_month, **more)  # type: ignore[arg-type]


def opening_lines(month: Month) -> Iterable[Line]:
    for store_id, owed in month.opening.items():
        yield whole(OPENING_BALANCE, month.head_office_id, store_id, owed, month.month)


def pooled_lines(month: Month) -> Iterable[Line]:
    """Each store and rate is one line each way, rounded once."""
    funded: dict[tuple[UUID, Rate], int] = {}
    recovered: dict[tuple[UUID, Rate], int] = {}
    for day in month.days:
        key = day.store_id, month.rate_of(day.store_id, day.day)
        funded[key] = funded.get(key, 0) + day.issued + day.borne
        recovered[key] = recovered.get(key, 0) + day.recovered
    for (store_id, rate), points in funded.items():
        yield at_rate(FUNDING, store_id, month.head_office_id, points, rate.funding, rate, month.month)
    for (store_id, rate), points in recovered.items():
        yield at_rate(REDEMPTION, month.head_office_id, store_id, points, rate.redemption, rate, month.month)


def at_rate(kind: str, payer: UUID, payee: UUID, points: int, price: Decimal, rate: Rate, month: date) -> Line:
    exact = exactly(points, price)
    return Line(kind, payer, payee, exact, round_half_even(exact), month, points, price, rate.rate_id)


def exactly(quantity: int, price: Decimal) -> Decimal:
    """The product; nothing is 0, not the -0 that `Decimal` has too."""
    return quantity * price if quantity and price else Decimal(0)


def on_redemption_lines(month: Month) -> Iterable[Line]:
    owed: dict[tuple[UUID, UUID, Rate], int] = {}
    used: dict[tuple[UUID, Rate, Rate], int] = {}
    rates: dict[tuple[UUID, date], Rate] = {}

    def rate_of(store_id: UUID, day: date) -> Rate:
        key = store_id, day
        rate = rates.get(key)
        if rate is None:
            rate = rates[key] = month.rate_of(store_id, day)
        return rate

    for issuer_id, redeemer_id, day, points in month.uses:
        paid = rate_of(redeemer_id, day)
        pair = issuer_id, redeemer_id, paid
        owed[pair] = owed.get(pair, 0) + points
        charged = issuer_id, rate_of(issuer_id, day), paid
        used[charged] = used.get(charged, 0) + points
    for (issuer_id, redeemer_id, rate), points in owed.items():
        if issuer_id != redeemer_id:
            yield at_rate(BILATERAL, issuer_id, redeemer_id, points, rate.redemption, rate, month.month)
    yield from margin_lines(month, used)
    yield from borne_lines(month)


def margin_lines(month: Month, used: Mapping[tuple[UUID, Rate, Rate], int]) -> Iterable[Line]:
    """`used` is by issuer, its rate, and the rate at which the points were paid for."""
    margins: dict[tuple[UUID, Rate], tuple[int, Decimal]] = {}
    for (issuer_id, own, paid), points in used.items():
        counted, exact = margins.get((issuer_id, own), (0, Decimal(0)))
        more = exactly(points, own.funding - paid.redemption)
        margins[issuer_id, own] = counted + points, exact + more
    for (issuer_id, rate), (points, exact) in margins.items():
        if issuer_id != month.head_office_id:
            parties = issuer_id, month.head_office_id
            amount = round_half_even(exact)
            yield Line(MARGIN, *parties, exact, amount, month.month, quantity=points, reference=rate.rate_id)


def borne_lines(month: Month) -> Iterable[Line]:
    """Who had issued the points has paid its funding rate for their use; who bears them makes that good."""
    points: dict[tuple[UUID, UUID, Rate], int] = {}
    for loss in month.borne:
        if loss.issuer_id != loss.bearer_id:
            key = loss.bearer_id, loss.issuer_id, month.rate_of(loss.issuer_id, loss.day)
            points[key] = points.get(key, 0) + loss.points
    for (bearer_id, issuer_id, rate), borne in points.items():
        yield at_rate(BORNE, bearer_id, issuer_id, borne, rate.funding, rate, month.month)


def fee_lines(month: Month) -> Iterable[Line]:
    for fee, store_id, quantity in sorted(fee_quantities(month), key=lambda due: (str(due[0].fee_id), str(due[1]))):
        exact = exactly(quantity, fee.rate)
        amount = round_half_even(exact)
        common = {"origin_month": month.month, "reference": fee.fee_id, "note": fee.code}
        parties = store_id, month.head_office_id
        yield Line(FEE, *parties, exact, amount, quantity=quantity, rate=fee.rate, **common)  # type: ignore[arg-type]
        tax = exactly(amount, fee.tax_rate)
        yield Line(TAX, *parties, tax, round_half_even(tax), rate=fee.tax_rate, **common)  # type: ignore[arg-type]


def fee_quantities(month: Month) -> Iterable[tuple[Fee, UUID, int]]:
    """(fee, store, how many transfers or points, or how much volume, it is due for)."""
    due: dict[tuple[Fee, UUID], int] = {}
    fees = fees_by_participant(month.fees)
    found: dict[tuple[UUID, date], list[Fee]] = {}

    def count(store_id: UUID, day: date, quantities: Mapping[str, int]) -> None:
        if store_id not in month.participants:
            return
        key = month.participants[store_id], day
        if key not in found:
            found[key] = fees_on(fees, *key)
        for fee in found[key]:
            if quantities.get(fee.basis):
                due[fee, store_id] = due.get((fee, store_id), 0) + quantities[fee.basis]

    for day in month.days:
        count(day.store_id, day.day, {POINT_ISSUED: day.issued, POINT_RECOVERED: day.recovered})
    for activity in month.activity:
        count(activity.store_id, activity.day, {TRANSFER: activity.transfers, VOLUME: activity.volume})
    for store_id in {*month.open_stores, *(day.store_id for day in month.days if day.day >= month.month)}:
        count(store_id, month.month, {MONTH: 1})
    return ((fee, store_id, quantity) for (fee, store_id), quantity in due.items())


def adjustment_lines(month: Month) -> Iterable[Line]:
    for made in month.adjustments:
        yield whole(
            ADJUSTMENT,
            made.payer_id,
            made.payee_id,
            made.amount,
            made.origin_month,
            reference=made.adjustment_id,
            note=made.note,
        )


def dispute_lines(month: Month, lines: Iterable[Line]) -> Iterable[Line]:
    """Takes disputed amounts out: for good if accepted, else until it is decided. No more than there is in the line,
    which may have become less than it was when it was disputed."""
    by_key = {line.key: line for line in lines} if month.disputes else {}
    left = {key: line.amount for key, line in by_key.items()}
    for dispute in sorted(month.disputes, key=lambda one: (one.state != ACCEPTED, one.dispute_id)):
        line = by_key.get(dispute.line_key)
        if line is not None and line.payer_id != line.payee_id:
            taken = part_of(dispute.amount, left[line.key])
            left[line.key] -= taken
            yield whole(
                DISPUTE_ACCEPTED if dispute.state == ACCEPTED else DISPUTED,
                line.payer_id,
                line.payee_id,
                -taken,
                line.origin_month,
                reference=dispute.dispute_id,
                note=line.kind,
            )


def part_of(amount: int, left: int) -> int:
    """As much of `amount` as there is in `left`: nothing where the one is positive and the other negative."""
    return max(0, min(amount, left)) if left > 0 else min(0, max(amount, left))


def carried_lines(month: Month, lines: Iterable[Line]) -> list[Line]:
    """Too little to be paid out: head office goes on owing it, and it opens the next month. A store that has closed
    is paid whatever there is, as nothing will be added to it."""
    owed = nets_of(lines)
    return [
        whole(CARRIED_FORWARD, store_id, month.head_office_id, -net, month.month)
        for store_id, net in owed.items()
        if store_id not in {month.head_office_id, *month.closed_stores} and -month.minimum_payout < net < 0
    ]


def nets_of(lines: Iterable[Line]) -> dict[UUID, int]:
    """By payer or payee: positive remits, negative receives. They sum to zero."""
    nets: dict[UUID, int] = {}
    for line in lines:
        if line.payer_id != line.payee_id:
            nets[line.payer_id] = nets.get(line.payer_id, 0) + line.amount
            nets[line.payee_id] = nets.get(line.payee_id, 0) - line.amount
    return nets


def rounding_of(lines: Iterable[Line], head_office_id: UUID) -> Decimal:
    """What rounding each line to whole minor units has added to what head office takes in: its own line."""
    taken_in = Decimal(0)
    for line in lines:
        added = line.amount - line.exact
        taken_in += (line.payee_id == head_office_id) * added - (line.payer_id == head_office_id) * added
    return taken_in


@dataclass(frozen=True)
class Position:
    """One store's month: points, and what its lines come to in minor units. Positive: the store pays, but for
    `to_receive`, which it is paid for what it recovered."""

    store_id: UUID
    issued: int
    recovered: int
    expired: int
    borne: int
    opening: int = 0
    to_pay: int = 0
    to_receive: int = 0
    fees: int = 0
    tax: int = 0
    adjustments: int = 0
    disputed: int = 0
    carried_forward: int = 0

    @property
    def net_points(self) -> int:
        return self.issued + self.borne - self.recovered

    @property
    def net(self) -> int:
        """Positive: remits to head office, negative: receives."""
        charges = self.opening + self.to_pay + self.fees + self.tax + self.adjustments
        return charges - self.to_receive + self.disputed + self.carried_forward

    @property
    def direction(self) -> str:
        return direction_of(self.net)


COLUMN_OF_KIND = {
    OPENING_BALANCE: "opening",
    FUNDING: "to_pay",
    REDEMPTION: "to_receive",
    MARGIN: "to_pay",
    FEE: "fees",
    TAX: "tax",
    ADJUSTMENT: "adjustments",
    DISPUTE_ACCEPTED: "disputed",
    DISPUTED: "disputed",
    CARRIED_FORWARD: "carried_forward",
}


def positions_of(points: Iterable[StorePoints], lines: Iterable[Line]) -> list[Position]:
    """In the order of `points`."""
    columns: dict[UUID, dict[str, int]] = {}
    for line in lines:
        for store_id in {line.payer_id, line.payee_id}:
            column = COLUMN_OF_KIND.get(line.kind) or ("to_pay" if store_id == line.payer_id else "to_receive")
            owed = line.owed_by(store_id)
            of_store = columns.setdefault(store_id, {})
            of_store[column] = of_store.get(column, 0) + (-owed if column == "to_receive" else owed)
    return [
        Position(p.store_id, p.issued, p.recovered, p.expired, p.borne, **columns.get(p.store_id, {})) for p in points
    ]


def direction_of(net: int) -> str:
    if net > 0:
        return REMIT
    return RECEIVE if net < 0 else NONE


def canonical(month: date, model: str, minimum_payout: int, lines: Iterable[Line]) -> bytes:
    """One spelling of a settlement: what an approval freezes and `settlement verify` compares, in UTF-8.

    One row a line; notes, which people write, are spelled as JSON so that none can look like more rows.
    """
    rows = [f"{month:%Y-%m} {model} {minimum_payout}"]
    rows += [
        "|".join(
            (
                line.key,
                "" if line.quantity is None else str(line.quantity),
                "" if line.rate is None else spell(line.rate),
                spell(line.exact),
                str(line.amount),
                line.origin_month.isoformat(),
                json.dumps(line.note, ensure_ascii=False),
            )
        )
        for line in lines
    ]
    return ("\n".join(rows) + "\n").encode()


def spell(number: Decimal) -> str:
    return f"{number.normalize():f}"
