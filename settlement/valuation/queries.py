"""What became of the points of each month of issue, month by month, from the postings of published months."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sqlalchemy import text

from settlement.netting.queries import IN_PARALLEL
from settlement.valuation.rules import Cell
from tenants.foundation.database import Unit

# One pass over the postings, each with its lot; holds, releases and merges leave points in their lot. A lot that a
# reversed redemption has opened was issued by that reversal. What repays a debt was never there to be redeemed.
CELLS = text("""
    SELECT date_trunc('month', l.issued_on)::date AS cohort, p.settlement_month AS month,
           coalesce(sum(CASE WHEN p.target = 'lot' AND (p.source = 'issued' OR p.transfer_id = l.transfer_id)
                             THEN p.points
                             WHEN p.source IN ('lot', 'expired') AND p.target IN ('issued', 'deficit')
                             THEN -p.points END), 0)::bigint AS issued,
           coalesce(sum(CASE WHEN p.source IN ('lot', 'held') AND p.target = 'recovered' THEN p.points
                             WHEN p.source = 'recovered' AND p.transfer_id <> l.transfer_id THEN -p.points
                             END), 0)::bigint AS redeemed,
           coalesce(sum(CASE WHEN p.target = 'expired' THEN p.points
                             WHEN p.source = 'expired' THEN -p.points END), 0)::bigint AS expired,
           max(p.expires_on) FILTER (WHERE p.transfer_id = l.transfer_id) AS last_day,
           coalesce(sum(CASE WHEN p.source = 'deficit' THEN p.points
                             WHEN p.target = 'deficit' THEN -p.points END), 0)::bigint AS owed
    FROM ledger.postings p
    LEFT JOIN ledger.lots l ON l.tenant_id = p.tenant_id AND l.lot_id = CASE
        WHEN p.source IN ('lot', 'held', 'expired') THEN p.source_id WHEN p.target = 'lot' THEN p.target_id END
    WHERE p.settlement_month <= :month
      AND NOT (p.source IN ('lot', 'held', 'moved') AND p.target IN ('lot', 'held', 'moved'))
    GROUP BY 1, 2
""")


@dataclass(frozen=True)
class Movements:
    """`owed`: by month, what members came to owe in points less what they repaid."""

    cells: tuple[Cell, ...]
    owed: dict[date, int]


def movements_through(session: Unit, month: date) -> Movements:
    session.execute(IN_PARALLEL)
    cells, owed = [], dict[date, int]()
    for row in session.execute(CELLS, {"month": month}):
        owed[row.month] = owed.get(row.month, 0) + row.owed
        if row.cohort is not None:
            cells.append(Cell(row.cohort, row.month, row.issued, row.redeemed, row.expired, row.last_day))
    return Movements(tuple(cells), owed)
