"""What a point of a transfer costs the store, by the way it moved; `settlement.proposals.rules` makes lines of it."""

from __future__ import annotations

from decimal import Decimal

from settlement.terms.rules import POOLED
from tenants.rates.rules import Rate

ISSUED, RECOVERED, OWN_RECOVERED = "issued", "recovered", "own_recovered"
BORNE, BORNE_ELSEWHERE, EXPIRED = "borne", "borne_elsewhere", "expired"

# Minor units that the store pays for a point; less than nothing: is paid.
Price = Decimal


def price_of(flow: str, model: str, own: Rate, other: Rate, is_own_store: bool) -> Price | None:
    """None for points that move no money.

    `other` is the rate of the store, or head office, on the other side: who had issued points that were recovered
    here, recovered own points there, or bears them. `is_own_store`: it is the store itself.
    """
    return pooled_price(flow, own) if model == POOLED else price_on_redemption(flow, own, other, is_own_store)


def pooled_price(flow: str, own: Rate) -> Price | None:
    return {ISSUED: own.funding, BORNE: own.funding, RECOVERED: -own.redemption}.get(flow)


def price_on_redemption(flow: str, own: Rate, other: Rate, is_own_store: bool) -> Price | None:
    """Own points used elsewhere cost the whole funding rate: there the redemption rate, head office the rest."""
    if flow == OWN_RECOVERED:
        return own.funding - own.redemption if is_own_store else own.funding
    if is_own_store:
        return None
    return {RECOVERED: -own.redemption, BORNE: own.funding, BORNE_ELSEWHERE: -other.funding}.get(flow)
