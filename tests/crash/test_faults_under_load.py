"""Tills go on while something breaks: nothing is lost, nothing doubled, and nobody has to mend anything by hand."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator

import pytest

from clearinghouse.holds.service import list_due, release_overdue_everywhere
from clearinghouse.webhooks.service import create_endpoint
from tenants.foundation.queue import job_queue
from tests.conftest import new_network
from tests.crash.books import find_losses
from tests.crash.conftest import TORTURE_MINUTES, only_torture
from tests.crash.driver import Driver, Line
from tests.crash.faults import DATABASE_AWAY, FAULTS, NO_ANSWER, Fault, all_of_the_jobs, both_servers, kill_all
from tests.crash.installation import HTTP_WORKERS, Installation, wait_until
from tests.webhooks.conftest import Receiver

# Answers before a fault comes, and after it is over.
SETTLED_BEFORE, SETTLED_AFTER = 100, 100
# What tills see without any fault. They send faster than a till may.
ORDINARY = {"201", "posted in a batch", "replayed in a batch", "429 rate_limited"}

MakeDriver = Callable[[], Driver]


@pytest.fixture
def make_driver(installation: Installation, chance: random.Random) -> Iterator[MakeDriver]:
    """Of a network of its own, whose members have points."""

    def make() -> Driver:
        network = new_network(installation.app)
        for store_code in "ABCD":
            network.add_till(store_code)
        driver = Driver(network, installation.port, chance.randrange(10**9))
        driver.fund()
        return driver

    with installation.app.app_context():
        yield make


def settled(driver: Driver) -> int:
    return sum(event.is_settled for event in driver.events)


def wait_for_more(driver: Driver, count: int) -> None:
    until = settled(driver) + count
    wait_until(lambda: settled(driver) >= until, f"{count} more answers, after {driver.statuses}")


def wait_until_whole(installation: Installation) -> None:
    installation.wait_until_ready()
    wait_until(lambda: len(installation.http_workers()) == HTTP_WORKERS, "all HTTP workers are back")
    wait_until(lambda: len(all_of_the_jobs(installation)) == 3, "workers and scheduler are back")


def one_by_one(fault: Fault) -> object:
    marks = [only_torture] if fault.is_special else []
    return pytest.param(fault, id=fault.name.replace(" ", "-"), marks=marks)


@pytest.mark.parametrize("fault", [one_by_one(fault) for fault in FAULTS])
def test_nothing_is_lost_or_doubled_when(
    fault: Fault, installation: Installation, make_driver: MakeDriver, chance: random.Random
) -> None:
    driver, mark = make_driver(), installation.mark()

    with driver.running():
        wait_for_more(driver, SETTLED_BEFORE)
        fault.inject(installation, driver, chance)
        wait_until_whole(installation)
        wait_for_more(driver, SETTLED_AFTER)
    driver.deliver_the_rest()

    assert find_losses(driver, installation) == []
    seen = driver.statuses.keys() - ORDINARY
    assert seen == set(fault.seen), (driver.statuses, driver.who_saw(seen - set(fault.seen)))
    assert re.search(fault.log, installation.said_since(mark)), installation.said_since(mark)[-3000:]


def test_after_all_of_it_holds_run_out_and_every_event_reaches_its_receiver(
    installation: Installation, make_driver: MakeDriver, chance: random.Random
) -> None:
    """Workers, scheduler, PostgreSQL and Redis have gone away under the jobs."""
    driver, receiver = make_driver(), Receiver()
    tenant_id = driver.network.tenant_id
    try:
        create_endpoint(tenant_id, receiver.url)
        line, till = Line(driver), driver.tills[0]
        for card in driver.cards[till]:
            driver.deliver(line, driver.event(till, "hold", card, points=1, expires_in=1))
        line.close()
        before = settled(driver)
        with driver.running(connections=2):
            wait_for_more(driver, SETTLED_BEFORE // 2)
            kill_all(all_of_the_jobs, installation, driver, chance)
            kill_all(both_servers, installation, driver, chance)
            wait_until_whole(installation)
        driver.deliver_the_rest()
        if not TORTURE_MINUTES:
            # Else the scheduler has its minute to come to it.
            job_queue().enqueue(release_overdue_everywhere)

        wait_until(lambda: not list_due(tenant_id), "the holds whose time is up are released")
        expected = {event.transfer["transfer_id"] for event in driver.events[before:] if event.transfer}
        wait_until(lambda: expected <= reached(receiver), "every event reaches its receiver")
    finally:
        receiver.stop()


def reached(receiver: Receiver) -> set[str]:
    """The transfers of calls that were accepted, some of them perhaps twice."""
    return {call.data["transfer_id"] for call in receiver.accepted}


@only_torture
def test_nothing_is_lost_or_doubled_in_minutes_of_faults_that_overlap(
    installation: Installation, make_driver: MakeDriver, chance: random.Random
) -> None:
    until, rounds = time.monotonic() + 60 * TORTURE_MINUTES, 0
    while time.monotonic() < until:
        driver, faults = make_driver(), chance.sample(FAULTS, chance.randint(1, 4))
        with driver.running(connections=chance.choice((4, 8, 16))):
            wait_for_more(driver, SETTLED_BEFORE)
            for fault in faults:
                fault.inject(installation, driver, chance)
                time.sleep(chance.uniform(0, 3))
            wait_until_whole(installation)
            wait_for_more(driver, SETTLED_AFTER)
        driver.deliver_the_rest()
        rounds += 1
        print(f"{rounds}: {', '.join(fault.name for fault in faults)}: {dict(driver.statuses)}", flush=True)

        assert find_losses(driver, installation) == []
        assert driver.statuses.keys() - ORDINARY <= {NO_ANSWER, DATABASE_AWAY}
