"""Single statements that commit by themselves: one round trip each, prepared once a connection.

What tills wait for goes this way: looking up a key and its network's programme, and posting.
"""

from __future__ import annotations

from contextlib import closing
from typing import Any

import psycopg2
from flask import current_app
from sqlalchemy import Engine

Row = tuple[Any, ...]


class Statement:
    """An SQL function call, prepared as `name`; `sql` has its parameters as $1, $2, …"""

    def __init__(self, name: str, parameter_types: str, sql: str) -> None:
        self.name = name
        self.prepare = f"PREPARE {name} ({parameter_types}) AS {sql}"
        self.execute = f"EXECUTE {name} ({', '.join(['%s'] * len(parameter_types.split(',')))})"


class Calls:
    """Runs statements on a pool of autocommit connections. Safe to share between threads."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def call(self, statement: Statement, *arguments: Any) -> list[Row]:
        """The rows. Tried once more when the connection was lost, so the call must be safe to repeat."""
        try:
            return self._call(statement, arguments)
        except psycopg2.Error as error:
            if not connection_lost(error):
                raise
            # After a restart of the database every pooled connection is dead: start a new pool.
            self.engine.dispose()
            return self._call(statement, arguments)

    def _call(self, statement: Statement, arguments: tuple[Any, ...]) -> list[Row]:
        with closing(self.engine.raw_connection()) as connection:
            try:
                with closing(connection.cursor()) as cursor:
                    if statement.name not in connection.info:
                        cursor.execute(statement.prepare)
                        connection.info[statement.name] = True
                    cursor.execute(statement.execute, arguments)
                    return list(cursor.fetchall())
            except psycopg2.Error as error:
                if connection_lost(error):
                    connection.invalidate()
                raise


def connection_lost(error: psycopg2.Error) -> bool:
    """Whether only a new connection can help.

    No SQLSTATE; class 08 (connection exception); 57P (shutdown or crash); or 0A000: a release has changed what a
    prepared statement gives.
    """
    if isinstance(error, psycopg2.InterfaceError | psycopg2.errors.FeatureNotSupported) or died_midway(error):
        return True
    return isinstance(error, psycopg2.OperationalError) and (error.pgcode or "08").startswith(("08", "57P"))


def died_midway(error: BaseException | None) -> bool:
    """Whether a server was killed under a statement: now and then psycopg2 has no special kind of error for that."""
    return type(error) is psycopg2.DatabaseError and error.pgcode is None


def calls() -> Calls:
    """Those of the running application."""
    found: Calls = current_app.extensions["calls"]
    return found
