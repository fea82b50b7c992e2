"""Runs the revisions, then installs the SQL functions as they are in this release, while the tills go on.

Functions are not history: the files in `clearinghouse/ledger/sql/` are what is installed after every
upgrade (CREATE OR REPLACE), so that a function is read, reviewed and compared in one place.

Each revision is a transaction of its own, so that what it locks is locked for the time of one revision; the functions
come with the newest. An installation older than `migrations.online.LAST_RELEASED` gets everything in one transaction,
as its revisions were not written to run beside the release before them.
"""

from __future__ import annotations

from pathlib import Path

from alembic import context
from alembic.runtime.migration import MigrationContext, MigrationInfo
from flask import current_app
from sqlalchemy import Connection, Engine, text

from migrations.online import LAST_RELEASED
from migrations.patience import one_at_a_time, patient_engine, try_until_locks_are_had
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


def installed_revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return MigrationContext.configure(connection, opts={"version_table_schema": "public"}).get_current_revision()


def upgrade_once(engine: Engine) -> None:
    installed = installed_revision(engine)
    each_by_itself = (installed or "") >= LAST_RELEASED
    with engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=db.metadata,
            include_schemas=True,
            include_name=include_name,
            version_table_schema="public",
            transaction_per_migration=each_by_itself,
            on_version_apply=functions_with_the_last,
        )
        with context.begin_transaction():
            context.run_migrations()
    if installed == newest_revision() == installed_revision(engine):
        with engine.begin() as connection:
            install_functions(connection)


def functions_with_the_last(ctx: MigrationContext, step: MigrationInfo, **_: object) -> None:
    """In the transaction of the newest revision: a database of that revision has its functions."""
    if step.is_upgrade and step.up_revision_id == newest_revision():
        assert ctx.connection is not None
        install_functions(ctx.connection)


def newest_revision() -> str | None:
    return context.script.get_current_head()


def run_migrations() -> None:
    seconds = context.get_x_argument(as_dictionary=True).get("statement_seconds")
    engine = patient_engine(normal_url(current_app.config["OWNER_DATABASE_URL"]), seconds)
    with one_at_a_time(engine):
        try_until_locks_are_had(engine, upgrade_once)


def print_migrations() -> None:
    """As SQL, for whoever lints or reads it."""
    context.configure(dialect_name="postgresql", version_table_schema="public", transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    print_migrations()
else:
    run_migrations()
