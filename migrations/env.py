"""Runs the revisions, then installs the SQL functions as they are in this release.

Functions are not history: the files in `clearinghouse/ledger/sql/` are what is installed after every
upgrade (CREATE OR REPLACE), so that a function is read, reviewed and compared in one place.
"""

from __future__ import annotations

from pathlib import Path

from alembic import context
from flask import current_app
from sqlalchemy import Connection, create_engine, text

from tenants.foundation.database import db, normal_url

FUNCTIONS = Path(__file__).parent.parent / "clearinghouse" / "ledger" / "sql"
SCHEMAS = {"tenants", "programme", "ledger", "settlement", "webhooks"}


def include_name(name: str | None, type_: str, parent_names: object) -> bool:
    return type_ != "schema" or name in SCHEMAS


def install_functions(connection: Connection) -> None:
    files = sorted(FUNCTIONS.glob("*.sql"))
    assert files, f"no SQL functions found in {FUNCTIONS}"
    # SQL functions are parsed when they are made, and some call one of a later file.
    connection.execute(text("SET LOCAL check_function_bodies = off"))
    for file in files:
        connection.exec_driver_sql(file.read_text().replace("%", "%%"))
    connection.execute(text("GRANT SELECT ON public.alembic_version TO clearinghouse_app"))


def run_migrations() -> None:
    # A lock that can't be had soon is better given up than queued for: every till would wait behind it.
    engine = create_engine(
        normal_url(current_app.config["OWNER_DATABASE_URL"]),
        connect_args={"options": "-c lock_timeout=10s -c timezone=UTC"},
    )
    with engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=db.metadata,
            include_schemas=True,
            include_name=include_name,
            version_table_schema="public",
        )
        with context.begin_transaction():
            # Two releases starting at once: the second waits, then finds nothing to do.
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('clearinghouse.migrations', 0))"))
            context.run_migrations()
            install_functions(connection)
    engine.dispose()


run_migrations()
