"""What a database error means for whoever is asking: over HTTP, on the command line, in a batch."""

from __future__ import annotations

import psycopg2
from sqlalchemy.exc import DBAPIError, IntegrityError

from tenants.foundation.calls import died_midway
from tenants.foundation.database import APPLICATION_ROLE
from tenants.foundation.errors import ClearinghouseError, Conflict, InvalidInput, Unavailable

UNDEFINED_OBJECTS = (
    psycopg2.errors.UndefinedTable,
    psycopg2.errors.UndefinedColumn,
    psycopg2.errors.UndefinedFunction,
    psycopg2.errors.InvalidSchemaName,
)


def explain_database_error(error: BaseException) -> ClearinghouseError | None:
    """The error to tell instead; None when it is a bug of ours."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    # Two requests at the same moment: the checks of both passed before either had written. Only through
    # SQLAlchemy: the posting function tries again, and a till must not take its violation for a refusal.
    if isinstance(error, IntegrityError) and isinstance(cause, psycopg2.errors.UniqueViolation):
        return Conflict("This exists already.", code="already_exists")
    # Before the first `init` the role to connect as is missing; an error of connecting has no code, only words.
    has_no_role = isinstance(cause, psycopg2.OperationalError) and APPLICATION_ROLE in str(cause)
    if has_no_role or isinstance(cause, UNDEFINED_OBJECTS):
        return Unavailable(
            "The database has not been set up for this release: run `clearinghouse init`.",
            code="database_not_migrated",
        )
    # A row of another network is a bug of ours and no missing right, though it comes under the same code.
    if isinstance(cause, psycopg2.errors.InsufficientPrivilege) and "row-level security" not in str(cause):
        return Unavailable(
            f"The database login lacks a right: {first_line(cause)}", code="database_privilege_missing"
        )
    if isinstance(cause, psycopg2.errors.NumericValueOutOfRange):
        return InvalidInput("A sum of these numbers is larger than the ledger can hold.", code="too_large")
    if isinstance(cause, psycopg2.errors.LockNotAvailable | psycopg2.errors.QueryCanceled):
        return Unavailable("The database is busy; send the same request again.", code="database_busy")
    if isinstance(cause, psycopg2.errors.DiskFull):
        return Unavailable(
            "The database's disk is full; nothing was written, try the same again.", code="database_full"
        )
    if isinstance(cause, psycopg2.OperationalError | psycopg2.InterfaceError) or died_midway(cause):
        return Unavailable("The database can't be reached; try the same again.", code="database_unavailable")
    return None


def first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [""])[0]
