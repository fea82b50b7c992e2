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
    return ensure_partitions_ahead()


def ensure_partitions_ahead() -> int:
    """Make the months to come, so that no posting ever finds its partition missing; the number made."""
    this_month = month_of(clock.now().date())
    return ensure_partitions(this_month, add_months(this_month, MONTHS_AHEAD))
