"""The secret that is never in the database: made once, kept to its owner, the same for everybody who asks."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from apiflask import APIFlask

from tenants.foundation.secret_key import VARIABLE, SecretKeyTooShort, derive, load_secret_key


@pytest.fixture(autouse=True)
def nothing_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


def test_it_is_made_once_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    first = load_secret_key(tmp_path / "var")

    assert len(first) == 64
    assert load_secret_key(tmp_path / "var") == first
    assert (tmp_path / "var" / "secret.key").stat().st_mode & 0o777 == 0o600
    assert [file.name for file in (tmp_path / "var").iterdir()] == ["secret.key"]


def test_two_who_make_it_at_once_have_the_same(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(load_secret_key, [tmp_path] * 8))

    assert len(keys) == 1


def test_the_environment_names_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "k" * 32)

    assert load_secret_key(tmp_path) == b"k" * 32
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("named", ["", "short", "k" * 31])
def test_a_short_one_is_refused_and_says_how_to_make_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    monkeypatch.setenv(VARIABLE, named)

    with pytest.raises(SecretKeyTooShort, match="openssl rand -hex 32"):
        load_secret_key(tmp_path)


def test_what_is_derived_differs_by_purpose_and_by_where_its_parts_end(context: APIFlask) -> None:
    made = [derive("a", b"bc"), derive("ab", b"c"), derive("a", b"b", b"c"), derive("a", b"bc", b"")]

    assert len(set(made)) == 4
    assert {len(secret) for secret in made} == {32}
    assert derive("a", b"bc") == made[0]
