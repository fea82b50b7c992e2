"""Settlements made up for the tests of the rules."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from settlement.accounting.accounts import OF_REASON
from settlement.accounting.carrying import PointsOfMonth
from settlement.accounting.rules import Party, SettlementToPost
from settlement.proposals.rules import (
    ADJUSTMENT,
    BILATERAL,
    BORNE,
    DISPUTE_ACCEPTED,
    DISPUTED,
    FUNDING,
    KINDS,
    Line,
)

JANUARY = date(2026, 1, 1)
HEAD_OFFICE, A, B, C = UUID(int=9), UUID(int=1), UUID(int=2), UUID(int=3)
# B and C have the same owner.
PARTIES = {A: Party("A", "NORTH"), B: Party("B", "SOUTH"), C: Party("C", "SOUTH")}
NO_POINTS = PointsOfMonth(0, 0, 0, 0, 0, 0)


def line(kind: str, payer: UUID, payee: UUID, amount: int, **more: Any) -> Line:
    return Line(kind, payer, payee, Decimal(amount), amount, JANUARY, **more)


def settlement_of(
    lines: Sequence[Line], reasons: dict[UUID, str] | None = None, points: PointsOfMonth = NO_POINTS
) -> SettlementToPost:
    return SettlementToPost(JANUARY, HEAD_OFFICE, lines, PARTIES, reasons or {}, points)


amounts = st.integers(-(10**18), 10**18)


@st.composite
def settlements(draw: st.DrawFn) -> SettlementToPost:
    """Lines of every kind between whoever they can be between, and any points."""
    lines, reasons = [], {}
    for number in range(draw(st.integers(0, 30))):
        kind = draw(st.sampled_from(KINDS))
        stores = st.sampled_from([A, B, C])
        payer, payee = draw(stores), HEAD_OFFICE
        if kind in (BILATERAL, BORNE, ADJUSTMENT, DISPUTED, DISPUTE_ACCEPTED) and draw(st.booleans()):
            payee = draw(st.sampled_from([store for store in (A, B, C) if store != payer]))
        elif draw(st.booleans()):
            payer, payee = payee, payer
        if kind == FUNDING and draw(st.booleans()):
            payer = payee = HEAD_OFFICE
        reference = UUID(int=1000 + number)
        reasons[reference] = draw(st.sampled_from(sorted(OF_REASON)))
        note = draw(st.sampled_from(KINDS))
        lines.append(line(kind, payer, payee, draw(amounts), reference=reference, note=note))
    points = PointsOfMonth(*(draw(amounts) for _ in range(6)))
    return settlement_of(lines, reasons, points)
