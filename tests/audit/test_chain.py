"""A log that can't be changed by the application, nor by the database's owner without being seen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from apiflask import APIFlask
from click.testing import Result
from psycopg2 import errors
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from clearinghouse.audit.jobs import note_heads
from clearinghouse.ledger.checks import Finding
from tenants.audit.heads import heads_file, note_head, noted_heads
from tenants.audit.rules import Entry, Head, hash_of
from tenants.audit.service import all_entries, find_head, list_entries, verify
from tenants.foundation import clock, ids
from tenants.stores.service import create_store
from tests.audit.entries import MANY, entries_of, wrong_entries
from tests.conftest import NetworkForTests

Tamper = Callable[..., None]


@pytest.fixture
def log(network: NetworkForTests) -> NetworkForTests:
    """A network with ten entries at least."""
    assert len(entries_of(network.tenant_id)) >= 10
    return network


@pytest.fixture
def tamper(owner: Engine, log: NetworkForTests) -> Tamper:
    """As the database's owner, with foreign keys switched off."""

    def run(*statements: str, **values: Any) -> None:
        with owner.begin() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            for statement in statements:
                changed = connection.execute(text(statement), {"tenant": log.tenant_id, **values})
                assert changed.rowcount > 0, statement

    return run


@pytest.fixture
def no_heads(context: APIFlask) -> Iterator[Path]:
    """The file of noted heads, empty before and after."""
    heads_file().unlink(missing_ok=True)
    yield heads_file()
    heads_file().unlink(missing_ok=True)


TAMPERED = [
    ("actor", "UPDATE tenants.audit_log SET actor = 'bruno' WHERE tenant_id = :tenant AND sequence = 4", [4]),
    ("moment", "UPDATE tenants.audit_log SET happened_at = happened_at - interval '1 day' "
               "WHERE tenant_id = :tenant AND sequence = 4", [4]),
    ("rows written", "UPDATE tenants.audit_log SET written = '{}' WHERE tenant_id = :tenant AND sequence = 4", [4]),
    ("hash", "UPDATE tenants.audit_log SET hash = sha256('x') WHERE tenant_id = :tenant AND sequence = 4", [4, 5]),
    ("removed", "DELETE FROM tenants.audit_log WHERE tenant_id = :tenant AND sequence = 4", [4, 5]),
    ("first removed", "DELETE FROM tenants.audit_log WHERE tenant_id = :tenant AND sequence = 1", [1, 2]),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "wrong"), [case[1:] for case in TAMPERED], ids=[case[0] for case in TAMPERED])
def test_what_the_owner_has_changed_is_named(
    log: NetworkForTests, tamper: Tamper, statement: str, wrong: list[int]
) -> None:
    assert wrong_entries(log.tenant_id) == []

    tamper(statement)

    assert wrong_entries(log.tenant_id) == wrong


def test_entries_that_were_exchanged_are_named(log: NetworkForTests, tamper: Tamper) -> None:
    move = "UPDATE tenants.audit_log SET sequence = :to WHERE tenant_id = :tenant AND sequence = :old"

    for old, to in ((4, 99), (5, 4), (99, 5)):
        tamper(move, old=old, to=to)

    assert wrong_entries(log.tenant_id)[0] == 4


def test_an_entry_that_was_changed_with_its_hash_breaks_the_next(log: NetworkForTests, tamper: Tamper) -> None:
    entry, _ = next(pair for pair in all_entries(log.tenant_id) if pair[0].sequence == 4)
    forged = hash_of(changed(entry, actor="bruno"))

    tamper(
        "UPDATE tenants.audit_log SET actor = 'bruno', hash = :hash WHERE tenant_id = :tenant AND sequence = 4",
        hash=forged,
    )

    assert wrong_entries(log.tenant_id) == [5]


def changed(entry: Entry, **values: Any) -> Entry:
    return Entry(**{**vars(entry), **values})


