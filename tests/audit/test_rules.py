from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from tenants.audit.rules import (
    Entry,
    Head,
    check_entry,
    hash_of,
    named_in,
    parse_head,
    safe,
    show_entry,
    show_subject,
)
from tenants.foundation.errors import InvalidInput

FIRST = Entry(
    network="net_01m8123agkents577gxcdbvc2y",
    sequence=1,
    happened_at=datetime(2026, 11, 22, 7, 21, 30, 663560, UTC),
    actor_kind="staff",
    actor="ana",
    via="key_01m8123agkents577gxka58tvh",
    action="POST /v1/settlement/windows/<month>/settlement",
    outcome="done",
    error_code=None,
    subject=["month 2026-10"],
    written=["settlements 0190aa64-0b6f-7b6e-8fc1-2f1f0e0d6f2a", "lines +"],
    request_id="r-17",
    body_digest=bytes(32),
    previous_hash=None,
)
# By other programs: `jq -cjS 'del(.hash)' | sha256sum` of the exported line.
HASH = "120493880a33c44f7a456ee0908b59f4c5e116dc2e8252a1d058e2c4f578819c"


def next_entry(**changes: object) -> Entry:
    return replace(FIRST, sequence=2, previous_hash=hash_of(FIRST), **changes)  # type: ignore[arg-type]


def wrong(before: Head | None, entry: Entry, entry_hash: bytes | None = None) -> list[tuple[int, str]]:
    differences = check_entry(before, entry, entry_hash or hash_of(entry))
    return [(difference.sequence, difference.expected.split()[0]) for difference in differences]


def test_the_hash_never_changes_its_meaning() -> None:
    assert hash_of(FIRST).hex() == HASH


@pytest.mark.parametrize("field", [*show_entry(FIRST)])
def test_every_field_is_in_the_hash(field: str) -> None:
    values = {"sequence": 2, "happened_at": FIRST.happened_at + timedelta(microseconds=1), "previous_hash": bytes(32)}
    other = ["month 2026-11"] if field in ("subject", "written") else values.get(field, "other")
    if field == "body_digest":
        other = b"\x01" * 32

    assert hash_of(replace(FIRST, **{field: other})) != hash_of(FIRST)


def test_words_can_not_move_from_one_field_to_another() -> None:
    one = replace(FIRST, subject=["month 2026-10"], written=[])

    assert hash_of(one) != hash_of(replace(FIRST, subject=[], written=["month 2026-10"]))
    assert hash_of(one) != hash_of(replace(FIRST, subject=["month", "2026-10"], written=[]))


def test_an_entry_is_the_json_that_is_hashed() -> None:
    assert json.loads(json.dumps(show_entry(FIRST))) == show_entry(FIRST)
    assert show_entry(FIRST)["happened_at"] == "2026-11-22T07:21:30.663560+00:00"


CHAINS = [
    ("a first entry", None, FIRST, []),
    ("the next one", Head(1, hash_of(FIRST)), next_entry(), []),
    ("a first entry that says it is not", None, next_entry(), [(1, "an"), (2, "previous")]),
    ("one is missing", Head(1, hash_of(FIRST)), replace(next_entry(), sequence=3), [(2, "an")]),
    ("another before it", Head(1, bytes(32)), next_entry(), [(2, "previous")]),
    ("a second beginning", Head(1, hash_of(FIRST)), FIRST, [(2, "an"), (1, "previous")]),
]


@pytest.mark.parametrize(("before", "entry", "expected"), [case[1:] for case in CHAINS], ids=[c[0] for c in CHAINS])
def test_an_entry_follows_the_one_before_it(
    before: Head | None, entry: Entry, expected: list[tuple[int, str]]
) -> None:
    assert wrong(before, entry) == expected


def test_an_entry_that_was_changed_has_another_hash() -> None:
    assert wrong(None, replace(FIRST, actor="bruno"), hash_of(FIRST)) == [(1, "hash")]


SUBJECTS = [
    (("code", "MITTE"), ["code MITTE"]),
    (("code", "Ada Lovelace"), ["code malformed"]),
    (("code", "hq_" + "x" * 64), ["code malformed"]),
    (("code", "ada@example.com"), ["code malformed"]),
    (("member_id", "mem_01m8123agkents577gxcdbvc2y"), ["member_id mem_01m8123agkents577gxcdbvc2y"]),
    (("member_id", "6290000000000014"), ["member_id malformed"]),
    (("member_id", "Ada"), ["member_id malformed"]),
    (("into", "Ada"), ["into malformed"]),
    (("month", "2026-10"), ["month 2026-10"]),
    (("month", ""), ["month malformed"]),
    (("number", "6290000000000014"), ["number card-of-16"]),
    (("name", "Ada"), []),
    (("reason", "lost"), []),
]


@pytest.mark.parametrize(("subject", "shown"), SUBJECTS)
def test_only_codes_and_ids_are_shown(subject: tuple[str, str], shown: list[str]) -> None:
    assert show_subject([subject], lambda number: f"card-of-{len(number)}") == shown


def test_of_parameters_those_are_taken_that_name_something() -> None:
    values = {"code": "A", "name": "Ada", "stores": ("A", "B"), "month": None, "version": 3, "card": "629"}

    assert named_in(values) == (("code", "A"), ("stores", "A"), ("stores", "B"), ("card", "629"))


@pytest.mark.parametrize("text", ["ana", "uid-1000", "www-data", "a" * 40])
def test_a_code_is_kept(text: str) -> None:
    assert safe(text) == text


@pytest.mark.parametrize("text", ["", "a" * 41, "a b", "a\n", "ä", "-a", "a/b", "\x00"])
def test_what_is_no_code_is_not_kept(text: str) -> None:
    assert safe(text) == "malformed"


def test_a_head_is_read_as_it_is_shown() -> None:
    head = Head(17, hash_of(FIRST))

    assert parse_head(str(head)) == head


@pytest.mark.parametrize(
    "text", ["", "17", "17:", "17:ab", f"-1:{HASH}", f"17:{HASH.upper()}", f"17:{HASH}\n", f"\uff11:{HASH}"]
)
def test_what_is_no_head_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as failure:
        parse_head(text)

    assert failure.value.code == "invalid_head"


def test_moments_are_told_in_utc() -> None:
    elsewhere = FIRST.happened_at.astimezone(timezone(timedelta(hours=5)))

    assert hash_of(replace(FIRST, happened_at=elsewhere)) == hash_of(FIRST)
