"""The clock is set forward and back under the tills: the order of the ledger does not hang on it.

What the program takes for now jumps in all its processes; PostgreSQL's and Redis's time does not, as on servers of
their own. The machine's clock is everybody's; libfaketime (0.9.10) sets back time that only goes forward as well, or
else makes Python's sleep fail.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.crash.books import find_losses
from tests.crash.conftest import MakeDriver
from tests.crash.driver import ORDINARY, Driver
from tests.crash.installation import Installation, an_installation
from tests.waiting import wait_until

SHIFTED_CLOCK = Path(__file__).parent / "shifted_clock"
HOUR, DAY = 3_600, 86_400
# Seconds from the right time, one after the other. Some of them lie in another month.
JUMPS = (HOUR, -HOUR, 20 * DAY, -20 * DAY, 0)


@pytest.fixture(scope="module")
def clock_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("clock") / "offset"
    file.write_text("0")
    return file


@pytest.fixture(scope="module")
def installation(clock_file: Path) -> Iterator[Installation]:
    paths = f"{SHIFTED_CLOCK}{os.pathsep}{ROOT}"
    with an_installation(PYTHONPATH=paths, SHIFTED_CLOCK=str(clock_file)) as found:
        yield found


def set_clock(file: Path, seconds: int) -> None:
    """Whoever reads it meanwhile sees one or the other."""
    new = file.with_suffix(".new")
    new.write_text(str(seconds))
    new.rename(file)


def offset_now(driver: Driver) -> timedelta:
    """By how much the newest posting's moment is off."""
    newest = next(event.transfer for event in reversed(driver.events) if event.transfer)
    return datetime.fromisoformat(newest["occurred_at"]) - datetime.now(UTC)


def test_nothing_is_lost_or_doubled_when_the_clock_jumps(
    installation: Installation, clock_file: Path, make_driver: MakeDriver
) -> None:
    driver = make_driver()

    with driver.running():
        for seconds in JUMPS:
            set_clock(clock_file, seconds)
            jumped = timedelta(seconds=seconds)
            wait_until(
                lambda: abs(offset_now(driver) - jumped) < timedelta(minutes=5),  # noqa: B023
                f"postings are of the clock's new time, {jumped}",
            )
            driver.wait_for_more(50)
    driver.deliver_the_rest()

    assert find_losses(driver, installation) == []
    assert driver.statuses.keys() <= ORDINARY
    assert driver.settled() == len(driver.events)
