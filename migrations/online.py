"""How a revision is written so that the release before it goes on beside it.

- It adds; what it makes useless is dropped by a later release, when no process reads it any more.
- A new column has no default that must be computed, or none at all; a new constraint on a table that has rows is
  NOT VALID, and validated in a revision of its own.
- It locks each table for a moment. Long work, an index or the filling of a column, is done by `create_index` and
  `in_batches`, in a revision that does nothing else: it commits as it goes, and begins anew when it is run again.

`python -m migrations.lint`, part of `make lint`, has squawk look at every revision since `LAST_RELEASED`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from alembic import op
from sqlalchemy import text

# Whoever releases sets it to the newest revision.
LAST_RELEASED = "20261122_1660"


@contextmanager
def long_work() -> Iterator[None]:
    """Statements that commit one by one and may take hours: none of them may keep a till waiting."""
    with op.get_context().autocommit_block():
        for setting in ("statement_timeout", "lock_timeout"):
            op.execute(f"SET {setting} = 0")
        yield
        for setting in ("statement_timeout", "lock_timeout"):
            op.execute(f"RESET {setting}")


def create_index(name: str, definition: str, unique: bool = False) -> None:
    """`name` with its schema, `definition` like `ON tenants.members (tenant_id, phone_hash)`.

    What a killed attempt has left is an index that nobody reads and every write maintains: it is dropped first.
    """
    kind = "UNIQUE INDEX" if unique else "INDEX"
    with long_work():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        op.execute(f"CREATE {kind} CONCURRENTLY {name.rpartition('.')[2]} {definition}")


def in_batches(statement: str) -> None:
    """Repeat a statement that changes some rows and commits, until it finds none.

    Like `UPDATE t SET new = old WHERE ctid IN (SELECT ctid FROM t WHERE new IS NULL LIMIT 1000)`.
    """
    with long_work():
        if op.get_context().as_sql:
            op.execute(statement)
            return
        while op.get_bind().execute(text(statement)).rowcount:
            continue
