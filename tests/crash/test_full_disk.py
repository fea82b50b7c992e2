"""No room left under an installation: tills are told to try again, and what was answered stays."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.crash.books import find_losses
from tests.crash.conftest import MakeDriver
from tests.crash.driver import ORDINARY, Driver
from tests.crash.faults import DATABASE_AWAY, NO_ANSWER
from tests.crash.installation import Installation, an_installation
from tests.waiting import wait_until

DATABASE_FULL = "503 database_full"
DISK_MEGABYTES = 512
FULL_SECONDS = 8.0
# Answers before and after.
SETTLED_BEFORE, SETTLED_AFTER = 100, 100


@contextmanager
def a_small_disk() -> Iterator[Path]:
    """Skips where a file system may not be mounted."""
    folder = Path(tempfile.mkdtemp(prefix="small-disk-", dir="/tmp"))
    options = f"size={DISK_MEGABYTES}m,mode=755"
    try:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, text=True, check=False
        )
    except OSError as error:
        pytest.skip(f"there is no mount: {error}")
    if mounted.returncode != 0:
        folder.rmdir()
        pytest.skip(f"a small disk can't be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
        folder.rmdir()


@pytest.fixture(scope="module")
def disk() -> Iterator[Path]:
    with a_small_disk() as folder:
        yield folder


@pytest.fixture(scope="module")
def installation(disk: Path) -> Iterator[Installation]:
    with an_installation(disk) as found:
        yield found


@contextmanager
def no_room(disk: Path) -> Iterator[None]:
    """Not a byte, whatever is freed meanwhile."""
    ballast = disk / "ballast"
    with ballast.open("wb") as file:
        size = 0
        while free := shutil.disk_usage(disk).free:
            # Somebody else may be quicker to take what was free.
            with suppress(OSError):
                os.posix_fallocate(file.fileno(), size, free)
                size += free
    try:
        yield
    finally:
        ballast.unlink()


def test_a_full_disk_is_told_to_tills_and_loses_nothing(
    installation: Installation, disk: Path, make_driver: MakeDriver
) -> None:
    driver, mark = make_driver(), installation.mark()

    with driver.running():
        driver.wait_for_more(SETTLED_BEFORE)
        with no_room(disk):
            wait_until(lambda: was_told(driver), "tills are told")
            time.sleep(FULL_SECONDS)
        installation.wait_until_whole()
        driver.wait_for_more(SETTLED_AFTER)
    driver.deliver_the_rest()

    assert find_losses(driver, installation) == []
    assert driver.statuses.keys() - ORDINARY <= {DATABASE_FULL, DATABASE_AWAY, NO_ANSWER}, driver.statuses
    assert "No space left on device" in installation.said_since(mark)


def was_told(driver: Driver) -> bool:
    return driver.statuses[DATABASE_FULL] + driver.statuses[DATABASE_AWAY] > 0
