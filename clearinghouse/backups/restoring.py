"""A new database of a base backup and the WAL after it, up to a moment."""

from __future__ import annotations

import shutil
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psycopg2
from sqlalchemy import create_engine

from clearinghouse.backups.folder import BackupFolder, archived_at, check_segment, endings_of
from clearinghouse.backups.rules import Base, Ending, choose_base
from clearinghouse.backups.service import archive_until_now, check_room, verify_base
from tenants.foundation import clock, embedded
from tenants.foundation.embedded import EmbeddedServerError, NotReadyYet, Postgres
from tenants.foundation.errors import ClearinghouseError, Conflict, IntegrityFailure, InvalidInput, NotFound

# Of the settings that recovery needs, which go when it is over.
RECOVERY_SETTINGS = (
    "restore_command",
    "recovery_target_time",
    "recovery_target_inclusive",
    "recovery_target_timeline",
    "recovery_target_action",
    "hot_standby",
)


@dataclass(frozen=True)
class Chain:
    """What the WAL after a base backup holds. `commits_after`: transactions that committed after the target."""

    segments: int
    commits_after: int
    last_moment: datetime | None


@dataclass(frozen=True)
class Restored:
    """`at` None: to the end of the archive."""

    var: Path
    database_url: str
    base: Base
    at: datetime | None
    chain: Chain


def restore(folder: BackupFolder, server: Postgres, at: datetime | None, base: str | None, into: Path) -> Restored:
    """Every transaction that had committed by `at`, that moment included, in the new folder `into`.

    All that can be wrong is looked for before anything is written. `server` is the one that the backups are of, dead
    or alive; alive it archives first what it has not archived yet.
    """
    if at is not None and at > clock.now():
        raise InvalidInput(f"{show(at)} is still to come: nothing can be restored to it.", code="restore_in_future")
    check_empty(into)
    archive_the_rest(folder, server)
    chosen = pick_base(folder, at, base)
    verify_base(server, folder.data_of(chosen.name))
    chain = check_chain(folder, server, chosen, at)
    check_room(into, chosen.bytes)
    try:
        return Restored(into, recover(folder, chosen, at, into), chosen, at, chain)
    except BaseException:
        remove(into)
        raise


def check_empty(into: Path) -> None:
    if into.exists() and (not into.is_dir() or any(into.iterdir())):
        raise Conflict(
            f"{into} is not empty: a restored database gets a folder of its own, and never takes the place of "
            "another. Name one that does not exist with --into.",
            code="restore_folder_not_empty",
        )


def archive_the_rest(folder: BackupFolder, server: Postgres) -> None:
    url = embedded.running_database(server)
    if url is None or server.backups != folder.path:
        return
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        archive_until_now(connection, folder)
    engine.dispose()


def pick_base(folder: BackupFolder, at: datetime | None, name: str | None) -> Base:
    bases = folder.bases()
    if not bases:
        raise NotFound(f"There is no finished backup in {folder.path}.", code="backup_none")
    if name is not None:
        bases = [base for base in bases if base.name == name]
        if not bases:
            raise NotFound(f"There is no base backup {name}; see `clearinghouse backup list`.", code="backup_unknown")
    chosen = choose_base(bases, at)
    if chosen is None:
        raise InvalidInput(
            f"The first moment that can be restored from {name or 'these backups'} is {show(bases[0].ended_at)}.",
            code="restore_before_first",
        )
    return chosen


def check_chain(folder: BackupFolder, server: Postgres, base: Base, at: datetime | None) -> Chain:
    """Every segment that recovery needs is there and whole; those after it are only counted, up to the next gap.

    Raises `IntegrityFailure` for the first that is missing or damaged, `InvalidInput` when the archive ends before.
    """
    last = base.ended_at
    after: list[Ending] = []
    segments = 0
    for segment in folder.segments_from(base.first_segment):
        if segment.gap_before and after:
            break
        if segment.gap_before:
            raise IntegrityFailure(
                f"The WAL segment {folder.wal / segment.gap_before} is missing. Put it back, or restore to "
                f"{show(last)} at the latest.",
                code="wal_missing",
            )
        if not after:
            check_segment(segment)
            segments += 1
        # What was archived by then can't tell of anything later.
        if at is None or archived_at(segment) >= at:
            endings = endings_of(server, segment)
            last = endings[-1].ended_at if endings else last
            after += [ending for ending in endings if at is not None and ending.ended_at > at]
    if at is not None and not after:
        raise InvalidInput(
            f"The archive ends before {show(at)}: its last transaction ended {show(last)}. "
            "Restore to that, or leave out --at to get all there is.",
            code="restore_after_last",
        )
    commits = [ending for ending in after if ending.changed]
    return Chain(segments, len(commits), commits[-1].ended_at if commits else None)


def recover(folder: BackupFolder, base: Base, at: datetime | None, into: Path) -> str:
    """The URL of the new database, which is open for writing."""
    target = embedded.find_postgres(into)
    embedded.lay_base(target, folder.data_of(base.name), recovery_settings(folder, at))
    url = start_recovered(into)
    with closing(psycopg2.connect(url.replace("+psycopg2", ""))) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        for name in RECOVERY_SETTINGS:
            cursor.execute(f"ALTER SYSTEM RESET {name}")
        cursor.execute("SELECT pg_reload_conf()")
    return url


def recovery_settings(folder: BackupFolder, at: datetime | None) -> dict[str, str]:
    settings = {
        "restore_command": f'cp "{folder.wal}/%f" "%p"',
        "recovery_target_timeline": "current",
        "recovery_target_action": "promote",
        # Nobody is let in before the books are as they shall be.
        "hot_standby": "off",
    }
    if at is not None:
        settings |= {"recovery_target_time": at.isoformat(), "recovery_target_inclusive": "on"}
    return settings


def start_recovered(into: Path) -> str:
    """However long the recovery takes; fails when PostgreSQL gives it up."""
    while True:
        try:
            url = embedded.start(into, redis=False).database_url
            assert url is not None
            return url
        except NotReadyYet:
            continue


def remove(into: Path) -> None:
    """What a failed restore has left."""
    try:
        embedded.leave(into)
        embedded.destroy(into)
    except EmbeddedServerError as error:
        raise ClearinghouseError(f"{into} could not be removed: {error}", code="restore_not_removed") from error
    shutil.rmtree(into, ignore_errors=True)


def show(moment: datetime) -> str:
    return moment.isoformat()
