"""The database handle, and the one way to open a transaction.

Every table but `tenants.networks`' directory function belongs to one network, and row-level security
shows a transaction only the rows of the network it has named. `unit_of_work` names it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import orjson
import psycopg2.extras
from flask import current_app
from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy.session import Session
from sqlalchemy import Connection, Engine, MetaData, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.orm.scoping import scoped_session

from tenants.audit.recording import forget_written, note_statement, note_written, record

APPLICATION_ROLE = "clearinghouse_app"
READ_COMMITTED = "READ COMMITTED"


# An open transaction of one network: what `unit_of_work` gives.
Unit = scoped_session[Session]

# Raw psycopg2 connections read uuid columns as UUID, as SQLAlchemy's do.
psycopg2.extras.register_uuid()


# Only what JSON knows is left to orjson, which has forms of its own for more.
ONE_SPELLING = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "pk": "%(table_name)s_pkey",
            "uq": "%(table_name)s_%(column_0_N_name)s_key",
            "ix": "%(table_name)s_%(column_0_N_name)s_idx",
            "ck": "%(table_name)s_%(constraint_name)s_check",
            "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        }
    )


db = SQLAlchemy(model_class=Base, session_options={"expire_on_commit": False})
event.listen(db.session, "after_flush", note_written)
event.listen(db.session, "do_orm_execute", note_statement)


def normal_url(url: str) -> URL:
    """SQLAlchemy's spelling of a PostgreSQL URL, whatever common spelling came in."""
    return make_url(url).set(drivername="postgresql+psycopg2")


# Of a process, kept once they are open. As many as an HTTP worker has threads: with fewer, tills that read all at
# once open new ones again and again, each of which has to make its plans.
CONNECTIONS_FOR_CALLS = 16
# Plans are made once a connection and kept: generic ones, each row by its index even while the tables are small or
# nobody has counted them, because they will not stay small.
PLANS_BY_INDEX = (
    "plan_cache_mode=force_generic_plan",
    *("enable_seqscan=off", "enable_hashjoin=off", "enable_mergejoin=off", "enable_material=off"),
)


def connect_arguments(*settings: str) -> dict[str, str]:
    """Connect as the role that can't bypass row-level security, whoever logs in."""
    options = (f"role={APPLICATION_ROLE}", "timezone=UTC", "lock_timeout=20s", *settings)
    return {
        "options": " ".join(f"-c {option}" for option in options),
        "application_name": "clearinghouse",
    }


@contextmanager
def owner_connection(**options: Any) -> Iterator[Connection]:
    """As the database's owner, past row-level security, so every statement names its network; `options` as of
    `create_engine`."""
    engine = create_engine(normal_url(current_app.config["OWNER_DATABASE_URL"]), **options)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def autocommit_engine(url: str) -> Engine:
    """Connections for `tenants.foundation.calls`: autocommit, so a call is one round trip.

    Nothing that lasts longer than a statement is ever set on them, so they go back to the pool as
    they are, without a ROLLBACK.
    """
    return create_engine(
        normal_url(url),
        isolation_level="AUTOCOMMIT",
        pool_reset_on_return=None,
        hide_parameters=True,
        # The connection used last has what it needs in the caches of the processor.
        pool_use_lifo=True,
        pool_size=CONNECTIONS_FOR_CALLS,
        max_overflow=CONNECTIONS_FOR_CALLS,
        connect_args=connect_arguments(*PLANS_BY_INDEX),
    )


@contextmanager
def unit_of_work(tenant_id: UUID, isolation: str = READ_COMMITTED, recorded_as: str | None = None) -> Iterator[Unit]:
    """One transaction that sees and writes the rows of one network; commits unless it raises.

    What it writes is entered into the audit log, under the act of the moment (`tenants.foundation.acts`). With
    `recorded_as` (READ: it shows what not everybody may see; DONE) the act is entered also when nothing was written.
    Objects that leave it are plain values: detached, with what was read. Units do not nest.
    """
    session = db.session
    assert not session().in_transaction(), "a unit of work is open already"
    assert isolation == READ_COMMITTED or recorded_as is None, "a snapshot does not show the end of the audit log"
    forget_written(session())
    try:
        session.connection(execution_options={"isolation_level": isolation})
        enter_tenant(session, tenant_id)
        yield session
        record(session, tenant_id, recorded_as)
        session.commit()
    except BaseException:
        session.rollback()
        raise
    finally:
        session.expunge_all()


def enter_tenant(session: Unit, tenant_id: UUID) -> None:
    """Name the network for the rest of this transaction."""
    session.execute(text("SELECT set_config('app.tenant_id', :tenant, true)"), {"tenant": str(tenant_id)})


def compact_json(value: Any) -> str:
    """One spelling of a JSON value: keys sorted, no white space; the input of request hashes.

    What JSON has no form for is written as its `str`.
    """
    return orjson.dumps(value, str, ONE_SPELLING).decode()
