"""What is encrypted can be decrypted where it stands, with its key, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from apiflask import APIFlask
from sqlalchemy import Engine, text

from tenants.data_keys.service import ensure_data_keys
from tenants.foundation.encryption import (
    VARIABLE,
    DataKeysInvalid,
    Keyring,
    decrypt,
    encrypt,
    new_key_text,
    parse_keys,
    read_field,
)
from tenants.foundation.errors import Conflict, IntegrityFailure, Unavailable
from tenants.members.service import create_member, find_member
from tests.conftest import NetworkForTests

COLUMN = "tenants.members.name"


@pytest.fixture(autouse=True)
def own_keyring(context: APIFlask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Keyring]:
    monkeypatch.delenv(VARIABLE, raising=False)
    before = context.extensions.get("keyring")
    context.extensions["keyring"] = ring = Keyring(tmp_path / "var")
    ring.make()
    yield ring
    context.extensions["keyring"] = before or Keyring(context.config["SETTINGS"].var)


def test_the_file_of_keys_is_made_once_and_nobody_else_may_read_it(own_keyring: Keyring) -> None:
    [first] = own_keyring.load()

    own_keyring.make()

    assert own_keyring.load() == (first,)
    assert own_keyring.file.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in own_keyring.file.parent.iterdir()] == ["data.keys"]


def test_keys_that_are_gone_are_not_made_anew_by_the_way(own_keyring: Keyring, tmp_path: Path) -> None:
    own_keyring.file.rename(tmp_path / "elsewhere")

    with pytest.raises(DataKeysInvalid, match="copy it"):
        encrypt(b"Ada", uuid4(), COLUMN, uuid4())
    assert not own_keyring.file.exists()


def test_setting_up_makes_no_key_beside_those_that_are_lost(network: NetworkForTests, own_keyring: Keyring) -> None:
    create_member(network.tenant_id, name="Ada")
    own_keyring.file.unlink()

    with pytest.raises(Conflict) as refused:
        ensure_data_keys()

    assert refused.value.code == "data_keys_lost"
    assert not own_keyring.file.exists()


def test_the_same_value_is_encrypted_otherwise_each_time(own_keyring: Keyring) -> None:
    place = (uuid4(), COLUMN, uuid4())

    sealed = {encrypt("Ada Ünïcode 樂".encode(), *place) for _ in range(3)}

    assert len(sealed) == 3
    assert {decrypt(each, *place).decode() for each in sealed} == {"Ada Ünïcode 樂"}
    assert all(b"Ada" not in each and own_keyring.load()[0].key_id == each[1:5] for each in sealed)


def test_a_value_can_not_be_moved_to_another_row_column_or_network() -> None:
    tenant_id, row_id = uuid4(), uuid4()
    sealed = encrypt(b"Ada", tenant_id, COLUMN, row_id)

    for place in ((uuid4(), COLUMN, row_id), (tenant_id, "tenants.staff.name", row_id), (tenant_id, COLUMN, uuid4())):
        with pytest.raises(IntegrityFailure) as refused:
            decrypt(sealed, *place)
        assert refused.value.code == "personal_data_altered"


@pytest.mark.parametrize("place", [0, 5, 16, 17, -1])
def test_an_altered_value_is_not_read(place: int) -> None:
    at = (uuid4(), COLUMN, uuid4())
    sealed = bytearray(encrypt(b"Ada", *at))
    sealed[place] ^= 1

    with pytest.raises(IntegrityFailure):
        decrypt(bytes(sealed), *at)


@pytest.mark.parametrize("kept", [0, 1, 17, 18])
def test_a_value_cut_short_is_not_read(kept: int) -> None:
    at = (uuid4(), COLUMN, uuid4())
    sealed = encrypt(b"Ada", *at)[:kept]

    with pytest.raises(IntegrityFailure):
        decrypt(sealed, *at)


def test_a_missing_key_is_named_and_nothing_of_it(own_keyring: Keyring) -> None:
    at = (uuid4(), COLUMN, uuid4())
    sealed, [before] = encrypt(b"Ada", *at), own_keyring.load()
    own_keyring.file.write_text(new_key_text())

    with pytest.raises(Unavailable) as refused:
        decrypt(sealed, *at)

    assert (refused.value.code, refused.value.details) == ("data_key_missing", {"key_id": before.shown})
    assert before.secret.hex() not in refused.value.message


def test_a_key_that_is_added_is_known_without_a_restart(own_keyring: Keyring, tmp_path: Path) -> None:
    elsewhere, at = Keyring(tmp_path / "var"), (uuid4(), COLUMN, uuid4())
    [old] = elsewhere.load()
    new = new_key_text()
    own_keyring.file.write_text(f"{new}\n{old.secret.hex()}\n")

    sealed = encrypt(b"Ada", *at)

    assert sealed[1:5] == parse_keys(new)[0].key_id
    assert elsewhere.find(sealed[1:5]).secret.hex() == new


def test_the_environment_names_other_keys(own_keyring: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [new_key_text(), new_key_text()]
    monkeypatch.setenv(VARIABLE, ", ".join(keys))
    own_keyring.file.unlink()

    own_keyring.make()

    assert [key.secret.hex() for key in own_keyring.load()] == keys
    assert not own_keyring.file.exists()


SECRET = "ab" * 32
WRONG = [
    ("", "there is none"),
    (SECRET[1:], "number 1"),
    (f"{SECRET},xyz", "number 2"),
    (f"{SECRET} {SECRET}", "twice"),
]


@pytest.mark.parametrize(("named", "said"), WRONG)
def test_wrong_keys_are_refused_without_repeating_them(named: str, said: str) -> None:
    with pytest.raises(DataKeysInvalid, match=said) as refused:
        parse_keys(named)

    assert "abab" not in refused.value.message and "xyz" not in refused.value.message


def test_a_name_copied_to_another_member_is_not_read(network: NetworkForTests, owner: Engine) -> None:
    ada, ben = (create_member(network.tenant_id, name=name).member_id for name in ("Ada", "Ben"))
    with owner.begin() as connection:
        connection.execute(
            text("UPDATE tenants.members SET name_encrypted = (SELECT name_encrypted FROM tenants.members "
                 "WHERE member_id = :ada) WHERE member_id = :ben"), {"ada": ada, "ben": ben})  # fmt: skip

    with pytest.raises(IntegrityFailure):
        read_field(find_member(network.tenant_id, ben), "name")
    assert read_field(find_member(network.tenant_id, ada), "name") == "Ada"


@pytest.mark.fails_on_purpose
def test_over_http_an_altered_name_is_a_500_that_says_so(network: NetworkForTests, owner: Engine) -> None:
    member_id = create_member(network.tenant_id, name="Ada").member_id
    with owner.begin() as connection:
        connection.execute(
            text("UPDATE tenants.members SET name_encrypted = name_encrypted || '\\x00' WHERE member_id = :id"),
            {"id": member_id},
        )

    answer = network.hq("GET", "/v1/members")

    assert (answer.status_code, answer.json["code"]) == (500, "personal_data_altered")


def test_over_http_a_missing_key_is_a_503_and_tills_go_on(
    network: NetworkForTests, own_keyring: Keyring, make_network: Callable[..., NetworkForTests]
) -> None:
    till, card = network.tills["A"], network.add_card()
    member_id = network.hq("GET", "/v1/members").json["members"][0]["member_id"]
    network.hq("PATCH", f"/v1/members/{member_id}", {"name": "Ada"})
    own_keyring.file.write_text(new_key_text())

    answer = network.hq("GET", "/v1/members")

    assert (answer.status_code, answer.json["code"]) == (503, "data_key_missing")
    assert till.accrue(card, 1000).status_code == 201
    assert till.balance(card)["available"] == 10
