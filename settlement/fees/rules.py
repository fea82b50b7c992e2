"""Which fees there can be. What they come to is worked out in `settlement.proposals.rules`."""

from __future__ import annotations

from decimal import Decimal

from settlement.proposals.rules import MONTH, POINT_ISSUED, POINT_RECOVERED, TRANSFER, VOLUME
from tenants.foundation.errors import Conflict, InvalidInput

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
