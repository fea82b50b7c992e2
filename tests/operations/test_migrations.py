"""Upgrades beside the tills, with made-up revisions on databases of their own."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from uuid import uuid4

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from apiflask import APIFlask
from sqlalchemy import Engine, create_engine, text

from clearinghouse.app import create_app
from clearinghouse.health.service import MIGRATIONS, newest_revision
from clearinghouse.ledger.checks import check_ledger
from clearinghouse.networks.setup import run_revisions, set_up_database
from migrations import patience
from migrations.lint import lint, sql_since
from settlement.blueprints import BLUEPRINTS
from tenants.foundation.config import Settings
from tenants.foundation.database import db, normal_url
from tenants.foundation.errors import Unavailable
from tests.conftest import NetworkForTests, Till, a_database, new_network
from tests.waiting import wait_until, wait_until_somebody_waits_for

ROOT = Path(__file__).parent.parent.parent
NEWER = "20991231_1000"
REVISION = """
from alembic import op
from migrations.online import create_index, in_batches

revision, down_revision, branch_labels, depends_on = "{revision}", "{before}", None, None

def upgrade():
    {steps}
"""
RUN_ENVIRONMENT = f"import runpy; runpy.run_path({str(MIGRATIONS / 'env.py')!r})\n"
ADD_A_COLUMN = 'op.execute("ALTER TABLE tenants.members ADD COLUMN made_up text")'


@dataclass
class Upgradable:
    app: APIFlask
    owner: Engine
    network: NetworkForTests
    card: str

    @property
    def till(self) -> Till:
        return self.network.tills["A"]

    def revision(self) -> str:
        with self.owner.connect() as connection:
            return str(connection.scalar(text("SELECT version_num FROM public.alembic_version")))

    def scalar(self, sql: str) -> object:
        with self.owner.connect() as connection:
            return connection.scalar(text(sql))


@pytest.fixture
def installation(app: APIFlask, settings: Settings) -> Iterator[Upgradable]:
    """A database of this release with a till; `app` makes the role that everybody connects as."""
    with a_database(settings.database_url) as url:
        own = create_app(replace(settings, database_url=url), BLUEPRINTS)
        owner = create_engine(normal_url(url))
        with own.app_context():
            set_up_database()
            network = new_network(own)
            network.add_till("A")
            yield Upgradable(own, owner, network, network.add_card())
            db.session.remove()
            db.engine.dispose()
        own.extensions["calls"].engine.dispose()
        owner.dispose()


@pytest.fixture
def a_release(tmp_path: Path) -> Callable[..., Path]:
    """Makes the migrations of a release with one more revision."""

    def a_release(*steps: str, before: str | None = None) -> Path:
        folder = tmp_path / uuid4().hex[:6]
        versions = folder / "versions"
        versions.mkdir(parents=True)
        (folder / "env.py").write_text(RUN_ENVIRONMENT)
        (folder / "alembic.ini").write_text((MIGRATIONS / "alembic.ini").read_text())
        for file in (MIGRATIONS / "versions").glob("*.py"):
            (versions / file.name).symlink_to(file)
        source = REVISION.format(revision=NEWER, before=before or newest_revision(), steps="\n    ".join(steps))
        (versions / f"{NEWER}_made_up.py").write_text(source)
        return folder

    return a_release


def bring_to(installation: Upgradable, release: Path, statement_seconds: int = 20) -> None:
    """Of a thread of its own too."""
    with installation.app.app_context():
        run_revisions(release, statement_seconds)


@contextmanager
def held(owner: Engine, table: str, mode: str = "ROW EXCLUSIVE") -> Iterator[None]:
    """By a transaction that is in no hurry."""
    with owner.connect() as connection:
        connection.execute(text(f"LOCK TABLE {table} IN {mode} MODE"))
        yield
        connection.rollback()


def test_the_newest_revision_by_the_names_of_files_is_the_head_of_the_chain() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))

    assert newest_revision() == ScriptDirectory.from_config(config).get_current_head()


def test_an_upgrade_waits_for_a_transaction_that_holds_its_table_and_says_whom_it_waits_for(
    installation: Upgradable, a_release: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    release = a_release(ADD_A_COLUMN)

    with ThreadPoolExecutor(1) as pool, caplog.at_level(logging.WARNING, "migrations"):
        with held(installation.owner, "tenants.members"):
            upgrading = pool.submit(bring_to, installation, release)
            wait_until(lambda: "attempt 2" in caplog.text)
            assert installation.revision() != NEWER
        upgrading.result()

    assert "idle in transaction" in caplog.text and "LOCK TABLE tenants.members" in caplog.text
    assert installation.revision() == NEWER


def test_no_till_queues_for_long_behind_an_upgrade_that_waits(
    installation: Upgradable, a_release: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    """Tills read cards and members; while the upgrade waits for those, they get through between its attempts."""
    release = a_release('op.execute("ALTER TABLE tenants.cards ADD COLUMN made_up text")')
    with ThreadPoolExecutor(1) as pool, caplog.at_level(logging.WARNING, "migrations"):
        with held(installation.owner, "tenants.cards"):
            upgrading = pool.submit(bring_to, installation, release)
            statuses = []
            while "attempt 3" not in caplog.text:
                statuses.append(installation.till.accrue(installation.card, 100).status_code)
        upgrading.result()

    assert set(statuses) == {201} and len(statuses) > 2
    assert check_ledger(installation.network.tenant_id) == []


def test_tills_post_while_a_new_release_is_set_up(installation: Upgradable, a_release: Callable[..., Path]) -> None:
    release = a_release(
        ADD_A_COLUMN,
        'create_index("tenants.members_made_up_idx", "ON tenants.members (tenant_id, made_up)")',
    )
    finished = Event()
    cards = [installation.network.add_card() for _ in range(3)]

    def sell(card: str) -> int:
        sold = 0
        with installation.app.app_context():
            while not finished.is_set() or not sold:
                assert installation.till.accrue(card, 100).status_code == 201
                sold += 1
        return sold

    with ThreadPoolExecutor(4) as pool:
        selling = [pool.submit(sell, card) for card in cards]
        try:
            bring_to(installation, release)
        finally:
            finished.set()
        sold = [each.result() for each in selling]

    assert installation.revision() == NEWER
    assert [installation.till.balance(card)["available"] for card in cards] == sold
    assert check_ledger(installation.network.tenant_id) == []


def test_a_posting_whose_functions_a_release_replaces_under_it_is_posted_by_the_new_ones(
    installation: Upgradable,
) -> None:
    with ThreadPoolExecutor(1) as aside, installation.owner.connect() as release:
        # A posting waits for this lock when it has begun, but has not come to its parts.
        release.execute(
            text("SELECT pg_advisory_xact_lock(ledger.cut_off_key(:tenant))"),
            {"tenant": installation.network.tenant_id},
        )
        posting = aside.submit(installation.till.accrue, installation.card, 100)
        wait_until_somebody_waits_for(release)
        before = release.scalar(text("SELECT pg_get_functiondef('ledger.post'::regproc)"))
        release.execute(text("ALTER FUNCTION ledger.post_run RENAME TO post_events_of_run"))
        release.exec_driver_sql(str(before).replace("ledger.post_run", "ledger.post_events_of_run"))
        release.commit()

    assert posting.result().status_code == 201
    assert installation.till.balance(installation.card)["available"] == 1


def test_the_release_before_goes_on_serving_on_the_newer_database(
    installation: Upgradable, a_release: Callable[..., Path]
) -> None:
    """As it must while the new one is started, and when that is taken back."""
    bring_to(installation, a_release(ADD_A_COLUMN))

    ready = installation.app.test_client().get("/readyz")

    assert ready.status_code == 200, ready.json
    assert installation.till.accrue(installation.card, 100).status_code == 201


def test_of_two_that_set_up_at_once_the_second_waits_and_finds_nothing_to_do(
    installation: Upgradable, a_release: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    release = a_release('op.execute("SELECT pg_sleep(2)")', ADD_A_COLUMN)

    with ThreadPoolExecutor(2) as pool, caplog.at_level(logging.WARNING, "migrations"):
        list(pool.map(lambda _: upgrade_by_a_process(installation, release), range(2)))

    assert installation.revision() == NEWER


def upgrade_by_a_process(installation: Upgradable, release: Path, wait: bool = True) -> subprocess.Popen[str]:
    """As `clearinghouse init` of that release would."""
    source = (
        "import sys\n"
        "from clearinghouse.app import create_app\n"
        "from clearinghouse.networks.setup import run_revisions\n"
        "from tenants.foundation.config import Settings\n"
        "from pathlib import Path\n"
        "app = create_app(Settings(sys.argv[1], 'unix:///nowhere', Path('/nowhere'), bytes(32), rate_limit=False))\n"
        "with app.app_context():\n"
        "    run_revisions(Path(sys.argv[2]))\n"
    )
    url = installation.app.config["OWNER_DATABASE_URL"]
    words = [sys.executable, "-c", source, url, str(release)]
    process = subprocess.Popen(words, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if wait:
        _, complaint = process.communicate(timeout=120)
        assert process.returncode == 0, complaint
    return process


def test_an_upgrade_killed_in_the_middle_leaves_what_was_and_goes_on_when_it_is_run_again(
    installation: Upgradable, a_release: Callable[..., Path]
) -> None:
    before = installation.revision()
    slow = a_release(ADD_A_COLUMN, 'op.execute("SELECT pg_sleep(30)")')

    killed = upgrade_by_a_process(installation, slow, wait=False)
    wait_until(lambda: bool(installation.scalar(SLEEPERS)))
    killed.kill()
    killed.communicate()
    # The server finds out that its client is gone when it has something to say; whoever is in a hurry ends it.
    wait_until(lambda: bool(installation.scalar(END_SLEEPERS)) or not installation.scalar(SLEEPERS))

    assert installation.revision() == before
    assert installation.scalar(HAS_COLUMN) == 0
    assert installation.till.accrue(installation.card, 100).status_code == 201
    bring_to(installation, a_release(ADD_A_COLUMN))
    assert (installation.revision(), installation.scalar(HAS_COLUMN)) == (NEWER, 1)


SLEEPING = "FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'SELECT pg_sleep%'"
SLEEPERS = f"SELECT count(*) {SLEEPING}"
END_SLEEPERS = f"SELECT pg_terminate_backend(pid, 5000) {SLEEPING}"
HAS_COLUMN = "SELECT count(*) FROM information_schema.columns WHERE column_name = 'made_up'"
INDEXES = (
    "SELECT count(*) FROM pg_index WHERE indexrelid::regclass::text = 'tenants.members_made_up_idx' AND indisvalid"
)


def test_an_index_whose_making_was_killed_is_made_when_it_is_run_again(
    installation: Upgradable, a_release: Callable[..., Path]
) -> None:
    making = 'create_index("tenants.members_made_up_idx", "ON tenants.members (tenant_id, name)")'
    release = a_release(making)
    with held(installation.owner, "tenants.members"):
        killed = upgrade_by_a_process(installation, release, wait=False)
        wait_until(lambda: bool(installation.scalar(MAKERS)))
        installation.scalar(END_MAKERS)
        killed.communicate()
    assert killed.returncode != 0
    assert installation.scalar(INDEXES) == 0

    bring_to(installation, release)

    assert (installation.scalar(INDEXES), installation.revision()) == (1, NEWER)


MAKING = "FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'CREATE INDEX CONC%'"
MAKERS = f"SELECT count(*) {MAKING} AND wait_event_type = 'Lock'"
END_MAKERS = f"SELECT pg_terminate_backend(pid, 5000) {MAKING}"


def test_a_column_is_filled_in_batches_until_nothing_is_left(
    installation: Upgradable, a_release: Callable[..., Path]
) -> None:
    for _ in range(25):
        installation.network.add_card()
    some = "SELECT ctid FROM tenants.cards WHERE status = 'active' LIMIT 10"
    batch = f"UPDATE tenants.cards SET status = 'blocked' WHERE ctid IN ({some})"

    bring_to(installation, a_release(f'in_batches("{batch}")'))

    assert installation.scalar("SELECT count(*) FROM tenants.cards WHERE status = 'active'") == 0


def test_a_step_that_takes_too_long_is_undone_and_says_how_to_allow_it(
    installation: Upgradable, a_release: Callable[..., Path]
) -> None:
    with pytest.raises(Unavailable) as refused:
        bring_to(installation, a_release(ADD_A_COLUMN, 'op.execute("SELECT pg_sleep(30)")'), statement_seconds=1)

    assert refused.value.code == "migration_too_long"
    assert "--statement-seconds" in refused.value.message
    assert installation.scalar(HAS_COLUMN) == 0


def test_an_upgrade_that_never_gets_its_lock_gives_up_and_names_who_has_it(
    installation: Upgradable, a_release: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "TRIES_MAX", 1)
    monkeypatch.setattr(patience, "PAUSE_SECONDS", 0.0)

    with held(installation.owner, "tenants.members"), pytest.raises(Unavailable) as refused:
        bring_to(installation, a_release(ADD_A_COLUMN))

    assert refused.value.code == "database_busy"
    assert "LOCK TABLE tenants.members" in refused.value.message
    assert installation.scalar(HAS_COLUMN) == 0


@pytest.mark.parametrize(
    ("step", "rule"),
    [
        ("CREATE INDEX made_up_idx ON tenants.members (tenant_id, name)", "require-concurrent-index-creation"),
        ("ALTER TABLE tenants.members DROP COLUMN name", "ban-drop-column"),
        ("ALTER TABLE tenants.members RENAME COLUMN name TO full_name", "renaming-column"),
        ("ALTER TABLE tenants.members ADD CONSTRAINT a_check CHECK (name <> 'x')", "constraint-missing-not-valid"),
        ("ALTER TABLE tenants.members ALTER COLUMN name TYPE varchar(9)", "changing-column-type"),
    ],
)
def test_a_revision_that_the_release_before_could_not_run_beside_is_refused(
    a_release: Callable[..., Path], capfd: pytest.CaptureFixture[str], step: str, rule: str
) -> None:
    assert lint(sql_since(newest_revision(), a_release(f'op.execute("{step}")'))) != 0

    assert rule in capfd.readouterr().out


def test_long_work_done_in_the_one_way_there_is_passes(a_release: Callable[..., Path]) -> None:
    release = a_release('create_index("tenants.made_up_idx", "ON tenants.members (tenant_id, name)")')

    assert lint(sql_since(newest_revision(), release)) == 0
