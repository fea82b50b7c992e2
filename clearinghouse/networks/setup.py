"""Bring the database to this release: revisions, functions, partitions; and the first key of personal data."""

from __future__ import annotations

import logging

from flask_migrate import upgrade

from clearinghouse.health.service import MIGRATIONS
from clearinghouse.ledger.service import ensure_partitions_ahead
from tenants.data_keys.service import ensure_data_keys


def set_up_database() -> int:
    """Safe to run again; the number of partitions made."""
    logging.getLogger("alembic").setLevel(logging.WARNING)
    upgrade(directory=str(MIGRATIONS))
    ensure_data_keys()
    return ensure_partitions_ahead()
