"""Documents appear whole or not at all."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tenants.foundation.errors import Unavailable
from tenants.foundation.files import put_in_place


def test_content_arrives_in_a_folder_that_did_not_exist(tmp_path: Path) -> None:
    put_in_place(tmp_path / "2026-11" / "statements" / "S1.pdf", b"whole")

    assert (tmp_path / "2026-11" / "statements" / "S1.pdf").read_bytes() == b"whole"


def test_second_run_replaces_the_first_and_leaves_nothing_else(tmp_path: Path) -> None:
    put_in_place(tmp_path / "S1.pdf", b"first")
    put_in_place(tmp_path / "S1.pdf", b"second")

    assert (tmp_path / "S1.pdf").read_bytes() == b"second"
    assert os.listdir(tmp_path) == ["S1.pdf"]


def test_document_is_as_readable_as_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "ordinary").write_bytes(b"")
    put_in_place(tmp_path / "S1.pdf", b"whole")

    assert (tmp_path / "S1.pdf").stat().st_mode == (tmp_path / "ordinary").stat().st_mode


def test_write_that_stops_half_way_keeps_the_document_of_before(tmp_path: Path) -> None:
    path = tmp_path / "S1.pdf"
    put_in_place(path, b"of before")

    with file_size_limit(4096), pytest.raises(Unavailable) as refusal:
        put_in_place(path, b"x" * 8192)

    assert refusal.value.code == "output_not_written"
    assert path.read_bytes() == b"of before"
    assert os.listdir(tmp_path) == ["S1.pdf"]


def test_full_disk_leaves_no_half_written_file(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        with pytest.raises(Unavailable) as refusal:
            put_in_place(disk / "S1.pdf", b"x" * 1_000_000)

        assert refusal.value.code == "output_not_written"
        assert os.listdir(disk) == []


def test_refusal_says_which_file_why_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "statements").write_bytes(b"a file where the folder should be")

    with pytest.raises(Unavailable) as refusal:
        put_in_place(tmp_path / "statements" / "S1.pdf", b"whole")

    assert refusal.value.code == "output_not_written"
    assert refusal.value.details == {"path": str(tmp_path / "statements" / "S1.pdf")}
    assert f"{tmp_path}/statements/S1.pdf was not written: " in refusal.value.message
    assert "run the same command again" in refusal.value.message


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Writes beyond `size` bytes of any file fail with EFBIG, as Python ignores the signal."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of 64 KiB, where the machine lets us mount one."""
    disk = folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small tmpfs needs root and the right to mount")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)
