"""More time for a closed month: for its stores to dispute it, its people to approve it, its banks to pay."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import UUID

from clearinghouse.dayclose.service import check_reason
from settlement.proposals.queries import live_settlement
from settlement.proposals.service import check_not_approved, lock_window
from settlement.states.rules import CLOSED, WINDOW
from settlement.states.service import change_state
from settlement.terms.rules import POSTPONED_DAYS_MAX
from settlement.windows.tables import Window
from tenants.foundation.database import unit_of_work
from tenants.foundation.errors import InvalidInput

CALENDAR = ("dispute_until", "approve_by", "collect_on", "pay_on")


def postpone(tenant_id: UUID, month: date, days: int, by: str, reason: str = "") -> Window:
    """Move all four days of a closed month's calendar; only later, and only while it is not approved.

    Its history says who did it. Raises `Conflict` for an approved month, `NotFound` for one that is not closed.
    """
    if not 1 <= days <= POSTPONED_DAYS_MAX:
        raise InvalidInput(f"It is postponed by 1 to {POSTPONED_DAYS_MAX} days.", code="invalid_days")
    if reason:
        check_reason(reason)
    with unit_of_work(tenant_id) as session:
        window = lock_window(session, month)
        check_not_approved(live_settlement(session, month))
        for name in CALENDAR:
            setattr(window, name, getattr(window, name) + timedelta(days=days))
        told = f"postponed by {days} days" + (f": {reason}" if reason else "")
        change_state(session, WINDOW, window, CLOSED, by, told)
        session.flush()
    return window
