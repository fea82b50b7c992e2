from __future__ import annotations

import re
from datetime import date
from functools import cache
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory
from flask import current_app
from redis import Redis, RedisError
from sqlalchemy import text

from tenants.foundation import clock
from tenants.foundation.database import db
from tenants.foundation.database_errors import explain_database_error
from tenants.foundation.errors import ClearinghouseError, Unavailable
from tenants.foundation.months import add_months, month_of

# What begins with the moment it was written at, so that a later one is greater.
REVISION = re.compile(r"\d{8}_\d{4}")
MIGRATIONS = Path(__file__).parent.parent.parent / "migrations"


@cache
def newest_revision() -> str | None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return ScriptDirectory.from_config(config).get_current_head()


def what_is_missing() -> list[ClearinghouseError]:
    """Why this process can't serve tills, as errors that say what to do; empty when it can."""
    try:
        return [problem for problem in (missing_revision(), missing_role(), missing_partition()) if problem]
    except Exception as error:
        explained = explain_database_error(error)
        if explained is None:
            raise
        return [explained]
    finally:
        db.session.rollback()


def missing_revision() -> ClearinghouseError | None:
    installed = db.session.scalar(text("SELECT version_num FROM public.alembic_version"))
    if is_new_enough(installed):
        return None
    return Unavailable(
        f"The database is at revision {installed}, this release needs {newest_revision()}: run `clearinghouse init`.",
        code="database_not_migrated",
    )


def is_new_enough(installed: str | None) -> bool:
    """A newer database serves this release too: revisions are written to run beside the release before them."""
    return REVISION.fullmatch(installed or "") is not None and (installed or "") >= (newest_revision() or "")


def missing_role() -> ClearinghouseError | None:
    bypasses = db.session.scalar(text("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"))
    if not bypasses:
        return None
    return Unavailable("The database role can bypass row-level security.", code="unsafe_role")


def missing_partition() -> ClearinghouseError | None:
    next_month: date = add_months(month_of(clock.now().date()), 1)
    name = f"ledger.postings_{next_month:%Y_%m}"
    if db.session.scalar(text("SELECT to_regclass(:name) IS NOT NULL"), {"name": name}):
        return None
    return Unavailable(f"The partition {name} has not been made: run `clearinghouse init`.", code="partition_missing")


def queue_problem() -> ClearinghouseError | None:
    """Redis down does not stop a till, so this is told but does not make the process unready."""
    try:
        Redis.from_url(current_app.config["SETTINGS"].redis_url, socket_timeout=1).ping()
    except (OSError, RedisError) as error:
        return Unavailable(f"Redis can't be reached: {error}", code="queue_unavailable")
    return None
