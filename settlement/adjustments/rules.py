"""Money that somebody decides on: why, how much, from whom to whom, and to which month it belongs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from tenants.foundation.errors import InvalidInput
from tenants.foundation.months import show_month

CORRECTION, GOODWILL, COMPENSATION, PENALTY = "correction", "goodwill", "compensation", "penalty"
# What people give as the reason.
REASONS = (CORRECTION, GOODWILL, COMPENSATION, PENALTY)
# The clearinghouse's own: what a rejected dispute releases, and what a payment that failed leaves owed.
DISPUTE_RELEASED, LEG_CARRIED = "dispute_released", "leg_carried"

# Minor units. Larger ones are mistakes, and millions of these still add up within what a column holds.
AMOUNT_MAX = 10**12


@dataclass(frozen=True)
class Adjustment:
    """As a month settles it: `amount` (minor units, more than zero) is what the payer owes the payee."""

    adjustment_id: UUID
    payer_id: UUID
    payee_id: UUID
    amount: int
    origin_month: date
    note: str


@dataclass(frozen=True)
class NewAdjustment:
    """`amount` (minor units, not zero) is what the payer owes the payee; less than nothing: what it is owed.

    Without `origin_month` it belongs to the month that settles it. `reference` is the dispute or leg it comes from.
    """

    payer_id: UUID
    payee_id: UUID
    amount: int
    reason: str
    note: str = ""
    origin_month: date | None = None
    reference: UUID | None = None


def check_amount(amount: int) -> None:
    if not 1 <= amount <= AMOUNT_MAX:
        raise InvalidInput(
            f"An amount is from 1 to {AMOUNT_MAX:,} minor units; swap payer and payee for the other direction.",
            code="invalid_amount",
        )


def check_reason_code(reason: str) -> None:
    if reason not in REASONS:
        raise InvalidInput(f"{reason!r} is no reason: choose from {', '.join(REASONS)}.", code="invalid_reason")


def check_parties(payer_id: UUID, payee_id: UUID) -> None:
    if payer_id == payee_id:
        raise InvalidInput("Payer and payee are the same: nobody owes anything.", code="same_party")


def check_origin(origin_month: date, first_month: date, settlement_month: date) -> None:
    """It belongs to a month of the books that has begun to be settled by the time this is."""
    if not first_month <= origin_month <= settlement_month:
        raise InvalidInput(
            f"origin_month must lie between {show_month(first_month)}, when the books begin, and "
            f"{show_month(settlement_month)}, which settles it.",
            code="origin_month_out_of_range",
        )
