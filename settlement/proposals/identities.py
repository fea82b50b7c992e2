"""The sums that must agree in a month's money."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from settlement.netting.rules import Identity, Totals
from settlement.proposals.rules import FUNDING, REDEMPTION, Line, Month, nets_of
from settlement.terms.rules import POOLED


def prove_money(month: Month, lines: Sequence[Line], totals: Totals, outstanding_by_lots: int) -> list[Identity]:
    """The sums that must agree before a settlement is proposed.

    With one rate for both ways the float of the pooled model reads: what was funded less what was paid is rate x
    (change in points outstanding + points expired), the money that head office holds against points not yet used.
    With several, each line adds what its own rate differs by.
    """
    nets = nets_of(lines)
    stores = sum(net for store_id, net in nets.items() if store_id != month.head_office_id)
    zero = Identity(
        "stores' nets and head office sum to zero",
        Decimal(stores + nets.get(month.head_office_id, 0)),
        Decimal(0),
    )
    if month.model == POOLED:
        change = outstanding_by_lots - totals.opening_outstanding
        return [zero, float_identity(lines, change + totals.expired)]
    used = sum(use.points for use in month.uses if use.redeemer_id != month.head_office_id)
    return [zero, Identity("points used and points recovered", Decimal(used), Decimal(totals.recovered))]


def float_identity(lines: Iterable[Line], points_kept: int) -> Identity:
    """`points_kept`: by how much points outstanding have grown, according to the lots, plus those that expired."""
    funded = [line for line in lines if line.kind == FUNDING]
    paid = [line for line in lines if line.kind == REDEMPTION]
    held = sum((line.exact for line in funded), Decimal(0)) - sum((line.exact for line in paid), Decimal(0))
    rate = next((line.rate for line in funded if line.rate is not None), Decimal(0))
    expected = rate * points_kept
    expected += sum(((line.rate or 0) - rate) * (line.quantity or 0) for line in funded)
    expected += sum((rate - (line.rate or 0)) * (line.quantity or 0) for line in paid)
    return Identity(
        "what was funded less what was paid and rate x (change in outstanding by lots + expired)",
        held,
        Decimal(expected),
    )
