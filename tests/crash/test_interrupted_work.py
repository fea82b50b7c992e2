"""Long work that is killed in the middle and run again comes to what it would have come to undisturbed."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import pytest
from rq.job import JobStatus

from clearinghouse.ledger.checks import check_ledger
from settlement.checks.service import check_settlement
from settlement.reports.jobs import enqueue_documents
from settlement.statements.service import load_settlement, render_statements, statement_path
from settlement.windows.jobs import close_due_months
from tenants.foundation.lifetimes import children_of
from tenants.foundation.queue import job_queue
from tests.conftest import NetworkForTests
from tests.crash.conftest import TORTURE_MINUTES, only_torture
from tests.crash.faults import those
from tests.crash.installation import Installation, kill
from tests.crash.twins import JANUARY, STORES, Twins, count, january, lots, make_twins, transfers
from tests.observability.serving import is_running
from tests.waiting import wait_until

# How often work is killed before it may come to its end.
STRIKES = 10 if TORTURE_MINUTES else 1

POSTED = "SELECT count(*) FROM ledger.transfers"
# Until the cut-off points expire; then the month is closed, and then published.
IMPORTED = f"{POSTED} WHERE kind <> 'expiry'"
EXPIRED = f"{POSTED} WHERE kind = 'expiry' AND business_date < '2026-01-26'"
# What the database still works on, also for a client that is dead: a COMMIT that was sent is done.
UNDER_WAY = (
    "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND datname = current_database() "
    "AND pid <> pg_backend_pid() AND state IN ('active', 'idle in transaction')"
)
CLOSED = f"SELECT ({POSTED} WHERE kind = 'expiry') + count(*) + count(published_at) FROM settlement.windows"


@dataclass(frozen=True)
class Work:
    """A command, and how far it has come: a number that grows to `progress_after`.

    `weak_point`: how far it is when it is to be killed in any case.
    """

    words: tuple[str, ...]
    progress: Callable[[], int]
    progress_after: int
    weak_point: int | None = None


def killed_process(installation: Installation, program: subprocess.Popen[str]) -> None:
    program.kill()
    program.communicate()


def killed_database(installation: Installation, program: subprocess.Popen[str]) -> None:
    """The command says in a line what is wrong; `serve` starts PostgreSQL again."""
    kill(installation.postmaster())
    said, errors = program.communicate()
    assert (program.returncode, "error: " in errors) in ((0, False), (1, True)), (said, errors)
    assert "Traceback" not in errors
    installation.wait_until_ready()


STRIKE_AT = {"process": killed_process, "PostgreSQL": killed_database}


@pytest.fixture(scope="module", autouse=True)
def nothing_comes_by_the_clock(installation: Installation) -> Iterator[None]:
    """What the scheduler has expire and close every hour, it would for one twin before the other."""
    scheduler = those(Installation.scheduler, installation)
    kill(scheduler, signal.SIGSTOP)
    yield
    kill(scheduler, signal.SIGCONT)


@pytest.fixture(scope="module")
def twins(installation: Installation, seed: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    """The calm one has closed January."""
    with installation.app.app_context():
        chance = random.Random(f"{seed} twins")
        twins = make_twins(installation.app, [*STRIKE_AT, "job worker"], tmp_path_factory.mktemp("twins"), chance)
        for words in steps(twins):
            finish(installation, *words, "-n", twins.calm.code)
        yield twins


def steps(twins: Twins) -> list[tuple[str, ...]]:
    return [
        ("import", "purchases", str(twins.purchases), "--redeem-up-to-available"),
        ("expire", "--as-of", "2026-01-26"),
        ("window", "close", "2026-01"),
    ]


def finish(installation: Installation, *words: str) -> None:
    program = installation.run(*words)
    said, errors = program.communicate()
    assert program.returncode == 0, (words, said, errors)


def disturb(
    installation: Installation,
    network: NetworkForTests,
    work: Work,
    strike: Callable[..., None],
    chance: random.Random,
) -> None:
    """Run it again and again, struck down somewhere on its way, until it may come to its end."""
    targets = chance.sample(range(work.progress() + 1, work.progress_after), STRIKES)
    if work.weak_point is not None:
        targets.append(work.weak_point)
    for target in sorted(targets):
        program = installation.run(*work.words)
        while work.progress() < target and program.poll() is None:
            time.sleep(0.005)
        strike(installation, program)
    wait_until(lambda: count(network, UNDER_WAY) == 0, "nothing is under way")
    # It may have come to its end under the last strike.
    if work.progress() < work.progress_after:
        finish(installation, *work.words)


@pytest.mark.parametrize("victim", STRIKE_AT)
def test_a_month_killed_at_every_step_equals_an_undisturbed_one_when_the_victim_is(
    victim: str, installation: Installation, twins: Twins, chance: random.Random
) -> None:
    network, strike = twins.struck[victim], STRIKE_AT[victim]
    purchases, expiry, close = [(*words, "-n", network.code) for words in steps(twins)]
    posted, closed = partial(count, network, POSTED), partial(count, network, CLOSED)
    imported, expired, closed_after = (count(twins.calm, sql) for sql in (IMPORTED, EXPIRED, CLOSED))

    disturb(installation, network, Work(purchases, posted, imported), strike, chance)
    disturb(installation, network, Work(expiry, posted, imported + expired), strike, chance)
    disturb(installation, network, Work(close, closed, closed_after, weak_point=closed_after - 1), strike, chance)

    for view in (transfers, lots, january):
        found, expected = view(network), view(twins.calm)
        assert expected and found == expected
    assert check_ledger(network.tenant_id) == []
    assert check_settlement(network.tenant_id) == []
    compare_statements(installation, network, strike, chance)


def compare_statements(
    installation: Installation, network: NetworkForTests, strike: Callable[..., None], chance: random.Random
) -> None:
    """With those that nobody has disturbed; half-written ones are never seen under their names."""
    document = network.settle(JANUARY)
    folder = statement_path(document, "S00").parent
    words = ("settlement", "statement", "-m", "2026-01", "-n", network.code)
    disturb(installation, network, Work(words, lambda: len(list(folder.glob("*.pdf"))), STORES), strike, chance)
    found = {path.name: path.read_bytes() for path in folder.glob("*.pdf")}
    assert len(found) == STORES
    for name in found:
        (folder / name).unlink()

    render_statements(load_settlement(network.tenant_id, JANUARY), [line.store_code for line in document.stores])

    assert {path.name: path.read_bytes() for path in folder.glob("*.pdf")} == found


def test_a_close_whose_worker_is_killed_is_finished_by_the_next_run(
    installation: Installation, twins: Twins, chance: random.Random
) -> None:
    network = twins.struck["job worker"]
    imported, expired, _ = [(*words, "-n", network.code) for words in steps(twins)]
    finish(installation, *imported)
    finish(installation, *expired)
    closed = partial(count, network, CLOSED)
    weak_point = count(twins.calm, CLOSED) - 1

    for target in [*sorted(chance.sample(range(closed() + 1, weak_point), STRIKES)), weak_point]:
        job_queue().enqueue(close_due_months, str(network.tenant_id))
        while closed() < target:
            time.sleep(0.005)
        [worker] = those(Installation.job_worker, installation)
        kill([*children_of(worker), worker])
        wait_until(lambda worker=worker: not is_running(worker), "the job worker has ended")
    last = job_queue().enqueue(close_due_months, str(network.tenant_id))
    wait_until(lambda: last.get_status() == JobStatus.FINISHED, "the last close is finished")

    assert january(network) == january(twins.calm)
    assert check_ledger(network.tenant_id) == []
    assert check_settlement(network.tenant_id) == []


@only_torture
def test_statements_whose_worker_is_killed_are_written_without_anybody_asking_again(
    installation: Installation, twins: Twins
) -> None:
    network = twins.struck["job worker"]
    document = network.settle(JANUARY)
    folder = statement_path(document, "S00").parent

    enqueue_documents(network.tenant_id, document)
    wait_until(lambda: folder.is_dir() and any(folder.iterdir()), "the first statement is written")
    [worker] = those(Installation.job_worker, installation)
    kill([*children_of(worker), worker])

    # Whether a job is dead is known when its worker has been silent for a while.
    wait_until(lambda: len(list(folder.glob("*.pdf"))) == STORES, "all are written", seconds_max=600)
