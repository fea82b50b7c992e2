from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from clearinghouse.backups.rules import (
    Base,
    bases_to_drop,
    choose_base,
    endings_in,
    files_to_drop,
    name_of_base,
    next_segment,
    segment_of,
)
from tenants.foundation.embedded import ARCHIVE_WAL


def base(hour: int) -> Base:
    ended_at = datetime(2026, 11, 22, hour, tzinfo=UTC)
    return Base(name_of_base(ended_at), ended_at, ended_at, 1, f"{hour:024X}", "20261122_1720")


BASES = [base(8), base(10), base(12)]


@pytest.mark.parametrize(
    ("position", "segment"),
    [
        ("0/0", "000000010000000000000000"),
        ("0/3000028", "000000010000000000000003"),
        ("0/FFFFFFFF", "0000000100000000000000FF"),
        ("2A/1000000", "000000010000002A00000001"),
    ],
)
def test_a_wal_position_is_in_the_segment_that_postgresql_says(position: str, segment: str) -> None:
    assert segment_of(1, position) == segment


@pytest.mark.parametrize(
    ("segment", "following"),
    [
        ("000000010000000000000003", "000000010000000000000004"),
        ("0000000100000000000000FF", "000000010000000100000000"),
        ("00000002000000FF000000FF", "000000020000010000000000"),
    ],
)
def test_segments_follow_each_other_without_a_gap(segment: str, following: str) -> None:
    assert next_segment(segment) == following


@pytest.mark.parametrize(
    ("hour", "minute", "chosen"),
    [(7, 59, None), (8, 0, "20261122T080000000Z"), (11, 59, "20261122T100000000Z"), (23, 0, "20261122T120000000Z")],
)
def test_a_moment_is_restored_from_the_newest_backup_finished_by_then(
    hour: int, minute: int, chosen: str | None
) -> None:
    found = choose_base(BASES, datetime(2026, 11, 22, hour, minute, tzinfo=UTC))

    assert (found and found.name) == chosen


def test_all_there_is_is_restored_from_the_newest_backup() -> None:
    found = choose_base(BASES, None)

    assert found is not None and found.name == "20261122T120000000Z"


@pytest.mark.parametrize(("keep", "dropped"), [(1, [10, 8]), (2, [8]), (3, []), (9, [])])
def test_the_newest_backups_are_kept(keep: int, dropped: list[int]) -> None:
    assert [each.ended_at.hour for each in bases_to_drop(BASES, keep)] == dropped


def test_wal_that_no_backup_needs_is_dropped_with_all_that_lies_beside_it() -> None:
    old, needed = "000000010000000000000004", "000000010000000000000005"
    beside = [old, f"{old}.b2", f"{old}.00000028.backup", f"{old}.part"]

    assert files_to_drop([*beside, needed, f"{needed}.b2", "00000001.history"], needed) == beside


def test_what_tills_committed_is_told_from_marks_and_from_what_was_given_up() -> None:
    told = """
rmgr: LogicalMessage len (rec/tot):     74/    74, tx:        746, lsn: 0/06000028, prev 0/05000128, desc: MESSAGE transactional, prefix "clearinghouse.archive"; payload (0 bytes):
rmgr: Transaction len (rec/tot):     46/    46, tx:        746, lsn: 0/06000078, prev 0/06000028, desc: COMMIT 2026-11-22 10:15:00.000001 UTC; inval msgs: catcache 7
rmgr: Transaction len (rec/tot):     34/    34, tx:       1747, lsn: 0/060000A8, prev 0/06000078, desc: COMMIT 2026-11-22 10:15:01 UTC
rmgr: Transaction len (rec/tot):     34/    34, tx:       1748, lsn: 0/060000D8, prev 0/060000A8, desc: ABORT 2026-11-22 10:15:02.5 UTC
"""  # noqa: E501

    endings = endings_in(told)

    assert [ending.changed for ending in endings] == [False, True, False]
    assert endings[0].ended_at == datetime(2026, 11, 22, 10, 15, 0, 1, tzinfo=UTC)


def archive(source: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    words = ["sh", ARCHIVE_WAL, source, "000000010000000000000001", folder]
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)


def test_archiving_the_same_wal_again_succeeds_and_another_of_its_name_is_refused(tmp_path: Path) -> None:
    folder, source, other = tmp_path / "wal", tmp_path / "source", tmp_path / "other"
    folder.mkdir()
    source.write_bytes(b"points" * 4096 + bytes(65536))
    other.write_bytes(b"others" * 4096 + bytes(65536))

    assert archive(source, folder).returncode == 0
    assert archive(source, folder).returncode == 0
    refused = archive(other, folder)

    assert refused.returncode == 1
    assert "two databases must not share a backup folder" in refused.stderr
    assert (folder / "000000010000000000000001").read_bytes() == source.read_bytes()
    assert sorted(path.name for path in folder.iterdir()) == [
        "000000010000000000000001",
        "000000010000000000000001.b2",
    ]


def test_wal_that_cannot_be_archived_stays_with_postgresql(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"points")

    assert archive(source, tmp_path / "not-mounted").returncode != 0
