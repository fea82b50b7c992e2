"""What a valuation takes as given. Apart from the method, so that who only asks for one need not load it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from tenants.foundation.errors import InvalidInput
from tenants.networks.service import check_rate

# Who gets what points that are never redeemed were worth: head office, or the members in some other form.
BREAKAGE_TO = (HEAD_OFFICE, MEMBERS) = ("hq", "members")
RECENT_MAX = 1200


@dataclass(frozen=True)
class Assumptions:
    """What the data can't tell.

    | field | meaning | if None |
    | --- | --- | --- |
    | `cost_per_point` | minor units that a redeemed point costs | the redemption rate of the month |
    | `price_per_point` | minor units of revenue deferred for each point issued | each month's funding rate |
    | `breakage_to` | who is entitled to breakage: see `BREAKAGE_TO` | |
    | `final_rate` | ultimate redemption rate of the oldest month whose end has not been seen | refused if needed |
    | `recent` | each age develops as in the newest so many months of issue | as in all |
    """

    cost_per_point: Decimal | None = None
    price_per_point: Decimal | None = None
    breakage_to: str = HEAD_OFFICE
    final_rate: Decimal | None = None
    recent: int | None = None


def check_assumptions(assumptions: Assumptions) -> None:
    """Raises `InvalidInput`."""
    for rate in (assumptions.cost_per_point, assumptions.price_per_point):
        if rate is not None:
            check_rate(rate)
    if assumptions.breakage_to not in BREAKAGE_TO:
        raise InvalidInput(f"breakage_to is one of {', '.join(BREAKAGE_TO)}.", code="invalid_assumption")
    if assumptions.final_rate is not None and not 0 < assumptions.final_rate <= 1:
        raise InvalidInput("final_rate must be more than 0 and at most 1.", code="invalid_assumption")
    if assumptions.recent is not None and not 1 <= assumptions.recent <= RECENT_MAX:
        raise InvalidInput(f"recent must lie between 1 and {RECENT_MAX} months.", code="invalid_assumption")
