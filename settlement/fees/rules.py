"""Which fees there can be, and which hold on a day; `settlement.proposals.rules` works out what they come to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from tenants.foundation.errors import Conflict, InvalidInput

TRANSFER, POINT_ISSUED, POINT_RECOVERED, VOLUME, MONTH = (
    "transfer",
    "point_issued",
    "point_recovered",
    "volume",
    "month",
)
BASES = {
    TRANSFER: "minor units for each accrual, redemption and captured hold",
    POINT_ISSUED: "minor units for each point issued, less those taken back",
    POINT_RECOVERED: "minor units for each point redeemed, less those given back",
    VOLUME: "share of the amounts purchased with a card, less those returned",
    MONTH: "minor units for the month, from every store that was open in it",
}
TAX_DECIMALS = 6
# No network charges more than that share of what is bought, no state more than that of a fee: a slip is likelier.
SHARE_UNCONFIRMED_MAX = Decimal("0.5")


@dataclass(frozen=True, eq=False)
class Fee:
    """What head office charges for. `rate` is minor units per transfer, point or month; of volume, a share.

    Without a participant it is everybody's who has none of his own of the same `code`. `tax_rate` is a share of it.
    """

    fee_id: UUID
    code: str
    participant_id: UUID | None
    basis: str
    rate: Decimal
    tax_rate: Decimal
    valid_from: date
    valid_until: date | None

    def covers(self, day: date) -> bool:
        return self.valid_from <= day and (self.valid_until is None or day <= self.valid_until)


def fees_by_participant(fees: Iterable[Fee]) -> dict[UUID | None, list[Fee]]:
    found: dict[UUID | None, list[Fee]] = {}
    for fee in fees:
        found.setdefault(fee.participant_id, []).append(fee)
    return found


def fees_on(fees: Mapping[UUID | None, Sequence[Fee]], participant_id: UUID, day: date) -> list[Fee]:
    """The participant's own, and everybody's of whose code it has none of its own that day."""
    own = [fee for fee in fees.get(participant_id, ()) if fee.covers(day)]
    codes = {fee.code for fee in own}
    return [*own, *(fee for fee in fees.get(None, ()) if fee.covers(day) and fee.code not in codes)]


def check_fee(basis: str, rate: Decimal, tax_rate: Decimal) -> None:
    """Beyond what any rate has to be."""
    if basis not in BASES:
        raise InvalidInput(f"There is no basis {basis!r}: choose from {', '.join(BASES)}.", code="invalid_basis")
    if basis == VOLUME and rate > 1:
        raise InvalidInput(f"{rate} of the volume is more than all of it: 0.01 is 1 %.", code="invalid_rate")
    if not (tax_rate.is_finite() and 0 <= tax_rate <= 1 and tax_rate == round(tax_rate, TAX_DECIMALS)):
        raise InvalidInput(
            f"{tax_rate} is not a tax rate: from 0 to 1, with at most {TAX_DECIMALS} decimals; 0.21 is 21 %.",
            code="invalid_tax_rate",
        )


def check_shares(basis: str, rate: Decimal, tax_rate: Decimal) -> None:
    """Raises `Conflict` for what is possible and hardly meant."""
    shares = [tax_rate, *([rate] if basis == VOLUME else [])]
    if max(shares) > SHARE_UNCONFIRMED_MAX:
        raise Conflict(
            f"A share of {max(shares)} is more than half: if it is meant, confirm it (`confirm` in a request, "
            "--yes at the command line).",
            code="confirmation_needed",
        )
