"""Bring the database to this release: revisions, functions, partitions."""

from __future__ import annotations

import logging

from flask_migrate import upgrade

from clearinghouse.health.service import MIGRATIONS
from clearinghouse.ledger.service import ensure_partitions
from clearinghouse.networks.service import MONTHS_AHEAD
from tenants.foundation import clock
from tenants.foundation.months import add_months, month_of


def set_up_database() -> int:
    """Safe to run again; the number of partitions made."""
    logging.getLogger("alembic").setLevel(logging.WARNING)
    upgrade(directory=str(MIGRATIONS))
    this_month = month_of(clock.now().date())
    return ensure_partitions(this_month, add_months(this_month, MONTHS_AHEAD))
