"""Many acts at the same moment. Real threads and processes, each with connections of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import partial
from threading import Barrier
from typing import Any

import pytest
from apiflask import APIFlask
from sqlalchemy import Engine, text

from settlement.approvals.service import approve
from settlement.proposals.service import propose, reject
from settlement.windows.service import close_month
from tenants.foundation.acts import Act, acting
from tenants.foundation.config import Settings
from tenants.foundation.database import db, unit_of_work
from tenants.foundation.errors import ClearinghouseError
from tenants.members.service import create_member
from tenants.staff.rules import APPROVER, PREPARER
from tests.audit.entries import entries_of, wrong_entries
from tests.conftest import ROOT, NetworkForTests
from tests.waiting import wait_until_somebody_waits_for

THREADS = 8
ACTS = 200
JANUARY = date(2026, 1, 1)

Job = Callable[[], Any]


@pytest.fixture(autouse=True)
def one_chain_afterwards(network: NetworkForTests) -> Iterator[None]:
    yield
    entries = entries_of(network.tenant_id)
    assert [entry.sequence for entry in entries] == list(range(1, len(entries) + 1))
    assert wrong_entries(network.tenant_id) == []


def at_once(app: APIFlask, jobs: Sequence[Job]) -> list[Any]:
    """Each job's value or its exception, in the order of the jobs."""
    barrier = Barrier(min(len(jobs), THREADS))

    def run(job: Job) -> Any:
        with app.app_context():
            try:
                return job()
            except Exception as error:
                return error

    with ThreadPoolExecutor(THREADS, initializer=barrier.wait) as pool:
        return list(pool.map(run, jobs))


def test_acts_at_once_make_one_chain_without_gaps(app: APIFlask, network: NetworkForTests) -> None:
    before = len(entries_of(network.tenant_id))

    results = at_once(app, [partial(create_member, network.tenant_id, f"M-{n}") for n in range(ACTS)])

    assert not [result for result in results if isinstance(result, Exception)]
    assert len(entries_of(network.tenant_id)) == before + ACTS


def test_every_request_that_was_answered_has_its_entry(app: APIFlask, network: NetworkForTests) -> None:
    def ask(number: int) -> str:
        answer = network.hq("POST", "/v1/members", {"reference": f"M-{number % 50}"})
        return answer.json["member_id"] if answer.status_code == 201 else answer.json["code"]

    made = [
        answer for answer in at_once(app, [partial(ask, n) for n in range(ACTS)]) if str(answer).startswith("mem_")
    ]

    entered = [words for entry in entries_of(network.tenant_id) for words in entry.written]
    assert len(made) == 50
    assert [entered.count(f"members {member_id}") for member_id in made] == [1] * 50


def test_closing_proposing_and_approving_beside_other_acts_lock_nobody_out(
    app: APIFlask, network: NetworkForTests, card: str
) -> None:
    network.tills["A"].accrue(card, 10_000, occurred_at="2026-01-10T12:00:00Z")
    people = [network.person(PREPARER, APPROVER) for _ in range(4)]
    close_month(network.tenant_id, JANUARY, "test")
    jobs: list[Job] = []
    for person in people:
        jobs += [
            partial(propose, network.tenant_id, JANUARY, person),
            partial(approve, network.tenant_id, JANUARY, person),
            partial(reject, network.tenant_id, JANUARY, person, "wrong"),
        ]
    jobs += [partial(create_member, network.tenant_id) for _ in range(40)]
    jobs += [partial(network.tills["B"].accrue, card, 100) for _ in range(40)]

    results = at_once(app, jobs)

    unexpected = [
        result for result in results if isinstance(result, Exception) and not isinstance(result, ClearinghouseError)
    ]
    assert unexpected == []


def test_acts_beside_the_close_of_a_month_lock_nobody_out(app: APIFlask, network: NetworkForTests, card: str) -> None:
    jobs: list[Job] = [partial(close_month, network.tenant_id, JANUARY, "test")]
    jobs += [partial(create_member, network.tenant_id) for _ in range(60)]
    jobs += [partial(network.tills["A"].accrue, card, 100, occurred_at="2026-01-10T12:00:00Z") for _ in range(60)]

    results = at_once(app, jobs)

    assert not [result for result in results if isinstance(result, Exception)]


def test_who_waits_for_a_row_does_not_hold_up_the_chain(app: APIFlask, network: NetworkForTests) -> None:
    """The chain is locked after everything else: an act that waits for a row has not locked it."""
    lock = text("SELECT 1 FROM tenants.stores WHERE code = 'A' FOR UPDATE")

    def rename() -> None:
        act = Act("program", "waiter", "a test")
        with app.app_context(), acting(act), unit_of_work(network.tenant_id) as session:
            session.execute(text("UPDATE tenants.stores SET name = 'x' WHERE code = 'A'"))

    with db.engine.connect() as holder, ThreadPoolExecutor(1) as pool:
        holder.execute(text("SELECT set_config('app.tenant_id', :t, true)"), {"t": str(network.tenant_id)})
        holder.execute(lock)
        waiting = pool.submit(rename)
        wait_until_somebody_waits_for(holder)
        create_member(network.tenant_id, "M-1")
        holder.rollback()
        waiting.result()

    actors = [entry.actor for entry in entries_of(network.tenant_id)]
    assert actors[-2:] == ["unsaid", "waiter"]


KILLED = """
import sys
from uuid import UUID
from clearinghouse.app import create_app
from tenants.foundation.config import load_settings
from tenants.members.service import create_member
app = create_app(load_settings())
with app.app_context():
    print("ready", flush=True)
    while True:
        create_member(UUID(sys.argv[1]))
"""


def test_a_process_that_is_killed_leaves_every_act_with_its_entry(
    settings: Settings, network: NetworkForTests, owner: Engine
) -> None:
    environment = {
        **os.environ,
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "CLEARINGHOUSE_VAR": str(settings.var),
    }
    for _ in range(3):
        command = [sys.executable, "-c", KILLED, str(network.tenant_id)]
        with subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None and child.stdout.readline() == b"ready\n"
            time.sleep(0.3)
            child.send_signal(signal.SIGKILL)

    with owner.connect() as connection:
        wait_until_gone(connection, network)
        counted = text("SELECT count(*) FROM tenants.members WHERE tenant_id = :tenant")
        members = connection.scalar(counted, {"tenant": network.tenant_id})
    entered = [words for entry in entries_of(network.tenant_id) for words in entry.written]
    assert members == len([words for words in entered if words.startswith("members ")]) > 0


def wait_until_gone(connection: Any, network: NetworkForTests) -> None:
    """What a killed process was committing may still be committed."""
    held = text(
        "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database "
        "WHERE locktype = 'advisory' AND datname = current_database()"
    )
    while connection.scalar(held):
        time.sleep(0.01)
        connection.rollback()
