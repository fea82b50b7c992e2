"""What a store may dispute, until when, and how much of a line."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import UUID

from settlement.proposals.rules import ADJUSTMENT, BILATERAL, BORNE, FEE, FUNDING, MARGIN, REDEMPTION, TAX
from settlement.states.rules import PROPOSED
from tenants.foundation.errors import Conflict, Forbidden, InvalidInput
from tenants.foundation.months import show_month

# What the month itself has added. What was carried forward from the month before was settled there, and what is in
# dispute is decided there.
DISPUTABLE = (FUNDING, REDEMPTION, BILATERAL, MARGIN, BORNE, FEE, TAX, ADJUSTMENT)

# What nobody has decided so long after the last day for disputing is charged after all.
DECIDED_WITHIN = timedelta(days=60)


def decide_by(dispute_until: date) -> date:
    """The last day on which disputes of a month are decided by people."""
    return dispute_until + DECIDED_WITHIN


def check_period(month: date, dispute_until: date, today: date) -> None:
    """`today` is the day in the network's time zone; the last day counts."""
    if today > dispute_until:
        raise Conflict(
            f"{show_month(month)} could be disputed until {dispute_until}: ask head office for an adjustment.",
            code="dispute_period_over",
            dispute_until=dispute_until.isoformat(),
        )


def check_proposed(month: date, state: str | None) -> None:
    """`state` is that of the settlement which is not rejected, None without one."""
    if state is None:
        raise Conflict(
            f"Nothing is proposed for {show_month(month)} at the moment: "
            "look at your statement when head office has proposed it again.",
            code="settlement_not_proposed",
        )
    if state != PROPOSED:
        raise Conflict(
            f"{show_month(month)} is {state}: ask head office for an adjustment in the open month.",
            code="settlement_approved",
        )


def is_disputable(kind: str, is_decided: bool) -> bool:
    return kind in DISPUTABLE and not is_decided


def check_disputable(kind: str, is_decided: bool) -> None:
    """`is_decided`: an adjustment that releases what a dispute held back, or carries a payment that failed."""
    if not is_disputable(kind, is_decided):
        raise Conflict(
            "This line settles what was decided before: only what the month itself has added can be disputed.",
            code="line_not_disputable",
        )


def check_amount(amount: int | None) -> None:
    if amount is not None and amount < 1:
        raise InvalidInput(
            "An amount to dispute is 1 minor unit or more; leave it out for all that is left of the line.",
            code="invalid_amount",
        )


def amount_left(line_amount: int, disputed: int) -> int:
    """What is not disputed yet of a line, in its own direction: nothing where it has become less meanwhile."""
    left = line_amount - disputed
    return left if (left > 0) == (line_amount > 0) else 0


def amount_to_dispute(line_amount: int, disputed: int, wanted: int | None) -> int:
    """In the line's own direction: `wanted` (minor units), or all that is left. Raises `Conflict` for more."""
    left = amount_left(line_amount, disputed)
    if not left:
        raise Conflict("All of this line is disputed already, or it is zero.", code="line_disputed")
    if wanted is None:
        return left
    if wanted > abs(left):
        raise Conflict(
            f"Only {abs(left)} of this line is left to dispute, in minor units.",
            code="more_than_disputable",
            disputable=abs(left),
        )
    return wanted if left > 0 else -wanted


def check_other_person(opened_by: UUID, decided_by: UUID) -> None:
    if opened_by == decided_by:
        raise Forbidden("You opened this dispute: somebody else decides it.", code="four_eyes")
