"""Whether this process can serve tills, and what an operator should look at though it can."""

from __future__ import annotations

import os
import re
import shutil
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

import psycopg2
from flask import current_app
from redis import RedisError

from clearinghouse.health.rules import CLOCK_SECONDS_MAX, clocks_apart, disk_nearly_full, gone
from clearinghouse.partitions.queries import partition_of_month
from clearinghouse.webhooks.jobs import FAST
from tenants.foundation import clock, secret_key
from tenants.foundation.config import Settings
from tenants.foundation.database_errors import explain_database_error
from tenants.foundation.errors import ClearinghouseError, Unavailable
from tenants.foundation.months import add_months, month_of
from tenants.foundation.probes import DatabaseProbe, NoAnswer, probing, redis_probe
from tenants.foundation.queue import QUEUE_NAME, silence_of_scheduler, silence_of_workers

# What begins with the moment it was written at, so that a later one is greater.
REVISION = re.compile(r"\d{8}_\d{4}")
MIGRATIONS = Path(__file__).parent.parent.parent / "migrations"

# Whoever asks whether a process is ready waits for two seconds or so.
DATABASE_SECONDS_MAX = 1.0


@dataclass(frozen=True)
class Readiness:
    """`missing` keeps the process from serving tills, `warnings` do not. Everybody may read both: no paths."""

    missing: list[ClearinghouseError]
    warnings: list[ClearinghouseError]


@cache
def newest_revision() -> str:
    """By the names of their files: Alembic would take 15 MB of every process to say the same."""
    found = (REVISION.match(path.name) for path in (MIGRATIONS / "versions").glob("*.py"))
    return max(match[0] for match in found if match)


def readiness(database_seconds: float = DATABASE_SECONDS_MAX) -> Readiness:
    settings: Settings = current_app.config["SETTINGS"]
    told_by_database: list[ClearinghouseError] = []
    try:
        with probing(settings.database_url, database_seconds) as probe:
            missing = [one for check in MISSING for one in check(probe)]
            told_by_database = list(wrong_clock(probe))
    except NoAnswer:
        missing = [
            Unavailable(
                f"The database did not answer within {database_seconds:g} s: see whether it hangs or waits for its "
                "disk.",
                code="database_unavailable",
            )
        ]
    except psycopg2.Error as error:
        explained = explain_database_error(error)
        if explained is None:
            raise
        missing = [explained]
    return Readiness(missing, [*told_by_database, *jobs_in_trouble(settings), *full_disk(settings)])


def missing_revision(probe: DatabaseProbe) -> Iterator[ClearinghouseError]:
    [(installed,)] = probe.ask("SELECT version_num FROM public.alembic_version")
    if not is_new_enough(installed):
        yield Unavailable(
            f"The database is at revision {installed}, this release needs {newest_revision()}: "
            "run `clearinghouse init`.",
            code="database_not_migrated",
        )


def is_new_enough(installed: str | None) -> bool:
    """A newer database serves this release too: revisions are written to run beside the release before them."""
    return REVISION.fullmatch(installed or "") is not None and (installed or "") >= newest_revision()


def unsafe_role(probe: DatabaseProbe) -> Iterator[ClearinghouseError]:
    [(bypasses,)] = probe.ask("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user")
    if bypasses:
        yield Unavailable("The database role can bypass row-level security.", code="unsafe_role")


def missing_partition(probe: DatabaseProbe) -> Iterator[ClearinghouseError]:
    next_month: date = add_months(month_of(clock.now().date()), 1)
    name = f"ledger.{partition_of_month(next_month)}"
    [(is_there,)] = probe.ask("SELECT to_regclass(%(name)s) IS NOT NULL", {"name": name})
    if not is_there:
        yield Unavailable(
            f"The partition {name} has not been made: run `clearinghouse init`.", code="partition_missing"
        )


MISSING = (missing_revision, unsafe_role, missing_partition)


def wrong_clock(probe: DatabaseProbe) -> Iterator[ClearinghouseError]:
    before = time.time()
    [(there,)] = probe.ask("SELECT extract(epoch FROM clock_timestamp())::float8")
    seconds = clocks_apart(there, before, time.time())
    if seconds > CLOCK_SECONDS_MAX:
        yield Unavailable(
            f"This machine's clock and the database's are {seconds:.0f} s apart: purchases get a wrong time, and "
            "codes of wallets fail. Set both by NTP.",
            code="clock_differs",
        )


def jobs_in_trouble(settings: Settings) -> Iterator[ClearinghouseError]:
    """Redis down, or nobody to run jobs, does not stop a till."""
    try:
        with redis_probe(settings.redis_url) as connection:
            workers = silence_of_workers(connection, (QUEUE_NAME, FAST), clock.now())
            scheduler = silence_of_scheduler(connection, clock.now())
    except (OSError, RedisError):
        yield Unavailable(
            "Redis can't be reached: jobs wait, and requests are not counted. See whether it runs.",
            code="queue_unavailable",
        )
        return
    if gone(workers[QUEUE_NAME]):
        yield Unavailable(
            "No worker runs jobs: months don't close, documents are not written. Start `clearinghouse worker`.",
            code="no_worker",
        )
    if gone(workers[FAST]):
        yield Unavailable(
            "No worker carries webhooks. Start `clearinghouse worker --only-webhooks`.", code="no_webhook_worker"
        )
    if gone([] if scheduler is None else [scheduler]):
        yield Unavailable(
            "No scheduler runs: nothing expires, closes or is delivered by itself. Start `clearinghouse scheduler`.",
            code="no_scheduler",
        )


def full_disk(settings: Settings) -> Iterator[ClearinghouseError]:
    if not settings.var.exists():
        return
    usage = shutil.disk_usage(settings.var)
    if disk_nearly_full(usage.total, usage.free):
        yield Unavailable(
            f"The disk of CLEARINGHOUSE_VAR has {usage.free // 2**20:,} MiB left: make room before writing fails.",
            code="disk_nearly_full",
        )


def weak_key(settings: Settings) -> Iterator[ClearinghouseError]:
    """For operators only."""
    file = settings.var / secret_key.FILE_NAME
    if os.environ.get(secret_key.VARIABLE) is not None or not file.exists():
        return
    if stat.S_IMODE(file.stat().st_mode) & 0o077:
        yield Unavailable(
            f"Other users of this machine can read {file}: `chmod 600` it, and think of who has.",
            code="secret_key_exposed",
        )
    if os.environ.get("DATABASE_URL"):
        yield Unavailable(
            f"The secret key is only in {file} of this machine: another one that serves the same database makes its "
            f"own, and refuses the PINs and codes of this one. Name it in {secret_key.VARIABLE} everywhere.",
            code="secret_key_local",
        )
