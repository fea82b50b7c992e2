"""Tills go on while something breaks: nothing is lost, nothing doubled, and nobody has to mend anything by hand."""

from __future__ import annotations

import random
import re
import time

import pytest

from clearinghouse.holds.service import list_due, release_overdue_everywhere
from clearinghouse.webhooks.service import create_endpoint
from tenants.foundation.queue import job_queue
from tests.crash.books import find_losses
from tests.crash.conftest import TORTURE_MINUTES, MakeDriver, only_torture
from tests.crash.driver import ORDINARY, Line
from tests.crash.faults import DATABASE_AWAY, FAULTS, NO_ANSWER, Fault, all_of_the_jobs, both_servers, kill_all
from tests.crash.installation import Installation
from tests.waiting import wait_until
from tests.webhooks.conftest import Receiver

# Answers before a fault comes, and after it is over.
SETTLED_BEFORE, SETTLED_AFTER = 100, 100
LOG_SECONDS_MAX = 30


def one_by_one(fault: Fault) -> object:
    marks = [only_torture] if fault.is_special else []
    return pytest.param(fault, id=fault.name.replace(" ", "-"), marks=marks)


@pytest.mark.parametrize("fault", [one_by_one(fault) for fault in FAULTS])
def test_nothing_is_lost_or_doubled_when(
    fault: Fault, installation: Installation, make_driver: MakeDriver, chance: random.Random
) -> None:
    driver, mark = make_driver(), installation.mark()

    with driver.running():
        driver.wait_for_more(SETTLED_BEFORE)
        fault.inject(installation, driver, chance)
        installation.wait_until_whole()
        driver.wait_for_more(SETTLED_AFTER)
    driver.deliver_the_rest()

    assert find_losses(driver, installation) == [], installation.said_since(mark)[-5000:]
    seen = driver.statuses.keys() - ORDINARY
    assert seen == set(fault.seen), (driver.statuses, driver.who_saw(seen - set(fault.seen)))
    wait_until(
        lambda: re.search(fault.log, installation.said_since(mark)),
        lambda: f"a log says {fault.log}, and not only {installation.said_since(mark)[-5000:]}",
        LOG_SECONDS_MAX,
    )


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
        before = driver.settled()
        with driver.running(connections=2):
            driver.wait_for_more(SETTLED_BEFORE // 2)
            kill_all(all_of_the_jobs, installation, driver, chance)
            kill_all(both_servers, installation, driver, chance)
            installation.wait_until_whole()
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
            driver.wait_for_more(SETTLED_BEFORE)
            for fault in faults:
                fault.inject(installation, driver, chance)
                time.sleep(chance.uniform(0, 3))
            installation.wait_until_whole()
            driver.wait_for_more(SETTLED_AFTER)
        driver.deliver_the_rest()
        rounds += 1
        print(f"{rounds}: {', '.join(fault.name for fault in faults)}: {dict(driver.statuses)}", flush=True)

        assert find_losses(driver, installation) == []
        assert driver.statuses.keys() - ORDINARY <= {NO_ANSWER, DATABASE_AWAY}
