"""What points outstanding are carried at: what they were funded at when they were issued.

A lot is carried at the funding rate of its funder and day of issue, which is what its accrual was charged; at nothing
if it was issued while stores settled `on_redemption`. What members owe in points counts against that at the network's
funding rate of the month's last day: their next points will be funded at about that. Amounts are exact minor units.

All of it follows from published months and from rates of days up to the month's end, so that what an approved month
was worth never changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from settlement.proposals.rules import FUNDING, REDEMPTION, Line
from settlement.terms.rules import ON_REDEMPTION, POOLED
from tenants.foundation.money import round_half_even
from tenants.foundation.months import last_day, month_of
from tenants.rates.rules import RateBook


@dataclass(frozen=True)
class Movement:
    """What the postings of a settlement month did to the lots that `funder_id` issued from `day` on, through days on
    which neither rates nor the model changed; in points. Without a funder: what came from no lot.

    `kept` went into lots or holds, `redeemed` and `expired` out of them; `owed` is what members came to owe.
    """

    month: date
    funder_id: UUID | None
    day: date
    kept: int
    redeemed: int
    expired: int
    owed: int


@dataclass(frozen=True)
class Carrying:
    """`models` are (first month, model), oldest first; before the first the model is `pooled`."""

    participants: Mapping[UUID, UUID]
    rates: RateBook
    models: Sequence[tuple[date, str]]

    def value(self, movements: Iterable[Movement], month: date) -> Decimal:
        """Of the points outstanding at the end of `month`, less what members owe."""
        past = [move for move in movements if move.month <= month]
        held = sum((self.worth(move.kept, move, month) for move in past), Decimal(0))
        owed = sum(move.owed for move in past)
        return held - owed * self.rate_at_end(month) if owed else held

    def expired(self, movements: Iterable[Movement], month: date) -> Decimal:
        """Of the points that expired in `month`, less those that were taken back after all."""
        return sum((self.worth(m.expired, m, month) for m in movements if m.month == month), Decimal(0))

    def redeemed(self, movements: Iterable[Movement], month: date) -> Decimal:
        """Of the points that were recovered in `month`; those from no lot at the rate of its last day."""
        return sum((self.worth(m.redeemed, m, month) for m in movements if m.month == month), Decimal(0))

    def worth(self, points: int, move: Movement, month: date) -> Decimal:
        """As it can be known at the end of `month`: a till that was late may have used points issued after it."""
        if not points:
            return Decimal(0)
        if move.funder_id is None:
            return points * self.rate_at_end(month)
        return points * self.rate_on(move.funder_id, min(move.day, last_day(month)))

    def rate_at_end(self, month: date) -> Decimal:
        return self.rate_on(None, last_day(month))

    def rate_on(self, funder_id: UUID | None, day: date) -> Decimal:
        """Head office, which is no participant, has the network's rate."""
        if self.model_on(day) == ON_REDEMPTION:
            return Decimal(0)
        return self.rates.on(None if funder_id is None else self.participants.get(funder_id), day).funding

    def first_days(self) -> list[date]:
        """The days on which what an issued point is carried at may change."""
        return sorted({*self.rates.first_days(), *(from_month for from_month, _ in self.models)})

    def model_on(self, day: date) -> str:
        models = [model for from_month, model in self.models if from_month <= month_of(day)]
        return models[-1] if models else POOLED


@dataclass(frozen=True)
class PointsOfMonth:
    """What a month's points come to, in minor units; each figure rounded once, and what that leaves is `rounding`.

    opening + taken in by lines = closing + breakage + margin + rate_differences + rounding
    """

    opening: int
    closing: int
    breakage: int
    margin: int
    rate_differences: int
    rounding: int


def points_of_month(
    carrying: Carrying, movements: Sequence[Movement], lines: Iterable[Line], before: date, month: date
) -> PointsOfMonth:
    """`before` is the month before."""
    lines = list(lines)
    opening, closing = carrying.value(movements, before), carrying.value(movements, month)
    expired, redeemed = carrying.expired(movements, month), carrying.redeemed(movements, month)
    paid = sum((line.exact for line in lines if line.kind == REDEMPTION), Decimal(0))
    funded = sum((line.exact for line in lines if line.kind == FUNDING), Decimal(0))
    exact = {
        "opening": opening,
        "closing": closing,
        "breakage": expired,
        "margin": redeemed - paid,
        "rate_differences": opening + funded - redeemed - expired - closing,
    }
    figures = {name: round_half_even(value) for name, value in exact.items()}
    taken_in = sum(line.amount for line in lines if line.kind == FUNDING)
    taken_in -= sum(line.amount for line in lines if line.kind == REDEMPTION)
    rounding = 2 * figures["opening"] + taken_in - sum(figures.values())
    return PointsOfMonth(**figures, rounding=rounding)
