"""How much a store has issued and not settled, in minor units, and what follows from it.

    exposure = receivable + unsettled + outstanding - deposit

`receivable`: its legs that it has not paid, pending, instructed or failed. What it is to be paid is left out.

`unsettled`: of each month that is not approved, what the month comes to so far, where the store owes it; a month that
would have it receive adds nothing. A month that has been proposed comes to the net of its lines. Else it is the
points so far at the rates of their days, and the adjustments made: fees, and what is carried forward, follow when
it is proposed. Points: pooled (issued + borne) x funding rate - recovered x redemption rate; on redemption (used +
made good) x funding rate - recovered x redemption rate.

`outstanding`: only on redemption, the points that it has issued and members hold, at today's funding rate: it will
owe them when they are used.

`deposit`: what it has lodged against all that. An exposure below zero is a deposit that covers more than is owed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from settlement.rollup.rules import StorePeriod
from settlement.terms.rules import POOLED
from tenants.foundation.money import round_half_even
from tenants.rates.rules import Rate
from tenants.stores.rules import ALLOWED, BLOCKED, HQ_FUNDED

NORMAL, WARNING, REACHED = "normal", "warning", "reached"
LEVELS = (NORMAL, WARNING, REACHED)
WARNING_PERCENT = 80

BLOCK = "block"
POLICIES = (BLOCK, HQ_FUNDED)
ISSUING_OF_POLICY = {BLOCK: BLOCKED, HQ_FUNDED: HQ_FUNDED}


@dataclass(frozen=True)
class Exposure:
    """A store's, in minor units; see above."""

    receivable: int = 0
    unsettled: int = 0
    outstanding: int = 0
    deposit: int = 0

    @property
    def total(self) -> int:
        return self.receivable + self.unsettled + self.outstanding - self.deposit


def level_of(exposure: int, cap: int | None) -> str:
    if cap is None:
        return NORMAL
    if exposure >= cap:
        return REACHED
    return WARNING if exposure * 100 >= cap * WARNING_PERCENT else NORMAL


def issuing_of(level: str, policy: str) -> str:
    return ISSUING_OF_POLICY[policy] if level == REACHED else ALLOWED


def owed_for(points: StorePeriod, rate: Rate, model: str) -> Decimal:
    """Before rounding. Negative: the store is owed."""
    charged = points.issued + points.borne if model == POOLED else points.used + points.made_good
    return charged * rate.funding - points.recovered * rate.redemption


def unsettled_of(months: Mapping[date, Decimal]) -> int:
    """Each month is settled by itself: one in which a store receives pays for no other."""
    return sum(max(round_half_even(owed), 0) for owed in months.values())


def outstanding_of(periods: Iterable[tuple[UUID, int]], funding: Mapping[UUID, Decimal]) -> dict[UUID, int]:
    """By store, of (store, points by which what members hold grew)."""
    points: dict[UUID, int] = {}
    for store_id, grown in periods:
        points[store_id] = points.get(store_id, 0) + grown
    return {store_id: max(round_half_even(held * funding[store_id]), 0) for store_id, held in points.items()}