def test_an_entry_of_another_network_is_named(
    log: NetworkForTests, make_network: Callable[..., NetworkForTests], tamper: Tamper, owner: Engine
) -> None:
    other = make_network()
    length = len(entries_of(log.tenant_id))

    tamper("DELETE FROM tenants.audit_log WHERE tenant_id = :tenant")
    with owner.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(
            text("UPDATE tenants.audit_log SET tenant_id = :tenant WHERE tenant_id = :other"),
            {"tenant": log.tenant_id, "other": other.tenant_id},
        )

    assert length > 0
    assert wrong_entries(log.tenant_id)[0] == 1


def test_a_log_that_was_cut_short_is_told_by_a_head_that_was_kept(log: NetworkForTests, tamper: Tamper) -> None:
    kept = find_head(log.tenant_id)
    assert kept is not None

    tamper("DELETE FROM tenants.audit_log WHERE tenant_id = :tenant AND sequence >= :last", last=kept.sequence - 1)

    assert verify(log.tenant_id).differences == []
    assert [difference.sequence for difference in verify(log.tenant_id, kept).differences] == [kept.sequence]


def test_a_log_that_was_written_anew_is_told_by_a_head_that_was_kept(
    log: NetworkForTests, tamper: Tamper, owner: Engine
) -> None:
    kept = find_head(log.tenant_id)
    assert kept is not None

    rewrite(log, tamper)

    assert verify(log.tenant_id).differences == []
    assert [difference.sequence for difference in verify(log.tenant_id, kept).differences] == [kept.sequence]


def rewrite(log: NetworkForTests, tamper: Tamper) -> None:
    """As somebody would who has the whole database and this program."""
    previous: bytes | None = None
    for entry, _ in list(all_entries(log.tenant_id)):
        forged = changed(entry, actor="nobody", previous_hash=previous)
        previous_of, previous = previous, hash_of(forged)
        tamper(
            "UPDATE tenants.audit_log SET actor = 'nobody', previous_hash = :previous, hash = :hash "
            "WHERE tenant_id = :tenant AND sequence = :sequence",
            previous=previous_of,
            hash=previous,
            sequence=entry.sequence,
        )


def test_a_head_that_was_kept_stays_right_while_the_log_grows(log: NetworkForTests) -> None:
    kept = find_head(log.tenant_id)
    assert kept is not None

    create_store(log.tenant_id, "D", "Store D")

    assert verify(log.tenant_id, kept).differences == []


def test_a_log_that_was_cut_short_is_told_by_the_heads_noted_every_day(
    log: NetworkForTests, tamper: Tamper, no_heads: Path
) -> None:
    note_heads()
    last = find_head(log.tenant_id)
    assert last is not None and noted_heads(log.tenant_id) == [last]

    tamper("DELETE FROM tenants.audit_log WHERE tenant_id = :tenant AND sequence = :last", last=last.sequence)

    assert wrong_entries(log.tenant_id) == [last.sequence]


def test_heads_are_noted_when_the_log_has_grown(log: NetworkForTests, no_heads: Path) -> None:
    note_heads()
    again = note_heads()
    create_store(log.tenant_id, "D", "Store D")
    grown = note_heads()

    assert (again, grown) == (0, 1)
    assert len(noted_heads(log.tenant_id)) == 2
    assert wrong_entries(log.tenant_id) == []


def test_a_line_that_was_cut_short_is_passed_over(log: NetworkForTests, no_heads: Path) -> None:
    head = find_head(log.tenant_id)
    assert head is not None
    note_head(log.tenant_id, head, clock.now())
    with no_heads.open("ab") as file:
        file.write(b"2026-11-22T04:55:00+00:00 net_01m8123agkents577gxcdb\n\xff\x00\n")

    assert noted_heads(log.tenant_id) == [head]


def test_heads_of_other_networks_are_theirs(
    log: NetworkForTests, make_network: Callable[..., NetworkForTests], no_heads: Path
) -> None:
    other = make_network()
    note_head(other.tenant_id, Head(10_000, bytes(32)), clock.now())

    assert wrong_entries(log.tenant_id) == []
    assert wrong_entries(other.tenant_id) == [10_000]


