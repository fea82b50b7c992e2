"""How a network settles: its model, what is too little to pay out, and the calendar of a month."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from tenants.foundation.errors import InvalidInput
from tenants.foundation.months import last_day

POOLED, ON_REDEMPTION = "pooled", "on_redemption"
MODELS = (POOLED, ON_REDEMPTION)

MINIMUM_PAYOUT_MAX = 10**12
DAYS_MAX = 90
POSTPONED_DAYS_MAX = 90


@dataclass(frozen=True)
class Terms:
    """`minimum_payout` is in minor units: what head office owes a store below it is carried forward.

    The days count from the last day of the month: until when stores dispute, when it is to be approved, when head
    office collects, and when it pays out.
    """

    model: str = POOLED
    minimum_payout: int = 0
    dispute_days: int = 10
    approval_days: int = 12
    collection_days: int = 15
    payout_days: int = 18


@dataclass(frozen=True)
class Calendar:
    dispute_until: date
    approve_by: date
    collect_on: date
    pay_on: date


def calendar_of(month: date, terms: Terms) -> Calendar:
    end = last_day(month)
    days = (terms.dispute_days, terms.approval_days, terms.collection_days, terms.payout_days)
    return Calendar(*(end + timedelta(days=count) for count in days))


def check_terms(terms: Terms) -> None:
    if terms.model not in MODELS:
        raise InvalidInput(
            f"There is no model {terms.model!r}: choose from {', '.join(MODELS)}.", code="invalid_terms"
        )
    if not 0 <= terms.minimum_payout <= MINIMUM_PAYOUT_MAX:
        raise InvalidInput(
            f"minimum_payout lies between 0 and {MINIMUM_PAYOUT_MAX:,} minor units.", code="invalid_terms"
        )
    days = (terms.dispute_days, terms.approval_days, terms.collection_days, terms.payout_days)
    if not 0 < days[0] < days[1] < days[2] < days[3] <= DAYS_MAX:
        raise InvalidInput(
            "First stores dispute, then it is approved, then head office collects, and pays out after that: "
            f"{', '.join(map(str, days))} days do not go up from 1 to at most {DAYS_MAX}.",
            code="invalid_terms",
        )
