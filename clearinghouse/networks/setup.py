"""Bring the database to this release: revisions, functions, partitions; and the first key of personal data."""

from __future__ import annotations

import logging

from flask_migrate import upgrade

from clearinghouse.health.service import MIGRATIONS, newest_revision
from clearinghouse.ledger.service import ensure_partitions_ahead
from migrations.patience import STATEMENT_SECONDS_MAX
from tenants.audit.service import record_act
from tenants.data_keys.service import ensure_data_keys
from tenants.foundation import ids


def set_up_database(statement_seconds: int = STATEMENT_SECONDS_MAX) -> int:
    """Safe to run again, and beside the tills; the number of partitions made.

    A statement that takes longer than `statement_seconds` is undone. Raises `Unavailable` then, and when a table was
    in use in every attempt to lock it.
    """
    logging.getLogger("alembic").setLevel(logging.WARNING)
    upgrade(directory=str(MIGRATIONS), x_arg=[f"statement_seconds={statement_seconds}"])
    ensure_data_keys()
    made = ensure_partitions_ahead()
    record_act(ids.INSTALLATION, ("revision", str(newest_revision())))
    return made
