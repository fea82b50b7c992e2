"""Bring the database to this release: revisions, functions, partitions."""

from __future__ import annotations

import logging

from flask_migrate import upgrade

from clearinghouse.health.service import MIGRATIONS, newest_revision
from clearinghouse.ledger.service import ensure_partitions_ahead
from tenants.audit.service import record_act
from tenants.foundation import ids


def set_up_database() -> int:
    """Safe to run again; the number of partitions made."""
    logging.getLogger("alembic").setLevel(logging.WARNING)
    upgrade(directory=str(MIGRATIONS))
    made = ensure_partitions_ahead()
    record_act(ids.INSTALLATION, ("revision", str(newest_revision())))
    return made
