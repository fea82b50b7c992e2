"""Base backups of the embedded PostgreSQL, and its WAL archived from the first of them on."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from flask import current_app
from sqlalchemy import Connection, text

from clearinghouse.backups.folder import BackupFolder, Owner, disk_bytes, endings_of
from clearinghouse.backups.rules import MARK, Base, name_of_base, segment_of
from tenants.foundation import embedded
from tenants.foundation.config import postgres_is_embedded
from tenants.foundation.database import owner_connection
from tenants.foundation.embedded import Postgres
from tenants.foundation.errors import Conflict, IntegrityFailure, NotFound, Unavailable

ARCHIVE_WAIT_SECONDS_MAX = 120
# A base backup that fills the disk to its end would stop whatever else writes there.
FREE_SHARE_MIN = 1.1


@dataclass(frozen=True)
class Contents:
    """`last_moment`: when the last transaction ended that is in the archive; None without one."""

    folder: Path
    bases: list[Base]
    bytes: int
    last_moment: datetime | None

    @property
    def first_moment(self) -> datetime | None:
        return self.bases[0].ended_at if self.bases else None


def back_up(to: Path | None, keep: int) -> tuple[Base, list[Base]]:
    """Make a base backup, prove that it is whole, delete all but the newest `keep`; the new one and those deleted.

    `to`: where to, from now on; by default where the last one went. The first backup begins the archiving of WAL.
    """
    server = embedded_server(current_app.config["SETTINGS"].var)
    path = to.absolute() if to else chosen_folder(server)
    # The application's own role may not make backups.
    with owner_connection(isolation_level="AUTOCOMMIT") as connection:
        check_archive_mode(connection, server)
        check_room(path, database_bytes(connection))
        folder, owner = BackupFolder(path), owner_of(connection)
        folder.check_owner(owner)
        embedded.archive_into(server, path)
        with folder.one_at_a_time():
            folder.claim(owner)
            connection.execute(text("SELECT pg_reload_conf()"))
            # The server hears of it a little later: only a segment in the folder shows that it has.
            archive_until_now(connection, folder)
            base = make_base(connection, server, folder)
            archive_until_now(connection, folder)
            return base, folder.prune(keep)


def embedded_server(var: Path) -> Postgres:
    if not postgres_is_embedded():
        raise Conflict(
            "DATABASE_URL names a PostgreSQL of your own, whose backups are made where it runs: with pgBackRest, "
            "Barman or WAL-G, or by whoever hosts it. docs/operations.md says what to set, and how to prove the "
            "books after a restore.",
            code="backup_not_embedded",
        )
    return embedded.find_postgres(var)


def chosen_folder(server: Postgres) -> Path:
    """Where the last backup went. Raises `Unavailable` when that is gone: its disk may not be mounted."""
    if server.backups is None:
        return server.default_backups
    if not BackupFolder(server.backups).is_there:
        raise Unavailable(
            f"The backup folder {server.backups} is not there: mount its disk, or begin another with --to.",
            code="backup_folder_gone",
        )
    return server.backups


def check_archive_mode(connection: Connection, server: Postgres) -> None:
    if connection.scalar(text("SHOW archive_mode")) != "on":
        raise Conflict(
            "The running PostgreSQL was started by an older release, which archived no WAL. Stop everything that "
            f"uses it, then `python -m tenants.foundation.embedded stop {server.var}`, and try again.",
            code="backup_needs_restart",
        )


def check_room(path: Path, needed: int) -> None:
    there = next(folder for folder in (path, *path.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    if free < needed * FREE_SHARE_MIN:
        raise Unavailable(
            f"The disk of {path} has {free:,} bytes free, and this takes {needed:,}: make room, keep fewer backups, "
            "or name a folder on another disk.",
            code="disk_full",
        )


def database_bytes(connection: Connection) -> int:
    return int(connection.scalar(text("SELECT sum(pg_database_size(oid)) FROM pg_database")) or 0)


def owner_of(connection: Connection) -> Owner:
    row = connection.execute(
        text(
            "SELECT system_identifier::text, left(pg_walfile_name(pg_current_wal_lsn()), 8) FROM pg_control_system()"
        )
    ).one()
    return Owner(row[0], int(row[1], 16))


def archive_until_now(connection: Connection, folder: BackupFolder) -> None:
    """When this returns, whatever was committed before is in the folder, and one commit that came after it.

    That one is needed: recovery to a moment stops at the first transaction that ended later, and fails without one.
    """
    failed_before = archiver(connection).failed_count
    connection.execute(text("SELECT pg_logical_emit_message(true, :mark, '')"), {"mark": MARK})
    segment = connection.scalar(text("SELECT pg_walfile_name(pg_current_wal_insert_lsn() - 1)"))
    connection.execute(text("SELECT pg_switch_wal()"))
    deadline = time.monotonic() + ARCHIVE_WAIT_SECONDS_MAX
    while not (folder.wal / str(segment)).exists():
        state = archiver(connection)
        if time.monotonic() > deadline or state.failed_count > failed_before:
            raise Unavailable(
                f"PostgreSQL could not copy its WAL {state.failed_wal or segment} to {folder.wal}; it tries again "
                "until it can, and keeps what it could not copy. The end of log/postgres.log says why.",
                code="wal_not_archived",
            )
        time.sleep(0.05)


@dataclass(frozen=True)
class Archiver:
    failed_count: int
    failed_wal: str | None


def archiver(connection: Connection) -> Archiver:
    row = connection.execute(text("SELECT failed_count, last_failed_wal FROM pg_stat_archiver")).one()
    return Archiver(*row)


def make_base(connection: Connection, server: Postgres, folder: BackupFolder) -> Base:
    started_at = clock_of(connection)
    made = folder.path / "base" / f"{name_of_base(started_at)}.new"
    # fmt: off
    done = server.run(
        "pg_basebackup", "--pgdata", made / "data", "--wal-method=stream", "--checkpoint=fast",
        "--manifest-checksums=SHA256", "--no-password", "--username=postgres", "--host", server.socket,
        "--port", str(embedded.POSTGRES_PORT),
    )
    # fmt: on
    if done.returncode != 0:
        shutil.rmtree(made, ignore_errors=True)
        raise Unavailable(f"No backup was made: {done.stdout.strip()}", code="backup_failed")
    ended_at = clock_of(connection)
    verify_base(server, made / "data")
    base = Base(
        name_of_base(started_at),
        started_at,
        ended_at,
        disk_bytes(made),
        first_segment_of(made / "data"),
        str(connection.scalar(text("SELECT version_num FROM public.alembic_version"))),
    )
    folder.keep_base(made, base)
    return base


def clock_of(connection: Connection) -> datetime:
    """By the clock that stamps the commits."""
    moment: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    return moment


def first_segment_of(data: Path) -> str:
    """Of the WAL that recovery from this backup begins with."""
    begins = json.loads((data / "backup_manifest").read_text())["WAL-Ranges"][0]
    return segment_of(begins["Timeline"], begins["Start-LSN"])


def verify_base(server: Postgres, data: Path) -> None:
    """Every file against the SHA-256 that pg_basebackup noted. Raises `IntegrityFailure`."""
    done = server.run("pg_verifybackup", "--quiet", data)
    if done.returncode != 0:
        raise IntegrityFailure(
            f"The base backup {data.parent.name} is damaged: {done.stdout.strip()}\n"
            "Use the one before it: `clearinghouse restore --base NAME`; `clearinghouse backup list` names them.",
            code="backup_damaged",
        )


def find_folder(server: Postgres, named: Path | None) -> BackupFolder:
    path = named.absolute() if named else server.backups or server.default_backups
    if not (path / "base").is_dir():
        raise NotFound(
            f"There are no backups in {path}: `clearinghouse backup` makes one, --from names another folder.",
            code="backup_none",
        )
    return BackupFolder(path)


def contents(server: Postgres, folder: BackupFolder) -> Contents:
    bases = folder.bases()
    last = last_moment(server, folder, bases[0].first_segment) if bases else None
    return Contents(folder.path, bases, disk_bytes(folder.path), last)


def last_moment(server: Postgres, folder: BackupFolder, first_segment: str) -> datetime | None:
    """When the last transaction ended that is in the chain; looked for from its end."""
    for segment in reversed(list(folder.segments_from(first_segment))):
        endings = endings_of(server, segment)
        if endings:
            return endings[-1].ended_at
    return None
