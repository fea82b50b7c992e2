"""Keys are added, put to use and retired while everything runs, and a rotation may be interrupted anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from apiflask import APIFlask
from click.testing import Result
from sqlalchemy import Engine, text

from tenants.bank_accounts.rules import BankDetails
from tenants.bank_accounts.service import details_of, get_bank_account, set_bank_account
from tenants.data_keys import service
from tenants.data_keys.service import (
    add_data_key,
    count_plain,
    encrypt_rows,
    encrypted_tables,
    fields_of,
    list_data_keys,
    retire_data_key,
    use_data_key,
)
from tenants.foundation.config import Settings
from tenants.foundation.encryption import VARIABLE, Keyring, new_key_text, read_field
from tenants.foundation.errors import Conflict, NotFound
from tenants.members.identity import identity_of
from tenants.members.service import create_member, find_member
from tenants.staff.service import create_staff, find_staff
from tests.conftest import NetworkForTests, a_database, set_up_app


@pytest.fixture(scope="module")
def settings(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """With a database of its own: keys are an installation's, and rows of other tests may be under other keys."""
    with a_database(settings.database_url) as url:
        yield replace(settings, database_url=url, var=tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def app(settings: Settings) -> APIFlask:
    return set_up_app(settings)


@pytest.fixture
def ring(context: APIFlask, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Keyring]:
    """The keyring of all tests of this process, back as it was at the end: rows of other tests are under its key."""
    monkeypatch.delenv(VARIABLE, raising=False)
    ring = Keyring(settings.var)
    before = ring.load()[0]
    context.extensions["keyring"] = ring
    yield ring
    monkeypatch.delenv(VARIABLE, raising=False)
    keys = [before, *(key for key in ring.load() if key != before)]
    ring.file.write_text("\n".join(key.secret.hex() for key in keys) + "\n")


def fill(network: NetworkForTests, members: int = 5) -> list[Any]:
    create_staff(network.tenant_id, "ana", "Ana Prieto", ["preparer"])
    set_bank_account(network.tenant_id, "A", BankDetails("Sole Trader", account_number="12345678"), "test")
    return [
        create_member(network.tenant_id, name=f"Member {n}", phone=f"+49151234567{n:02}", email=f"m{n}@example.com")
        for n in range(members)
    ]


def is_whole(network: NetworkForTests, members: list[Any]) -> bool:
    people = [identity_of(find_member(network.tenant_id, member.member_id)) for member in members]
    named = [(f"Member {n}", f"+49151234567{n:02}", f"m{n}@example.com") for n in range(len(members))]
    account = details_of(get_bank_account(network.tenant_id, "A"))
    return (
        [(each["name"], each["phone"], each["email"]) for each in people] == named
        and (account.holder, account.account_number) == ("Sole Trader", "12345678")
        and read_field(find_staff(network.tenant_id, "ana"), "name") == "Ana Prieto"
    )


def test_every_encrypted_column_is_found_in_the_models() -> None:
    assert {str(table): fields_of(table) for table in encrypted_tables()} == {
        "tenants.members": ["name", "phone", "email"],
        "tenants.staff": ["name"],
        "tenants.bank_accounts": ["holder", "iban", "account_number"],
        "settlement.payment_files": ["content"],
    }


def test_a_rotation_encrypts_all_anew_and_then_lets_the_old_key_go(network: NetworkForTests, ring: Keyring) -> None:
    members, old = fill(network), ring.load()[0]
    new = add_data_key()
    assert ring.load()[0] == old, "a key that was added only decrypts"
    with pytest.raises(Conflict, match="encrypts"):
        retire_data_key(old.shown)

    use_data_key(new.shown)
    with pytest.raises(Conflict, match="values are encrypted"):
        retire_data_key(old.shown)
    encrypt_rows()

    uses = {row.key_id: (row.role, row.values) for row in list_data_keys()}
    assert uses[new.shown][0] == "encrypts" and uses[new.shown][1] >= 18
    assert uses[old.shown] == ("decrypts", 0)
    assert encrypt_rows() == 0
    kept = ring.file.read_text()
    retire_data_key(old.shown)
    assert old not in ring.load()
    assert ring.file.stat().st_mode & 0o777 == 0o600
    assert is_whole(network, members)
    ring.file.write_text(kept)


def test_a_rotation_that_is_interrupted_goes_on_where_it_was(
    network: NetworkForTests, ring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = fill(network, 9)
    monkeypatch.setattr(service, "ROWS_AT_ONCE", 2)
    new = add_data_key()
    use_data_key(new.shown)
    before = {row.key_id: row.values for row in list_data_keys()}[new.shown]
    steps = 0

    def stop(progress: service.Progress) -> None:
        nonlocal steps
        steps += 1
        if steps == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encrypt_rows(stop)

    assert {row.key_id: row.values for row in list_data_keys()}[new.shown] > before
    assert is_whole(network, members), "rows are readable whichever key they are under"
    encrypt_rows()
    assert is_whole(network, members)
    assert sum(row.values for row in list_data_keys() if row.key_id != new.shown) == 0


def test_what_the_release_before_wrote_is_encrypted_and_emptied(
    network: NetworkForTests, ring: Keyring, owner: Engine
) -> None:
    members = fill(network)
    values = {"tenant": network.tenant_id}
    with owner.begin() as connection:
        for statement in (
            "UPDATE tenants.members SET name = 'Plain ' || right(member_id::text, 4), name_encrypted = NULL "
            "WHERE tenant_id = :tenant",
            "UPDATE tenants.staff SET name = 'Plain', name_encrypted = NULL WHERE tenant_id = :tenant",
            "UPDATE tenants.bank_accounts SET holder = 'Plain', holder_encrypted = NULL, "
            "account_number = '87654321', account_number_encrypted = NULL WHERE tenant_id = :tenant",
        ):
            connection.execute(text(statement), values)
    plain = find_member(network.tenant_id, members[0].member_id)
    assert read_field(plain, "name") == plain.name is not None, "read as it is until it has been encrypted"
    assert count_plain() == 7

    encrypt_rows()

    assert count_plain() == 0
    found = find_member(network.tenant_id, members[0].member_id)
    assert (found.name, read_field(found, "name")) == (None, plain.name)
    account = get_bank_account(network.tenant_id, "A")
    assert (account.holder, account.account_number) == (None, None)
    assert (details_of(account).holder, details_of(account).account_number) == ("Plain", "87654321")


def test_a_name_that_the_release_before_changed_meanwhile_is_the_newer_one(
    network: NetworkForTests, ring: Keyring, owner: Engine
) -> None:
    member_id = create_member(network.tenant_id, name="Before").member_id
    with owner.begin() as connection:
        connection.execute(text("UPDATE tenants.members SET name = 'After' WHERE member_id = :id"), {"id": member_id})

    encrypt_rows()

    assert identity_of(find_member(network.tenant_id, member_id))["name"] == "After"


def test_a_value_that_was_altered_keeps_nobody_from_the_rest(
    network: NetworkForTests, ring: Keyring, owner: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    members, old = fill(network), ring.load()[0]
    altered = "UPDATE tenants.members SET name_encrypted = name_encrypted || '\\x00' WHERE member_id = :id"
    mend = "UPDATE tenants.members SET name_encrypted = NULL WHERE member_id = :id"
    with owner.begin() as connection:
        connection.execute(text(altered), {"id": members[0].member_id})
    new = add_data_key()
    use_data_key(new.shown)

    encrypt_rows()

    assert str(members[0].member_id) in caplog.text
    assert {row.key_id: row.values for row in list_data_keys()}[old.shown] == 1
    assert identity_of(find_member(network.tenant_id, members[4].member_id))["name"] == "Member 4"
    with owner.begin() as connection:
        connection.execute(text(mend), {"id": members[0].member_id})


def test_a_key_that_rows_need_and_nobody_has_is_listed_as_missing(network: NetworkForTests, ring: Keyring) -> None:
    fill(network)
    kept, old = ring.file.read_text(), ring.load()[0]
    ring.file.write_text(new_key_text())

    roles = {row.key_id: row.role for row in list_data_keys()}

    assert roles[old.shown] == "missing"
    ring.file.write_text(kept)


def test_keys_of_the_environment_are_changed_there(ring: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = new_key_text(), new_key_text()
    monkeypatch.setenv(VARIABLE, f"{first},{second}")
    _, other = ring.load()

    for call in (add_data_key, lambda: use_data_key(other.shown), lambda: retire_data_key(other.shown)):
        with pytest.raises(Conflict, match=VARIABLE) as refused:
            call()
        assert refused.value.code == "data_keys_named"
    assert use_data_key(ring.load()[0].shown)


def test_an_unknown_key_is_refused(ring: Keyring) -> None:
    for call in (use_data_key, retire_data_key):
        with pytest.raises(NotFound):
            call("00000000")


def test_the_command_line_rotates(
    network: NetworkForTests, ring: Keyring, command_line: Callable[..., Result]
) -> None:
    members, old = fill(network), ring.load()[0]
    made = command_line("data-key", "add")
    assert made.exit_code == 0
    new = ring.load()[-1].shown

    rotated = command_line("data-key", "rotate", new)

    assert rotated.exit_code == 0, rotated.output
    assert ring.load()[0].shown == new
    listed = command_line("data-key", "list")
    assert new in listed.output and all(key.secret.hex() not in listed.output for key in ring.load())
    assert command_line("data-key", "retire", new).exit_code == 1
    assert command_line("data-key", "rotate", old.shown).exit_code == 0
    assert is_whole(network, members)
