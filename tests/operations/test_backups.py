"""Backups of an embedded PostgreSQL of this module's own, and restoring them, on the command line."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from apiflask import APIFlask
from click.testing import CliRunner, Result

from clearinghouse.app import create_app
from clearinghouse.backups.rules import endings_in
from clearinghouse.ledger.checks import check_ledger
from clearinghouse.networks.setup import set_up_database
from cli import clearinghouse, explain
from settlement.blueprints import BLUEPRINTS
from tenants.foundation import clock, embedded
from tenants.foundation.config import Settings
from tests.conftest import NetworkForTests, Till, new_network
from tests.waiting import wait_until

SECRET = b"only for tests, thirty-two bytes"


@dataclass
class World:
    """A running installation with one till, one card, and a backup before anything was posted."""

    folder: Path
    settings: Settings
    app: APIFlask
    network: NetworkForTests
    card: str
    first_backup: dict[str, Any]

    @property
    def var(self) -> Path:
        return self.settings.var

    @property
    def backups(self) -> Path:
        return self.folder / "kept"

    @property
    def till(self) -> Till:
        return self.network.tills["A"]

    def run(self, *words: str, **environment: str) -> Result:
        env = {"CLEARINGHOUSE_VAR": str(self.var), "DATABASE_URL": None, "REDIS_URL": None, **environment}
        return CliRunner().invoke(clearinghouse, words, env=env, obj=lambda: self.app)

    def run_json(self, *words: str) -> Any:
        result = self.run(*words, "--json")
        assert result.exit_code == 0, (result.output, result.exception)
        return json.loads(result.stdout)

    def refusal(self, *words: str, **environment: str) -> tuple[str, str]:
        """The code and the message of a command that fails and says why."""
        result = self.run(*words, **environment)
        assert result.exit_code == 1 and result.exception is not None, result.output
        assert explain(result.exception), repr(result.exception)
        return result.exception.code, result.exception.message

    def sell(self, count: int) -> None:
        for _ in range(count):
            answer = self.till.accrue(self.card, 1000)
            assert answer.status_code == 201, answer.json


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    # Not pytest's tmp_path: that is closed to PostgreSQL's user when root runs the tests.
    folder = Path(tempfile.mkdtemp(prefix="backups-", dir="/tmp"))
    folder.chmod(0o755)
    var = folder / "var"
    try:
        servers = embedded.start(var)
        assert servers.database_url and servers.redis_url
        settings = Settings(servers.database_url, servers.redis_url, var, SECRET, rate_limit=False)
        app = create_app(settings, BLUEPRINTS)
        with app.app_context():
            set_up_database()
            network = new_network(app)
            network.add_till("A")
            world = World(folder, settings, app, network, network.add_card(), {})
        world.first_backup = world.run_json("backup", "--to", str(world.backups))
        yield world
    finally:
        embedded.leave(var)
        embedded.destroy(var)
        shutil.rmtree(folder)


@pytest.fixture
def into(world: World) -> Iterator[Path]:
    into = world.folder / "restored"
    yield into
    forget(into)


def forget(into: Path) -> None:
    embedded.leave(into)
    embedded.destroy(into)
    shutil.rmtree(into, ignore_errors=True)


@contextmanager
def restored_app(world: World, into: Path) -> Iterator[APIFlask]:
    """The program on the restored database, with the queue and the secret key of before."""
    url = embedded.start(into, redis=False).database_url
    assert url is not None
    app = create_app(Settings(url, world.settings.redis_url, into, SECRET, rate_limit=False), BLUEPRINTS)
    with app.app_context():
        yield app


def a_moment_later() -> datetime:
    """A moment between what is done before and what is done after."""
    time.sleep(0.01)
    moment = clock.now()
    time.sleep(0.01)
    return moment


@contextmanager
def damaged(path: Path) -> Iterator[None]:
    """One bit of it is another."""
    whole, state = path.read_bytes(), path.stat()
    place = len(whole) // 3
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    yield
    path.write_bytes(whole)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


@contextmanager
def missing(path: Path) -> Iterator[None]:
    away = path.with_name(f"{path.name}.away")
    path.rename(away)
    yield
    away.rename(path)


def segments(world: World) -> list[Path]:
    return sorted(path for path in (world.backups / "wal").iterdir() if len(path.name) == 24)


def test_a_restore_to_a_moment_has_what_was_posted_by_then_and_the_tills_go_on(world: World, into: Path) -> None:
    before = world.till.balance(world.card)["available"]
    world.sell(3)
    at = a_moment_later()
    world.sell(2)

    told = world.run_json("restore", "--at", at.isoformat(), "--into", str(into))

    assert told["missing"]["commits"] >= 2
    assert datetime.fromisoformat(told["missing"]["until"]) > at
    [proven] = told["networks"]
    assert (proven["network"], proven["differences"]) == (world.network.code, [])
    assert datetime.fromisoformat(proven["last_posted_at"]) <= at
    assert world.till.balance(world.card)["available"] == before + 50
    with restored_app(world, into) as app:
        till = Till(app.test_client(), world.till.key, "A", world.till.store_id, world.till.terminal_id)
        assert till.balance(world.card)["available"] == before + 30
        assert till.accrue(world.card, 1000).status_code == 201
        assert till.balance(world.card)["available"] == before + 40
        assert check_ledger(world.network.tenant_id) == []


def test_a_moment_belongs_to_what_is_restored(world: World, into: Path) -> None:
    """The very microsecond of a commit is in; one earlier it is not."""
    world.sell(1)
    world.run_json("backup", "--keep", "9")
    at = commit_of_the_newest_transfer(world)

    transfers = []
    for moment in (at, at - timedelta(microseconds=1)):
        told = world.run_json("restore", "--at", moment.isoformat(), "--into", str(into))
        transfers.append(told["networks"][0]["transfers"])
        forget(into)

    assert transfers[0] - transfers[1] == 1


def commit_of_the_newest_transfer(world: World) -> datetime:
    """As the WAL tells it, which is a little after the transfer says that it was posted."""
    server = embedded.find_postgres(world.var)
    url = world.settings.database_url.replace("+psycopg2", "")
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT xmin::text FROM ledger.transfers ORDER BY posted_at DESC LIMIT 1")
        [(number,)] = cursor.fetchall()
    dump = ("pg_waldump", "--rmgr=Transaction", f"--xid={number}")
    [ending] = endings_in("".join(server.run(*dump, path).stdout for path in segments(world)))
    return ending.ended_at


def test_without_a_moment_everything_is_restored(world: World, into: Path) -> None:
    world.sell(1)

    told = world.run_json("restore", "--into", str(into))

    assert told["missing"] == {"commits": 0, "until": None}
    with restored_app(world, into) as app:
        till = Till(app.test_client(), world.till.key, "A", world.till.store_id, world.till.terminal_id)
        assert till.balance(world.card) == world.till.balance(world.card)


def test_what_is_said_to_be_missing_leaves_the_backups_own_marks_out(world: World, into: Path) -> None:
    world.sell(1)
    at = a_moment_later()

    told = world.run_json("restore", "--at", at.isoformat(), "--into", str(into))

    assert told["missing"]["commits"] == 0


def test_a_restored_database_makes_backups_of_its_own_in_a_folder_of_its_own(world: World, into: Path) -> None:
    world.run_json("restore", "--into", str(into))

    with restored_app(world, into) as app:
        words = ("backup", "--to", str(world.backups))
        env = {"CLEARINGHOUSE_VAR": str(into), "DATABASE_URL": None}
        refused = CliRunner().invoke(clearinghouse, words, env=env, obj=lambda: app)
        made = CliRunner().invoke(clearinghouse, ("backup",), env=env, obj=lambda: app)

    assert refused.exception is not None and refused.exception.code == "backup_folder_taken"
    assert made.exit_code == 0, made.output
    assert len(list(embedded.find_postgres(into).default_backups.glob("base/*/backup.json"))) == 1


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--at", "2026-01-01T00:00:00Z"), "restore_before_first"),
        (("--at", "2999-01-01T00:00:00Z"), "restore_in_future"),
        (("--base", "20260101T000000Z"), "backup_unknown"),
        (("--from", "/nowhere"), "backup_none"),
    ],
)
def test_a_restore_that_cannot_be_is_refused_before_anything_is_written(
    world: World, into: Path, words: tuple[str, ...], code: str
) -> None:
    assert world.refusal("restore", *words, "--into", str(into))[0] == code
    assert not into.exists()


def test_a_restore_never_takes_the_place_of_a_living_database(world: World) -> None:
    code, message = world.refusal("restore", "--into", str(world.var))

    assert code == "restore_folder_not_empty"
    assert "--into" in message
    assert world.till.balance(world.card)


def test_a_damaged_base_backup_is_refused_and_named(world: World, into: Path) -> None:
    data = world.backups / "base" / world.first_backup["name"] / "data"
    victim = max((data / "base").rglob("*"), key=lambda path: path.stat().st_size if path.is_file() else 0)

    with damaged(victim):
        words = ("restore", "--into", str(into), "--base", world.first_backup["name"])
        code, message = world.refusal(*words)

    assert code == "backup_damaged"
    assert victim.name in message and world.first_backup["name"] in message
    assert not into.exists()


def test_damaged_wal_is_refused_and_named(world: World, into: Path) -> None:
    world.sell(1)
    world.run_json("restore", "--into", str(into))
    forget(into)
    victim = segments(world)[-1]

    with damaged(victim):
        code, message = world.refusal("restore", "--into", str(into))

    assert code == "backup_damaged"
    assert victim.name in message
    assert not into.exists()


def test_missing_wal_is_named_and_moments_before_it_can_still_be_restored(world: World, into: Path) -> None:
    at = a_moment_later()
    world.run_json("backup", "--keep", "9")
    before = segments(world)
    world.sell(1)
    later = a_moment_later()
    world.run_json("backup", "--keep", "9")
    base = ("--base", world.first_backup["name"])
    victim = next(path for path in segments(world) if path not in before)

    with missing(victim):
        code, message = world.refusal("restore", "--at", later.isoformat(), "--into", str(into), *base)
        told = world.run_json("restore", "--at", at.isoformat(), "--into", str(into), *base)

    assert (code, victim.name in message) == ("wal_missing", True)
    assert told["networks"][0]["differences"] == []


def test_two_backups_at_once_are_one(world: World) -> None:
    with (world.backups / "backup.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert world.refusal("backup")[0] == "backup_running"

    assert world.run("backup", "--keep", "9").exit_code == 0


def test_a_database_of_ones_own_has_its_own_tools(world: World) -> None:
    for words in (("backup",), ("backup", "list"), ("restore",)):
        code, message = world.refusal(*words, DATABASE_URL="postgresql://db.example/clearinghouse")
        assert code == "backup_not_embedded"
        assert "pgBackRest" in message


@contextmanager
def a_small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    if subprocess.run(words, capture_output=True, check=False).returncode != 0:
        folder.rmdir()
        pytest.skip("no file system may be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()


def test_a_full_disk_is_named_and_nothing_half_is_left(world: World, into: Path) -> None:
    with a_small_disk(world.folder / "small", 8) as small:
        assert world.refusal("backup", "--to", str(small / "kept"))[0] == "disk_full"
        assert list(small.iterdir()) == []
        assert world.refusal("restore", "--into", str(small / "restored"))[0] == "disk_full"
        assert list(small.iterdir()) == []

    assert world.run_json("backup", "list")["folder"] == str(world.backups)


def test_wal_that_cannot_be_copied_is_told_and_kept_until_it_can(world: World) -> None:
    wal = world.backups / "wal"
    wal.chmod(0o500)
    code, message = world.refusal("backup")
    world.sell(1)
    wal.chmod(0o700)

    assert code == "wal_not_archived"
    assert str(wal) in message
    # PostgreSQL tries a failed copy again within a minute.
    wait_until(lambda: world.run("backup", "--keep", "9").exit_code == 0)


def test_a_backup_disk_that_is_not_mounted_is_not_begun_anew_on_another(world: World) -> None:
    with missing(world.backups):
        code, message = world.refusal("backup")

    assert code == "backup_folder_gone"
    assert "--to" in message
    # PostgreSQL tries a failed copy again within a minute.
    wait_until(lambda: world.run("backup", "--keep", "9").exit_code == 0)


def test_only_the_newest_backups_are_kept_and_the_wal_since_the_oldest_of_them(world: World, into: Path) -> None:
    world.run_json("backup", "--keep", "9")
    unfinished = world.backups / "base" / "20260101T000000Z.new"
    unfinished.mkdir()

    made = world.run_json("backup", "--keep", "1")

    listed = world.run_json("backup", "list")
    assert [base["name"] for base in listed["bases"]] == [made["name"]]
    assert world.first_backup["name"] in made["deleted"]
    assert segments(world)[0].name == made["first_segment"]
    assert not unfinished.exists()
    assert world.run_json("restore", "--into", str(into))["networks"][0]["differences"] == []


def test_a_database_that_is_gone_is_restored_from_what_was_archived(world: World, into: Path) -> None:
    """The last test: it loses the database."""
    world.sell(2)
    available = world.till.balance(world.card)["available"]
    embedded.leave(world.var)
    embedded.stop(world.var)
    shutil.rmtree(embedded.find_postgres(world.var).home / "data")

    told = world.run_json("restore", "--into", str(into))

    assert told["networks"][0]["differences"] == []
    with restored_app(world, into) as app:
        till = Till(app.test_client(), world.till.key, "A", world.till.store_id, world.till.terminal_id)
        assert till.balance(world.card)["available"] == available
    at = datetime.now(UTC).isoformat()
    assert world.refusal("restore", "--at", at, "--into", str(world.folder / "other"))[0] == "restore_after_last"
