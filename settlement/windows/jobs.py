"""Closing months by themselves: once a month is over and its grace days have passed."""

from __future__ import annotations

import logging
from datetime import date, timedelta
from uuid import UUID

from settlement.windows.service import close_month, list_windows
from tenants.foundation.database import unit_of_work
from tenants.foundation.months import last_day
from tenants.networks.service import get_network, today_in

log = logging.getLogger(__name__)


def close_due_months(tenant_id: str) -> list[str]:
    """Close every month that is due, and finish a close that was interrupted."""
    network_id = UUID(tenant_id)
    closed = []
    while (month := next_due_month(network_id)) is not None:
        close_month(network_id, month, closed_by="scheduler")
        closed.append(month.isoformat())
    return closed


def next_due_month(tenant_id: UUID) -> date | None:
    windows, first_open = list_windows(tenant_id)
    for window in windows:
        if window.published_at is None:
            return window.month
    with unit_of_work(tenant_id):
        grace = timedelta(days=get_network(tenant_id).close_grace_days)
        is_due = today_in(tenant_id) > last_day(first_open) + grace
    return first_open if is_due else None
