"""Bring the database to this release: revisions, functions, partitions; and the first key of personal data."""

from __future__ import annotations

import logging
from pathlib import Path

from flask import current_app
from flask_migrate import Migrate, upgrade

from clearinghouse.health.service import MIGRATIONS, newest_revision
from clearinghouse.ledger.service import ensure_partitions_ahead
from migrations.patience import STATEMENT_SECONDS_MAX
from tenants.audit.service import record_act
from tenants.data_keys.service import ensure_data_keys
from tenants.foundation import ids
from tenants.foundation.database import db


def set_up_database(statement_seconds: int = STATEMENT_SECONDS_MAX) -> int:
    """Safe to run again, and beside the tills; the number of partitions made.

    A statement that takes longer than `statement_seconds` is undone. Raises `Unavailable` then, and when a table was
    in use in every attempt to lock it.
    """
    run_revisions(MIGRATIONS, statement_seconds)
    ensure_data_keys()
    made = ensure_partitions_ahead()
    record_act(ids.INSTALLATION, ("revision", newest_revision()))
    return made


def run_revisions(migrations: Path, statement_seconds: int = STATEMENT_SECONDS_MAX, last: str = "head") -> None:
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # Here and not where the application is made: Alembic takes 15 MB, and only this needs it.
    Migrate(current_app, db)
    upgrade(directory=str(migrations), revision=last, x_arg=[f"statement_seconds={statement_seconds}"])
