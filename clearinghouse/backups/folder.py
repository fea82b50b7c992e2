"""A backup folder: base backups in `base/`, the WAL since the oldest of them in `wal/`.

`base/NAME/data` is what pg_basebackup made, `base/NAME/backup.json` says what it is. `database.json` says whose they
are: one folder holds the backups of one database and one timeline, so that its WAL is one unbroken chain.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from clearinghouse.backups.rules import (
    Base,
    Ending,
    bases_to_drop,
    endings_in,
    files_to_drop,
    is_segment,
    next_segment,
)
from tenants.foundation.embedded import Postgres
from tenants.foundation.errors import Conflict, IntegrityFailure
from tenants.foundation.files import put_in_place

BLOCK_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Owner:
    """Whose WAL it is: restoring a database begins another timeline."""

    system_identifier: str
    timeline: int


@dataclass(frozen=True)
class Segment:
    """`gap_before`: the name of the segment that is missing between the one before and this."""

    name: str
    path: Path
    gap_before: str | None = None


@dataclass(frozen=True)
class BackupFolder:
    path: Path

    @property
    def wal(self) -> Path:
        return self.path / "wal"

    def data_of(self, name: str) -> Path:
        return self.path / "base" / name / "data"

    def bases(self) -> list[Base]:
        """Oldest first. One that was never finished has no backup.json."""
        found = [read_base(file) for file in (self.path / "base").glob("*/backup.json")]
        return sorted(found, key=lambda base: base.ended_at)

    def keep_base(self, made: Path, base: Base) -> None:
        """Give the finished backup in `made` its name: only from now on it counts."""
        told = {name: str(value) if isinstance(value, datetime) else value for name, value in asdict(base).items()}
        put_in_place(made / "backup.json", json.dumps(told, indent=2).encode())
        made.rename(self.path / "base" / base.name)
        sync_folder(self.path / "base")

    def segments_from(self, first: str) -> Iterator[Segment]:
        """Of the chain that begins with `first`, in order, up to the newest there is."""
        expected = first
        for name in sorted(filter(is_segment, os.listdir(self.wal))):
            if name >= first:
                yield Segment(name, self.wal / name, None if name == expected else expected)
                expected = next_segment(name)

    def check_owner(self, owner: Owner) -> None:
        """Raises `Conflict` when another database's backups are here."""
        if self._whose.exists() and json.loads(self._whose.read_text()) != asdict(owner):
            raise Conflict(
                f"{self.path} holds the backups of another database, or of this one before it was restored: "
                "name a folder of its own with --to.",
                code="backup_folder_taken",
            )

    def claim(self, owner: Owner) -> None:
        if not self._whose.exists():
            put_in_place(self._whose, json.dumps(asdict(owner)).encode())

    @property
    def is_there(self) -> bool:
        return self._whose.exists()

    @property
    def _whose(self) -> Path:
        return self.path / "database.json"

    def prune(self, keep: int) -> list[Base]:
        """Delete all base backups but the newest `keep`, unfinished ones, and the WAL that none of the rest needs."""
        dropped = bases_to_drop(self.bases(), keep)
        for base in dropped:
            # First what makes it count, so that a killed deletion leaves no half of a backup.
            (self.path / "base" / base.name / "backup.json").unlink()
        for folder in (self.path / "base").iterdir():
            if not (folder / "backup.json").exists():
                shutil.rmtree(folder)
        kept = self.bases()
        if kept:
            for name in files_to_drop(os.listdir(self.wal), kept[0].first_segment):
                # What PostgreSQL was just copying has another name by now.
                (self.wal / name).unlink(missing_ok=True)
        return dropped

    @contextmanager
    def one_at_a_time(self) -> Iterator[None]:
        """The kernel drops the lock with the process that held it."""
        descriptor = os.open(self.path / "backup.lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            refuse_a_second(descriptor, self.path)
            yield
        finally:
            os.close(descriptor)


def refuse_a_second(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise Conflict(
            f"Another backup into {folder} is being made: wait for it, then look at `clearinghouse backup list`.",
            code="backup_running",
        ) from error


def read_base(file: Path) -> Base:
    told = json.loads(file.read_text())
    moments = {name: datetime.fromisoformat(told[name]) for name in ("started_at", "ended_at")}
    return Base(**{**told, **moments})


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def disk_bytes(folder: Path) -> int:
    """What it takes on the disk: much of a WAL segment that was ended early is a hole."""
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*"))


def check_segment(segment: Segment) -> None:
    """Raises `IntegrityFailure` unless its sum is the one that was written beside it."""
    told = segment.path.with_name(f"{segment.name}.b2")
    if not told.exists() or told.read_text().split()[0] != sum_of(segment.path):
        raise IntegrityFailure(
            f"The WAL segment {segment.path} is damaged: its sum is not the one that was kept with it. "
            "Put back a copy of it, or restore to a moment before it.",
            code="backup_damaged",
        )


def sum_of(path: Path) -> str:
    digest = hashlib.blake2b()
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def endings_of(server: Postgres, segment: Segment) -> list[Ending]:
    # Its status tells only that the file ends where the next begins.
    return endings_in(server.run("pg_waldump", "--rmgr=Transaction", "--rmgr=LogicalMessage", segment.path).stdout)


def archived_at(segment: Segment) -> datetime:
    return datetime.fromtimestamp(segment.path.stat().st_mtime, UTC)