def test_a_stranger_with_the_export_recomputes_the_chain(
    log: NetworkForTests, command_line: Callable[..., Result], tmp_path: Path
) -> None:
    exported = tmp_path / "audit.jsonl"
    assert command_line("audit", "export", str(exported), "-n", log.code).exit_code == 0

    previous = None
    for number, line in enumerate(exported.read_text().splitlines(), 1):
        entry = json.loads(line)
        said = entry.pop("hash")
        canonical = json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert hashlib.sha256(canonical.encode()).hexdigest() == said
        assert (entry["sequence"], entry["previous_hash"]) == (number, previous)
        previous = said
    head = find_head(log.tenant_id)
    assert head is not None and previous == head.hash.hex()


def test_ledger_check_recomputes_the_chain(
    log: NetworkForTests, command_line: Callable[..., Result], tamper: Tamper
) -> None:
    assert command_line("ledger", "check", "-n", log.code).exit_code == 0

    tamper("UPDATE tenants.audit_log SET actor = 'bruno' WHERE tenant_id = :tenant AND sequence = 4")

    result = command_line("ledger", "check", "-n", log.code, "--json")
    assert result.exit_code == 1
    [finding] = [Finding(**row) for row in json.loads(result.stdout)]
    assert (finding.check, finding.subject) == ("audit log", "entry 4")


FORBIDDEN = [
    "UPDATE tenants.audit_log SET actor = 'bruno'",
    "DELETE FROM tenants.audit_log",
    "TRUNCATE tenants.audit_log",
    "LOCK TABLE tenants.audit_log IN EXCLUSIVE MODE",
    "ALTER TABLE tenants.audit_log DISABLE ROW LEVEL SECURITY",
    "DROP TABLE tenants.audit_log",
]


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_the_application_can_only_add(application: Engine, log: NetworkForTests, statement: str) -> None:
    with application.connect() as connection, pytest.raises(DBAPIError) as failure:
        connection.execute(text("SELECT set_config('app.tenant_id', :t, true)"), {"t": str(log.tenant_id)})
        connection.execute(text(statement))

    assert isinstance(failure.value.orig, errors.InsufficientPrivilege)


ADDED = """
    INSERT INTO tenants.audit_log (tenant_id, sequence, happened_at, actor_kind, actor, action, outcome, subject,
        written, previous_hash, hash)
    SELECT tenant_id, {sequence}, now(), 'program', {actor}, 'x', 'done', '{{}}', '{{}}', {previous}, sha256('new')
    FROM tenants.audit_log WHERE tenant_id = :tenant ORDER BY sequence DESC LIMIT 1
"""
REFUSED = [
    ("a number that there is", {"sequence": "sequence"}, errors.UniqueViolation),
    ("a second that follows the same", {"previous": "previous_hash"}, errors.UniqueViolation),
    ("nothing before it", {"previous": "NULL"}, errors.CheckViolation),
    ("one before it that there is not", {"previous": "sha256('other')"}, errors.ForeignKeyViolation),
    ("a number below one", {"sequence": "0"}, errors.CheckViolation),
    ("a name for an actor", {"actor": "'Ada Ünal'"}, errors.CheckViolation),
    ("a mail address for an actor", {"actor": "'ada@example.com'"}, errors.CheckViolation),
]


@pytest.mark.parametrize(("changes", "kind"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_what_does_not_continue_the_chain_is_refused_by_the_database(
    application: Engine, log: NetworkForTests, changes: dict[str, str], kind: type[Exception]
) -> None:
    statement = ADDED.format(**{"sequence": "sequence + 1", "previous": "hash", "actor": "'ada'", **changes})

    with application.connect() as connection, pytest.raises(DBAPIError) as failure:
        connection.execute(text("SELECT set_config('app.tenant_id', :t, true)"), {"t": str(log.tenant_id)})
        connection.execute(text(statement), {"tenant": log.tenant_id})

    assert isinstance(failure.value.orig, kind), failure.value


def test_one_network_sees_nothing_of_the_log_of_another(
    log: NetworkForTests, make_network: Callable[..., NetworkForTests]
) -> None:
    other = make_network()

    seen = list_entries(other.tenant_id, MANY)

    assert {entry.network for entry, _ in seen} == {ids.show(ids.NETWORK, other.tenant_id)}
    assert not {entry.network for entry, _ in list_entries(ids.INSTALLATION, MANY)} & {
        ids.show(ids.NETWORK, log.tenant_id)
    }
