"""To be called inside a unit of work."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import text

from settlement.proposals.rules import Dispute
from tenants.foundation.database import Unit

# The state that each dispute had at a moment; those opened later are not there.
DISPUTES = text("""
    SELECT d.dispute_id, d.line_key, d.amount, c.to_state
    FROM settlement.disputes d
    CROSS JOIN LATERAL (
        SELECT to_state FROM settlement.state_changes
        WHERE subject_id = d.dispute_id AND (CAST(:at AS timestamptz) IS NULL OR changed_at <= :at)
        ORDER BY sequence DESC LIMIT 1) c
    WHERE d.month = :month AND c.to_state IN ('opened', 'accepted')
    ORDER BY d.dispute_id
""")


def disputes_of(session: Unit, month: date, at: datetime | None) -> list[Dispute]:
    """Those of `month` that change what it comes to, as they were `at` a moment, by default now."""
    return [Dispute(*row) for row in session.execute(DISPUTES, {"month": month, "at": at})]
