"""What an entry of the audit log says, its hash, and what a chain of entries must look like."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from tenants.foundation import ids
from tenants.foundation.errors import InvalidInput

# What stands for a value that is no code, id or day: it may be anything, also somebody's name or a key.
MALFORMED = "malformed"
CODE_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}"
ID_PATTERN = r"[a-z]{3}_[0-9a-z]{26}"
HEAD_PATTERN = r"[0-9]{1,18}:[0-9a-f]{64}"
CARD_PATTERN = r"[0-9]{8,19}"

# Parameters of paths and of commands that name what an act is about. All others may hold personal data or secrets
# and are in the digest only.
SUBJECTS = frozenset(
    "backup batch_id business_date code data_key delivery_id dispute_id fee_id file_id from_month hold_id into "
    "key_id leg leg_id member_id month network origin_month owner participant partition payee payer rate_id "
    "revision roles staff_code store store_code stores terminal_id webhook_id".split()
)
# Of these a keyed hash is kept: a card number leads to a person.
CARD_NUMBERS = frozenset({"number", "new_number", "card"})


@dataclass(frozen=True)
class Entry:
    """As it is exported, in this order. `hash` is SHA-256 over all the rest (`hash_of`).

    `network` is the id of one, or that of all zeros for the installation. `subject` are names and values of what was
    named, `written` the rows that it made or changed; each is words with a space between. `body_digest` is an HMAC
    of what was sent, `previous_hash` that of the entry before, None of the first.
    """

    network: str
    sequence: int
    happened_at: datetime
    actor_kind: str
    actor: str
    via: str | None
    action: str
    outcome: str
    error_code: str | None
    subject: list[str]
    written: list[str]
    request_id: str | None
    body_digest: bytes | None
    previous_hash: bytes | None


@dataclass(frozen=True)
class Head:
    """The end of a chain, or an earlier entry of it: who knows it can tell that nothing up to there has changed."""

    sequence: int
    hash: bytes

    def __str__(self) -> str:
        return f"{self.sequence}:{self.hash.hex()}"


@dataclass(frozen=True)
class Difference:
    """What is wrong with the chain, at which entry; `expected` and `found` in words."""

    sequence: int
    expected: str
    found: str


def show_entry(entry: Entry) -> dict[str, Any]:
    """In JSON's types: hashes in hexadecimal, the moment in UTC with microseconds."""
    return {name: show_value(value) for name, value in vars(entry).items()}


def show_value(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    return value.astimezone(UTC).isoformat(timespec="microseconds") if isinstance(value, datetime) else value


def hash_of(entry: Entry) -> bytes:
    """SHA-256 over the entry's JSON in UTF-8, keys sorted and no white space.

    `jq -cjS 'del(.hash)'` makes the same of an exported line.
    """
    said = json.dumps(show_entry(entry), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(said.encode()).digest()


def parse_head(text: str) -> Head:
    """`17:9f86d0…`, as `audit head` prints it."""
    if not re.fullmatch(HEAD_PATTERN, text):
        raise InvalidInput(
            f"{text!r} is no head: write it as `clearinghouse audit head` has printed it, "
            "a number, a colon and 64 hexadecimal digits.",
            code="invalid_head",
        )
    sequence, _, hash_in_hex = text.partition(":")
    return Head(int(sequence), bytes.fromhex(hash_in_hex))


def compare_with_heads(head: Head, heads: Iterable[Head]) -> Iterator[Difference]:
    """`heads` are those of the same entry that were noted elsewhere."""
    for noted in heads:
        if noted.hash != head.hash:
            yield Difference(head.sequence, f"hash {noted.hash.hex()}, as noted elsewhere", f"hash {head.hash.hex()}")


def missing_heads(length: int, heads: Iterable[Head]) -> Iterator[Difference]:
    """Noted elsewhere, and beyond the chain's end: entries have been cut off."""
    for noted in heads:
        if noted.sequence > length:
            yield Difference(noted.sequence, f"hash {noted.hash.hex()}, as noted elsewhere", "no such entry")


def check_entry(before: Head | None, entry: Entry, entry_hash: bytes) -> Iterator[Difference]:
    """Against the entry before it, None for the first."""
    number, previous = (before.sequence, before.hash) if before else (0, None)
    if entry.sequence != number + 1:
        yield Difference(number + 1, "an entry", f"none: {entry.sequence} follows")
    if entry.previous_hash != previous:
        yield Difference(entry.sequence, f"previous hash {show_hash(previous)}", show_hash(entry.previous_hash))
    recomputed = hash_of(entry)
    if recomputed != entry_hash:
        yield Difference(entry.sequence, f"hash {recomputed.hex()}", f"hash {entry_hash.hex()}")


def show_hash(value: bytes | None) -> str:
    return value.hex() if value is not None else "none"


def show_subject(subject: Iterable[tuple[str, str]], veil: Callable[[str], str]) -> list[str]:
    """`veil` makes a keyed hash of a card's number."""
    shown = []
    for name, value in subject:
        if name in CARD_NUMBERS:
            shown.append(f"{name} {veil(value)}")
        elif name in SUBJECTS:
            is_id = name.endswith("_id") or name in ("into", "leg")
            shown.append(f"{name} {safe(value, ID_PATTERN if is_id else CODE_PATTERN)}")
    return shown


def safe(value: str, pattern: str = CODE_PATTERN) -> str:
    return value if re.fullmatch(pattern, value) else MALFORMED


def named_in(values: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Of parameters, those that name what an act is about; one that has several values stands for each."""
    return tuple(
        (name, str(each))
        for name, value in values.items()
        if value is not None and name in SUBJECTS | CARD_NUMBERS
        for each in (value if isinstance(value, list | tuple) else (value,))
    )


def looks_like_a_card(text: str) -> bool:
    return re.fullmatch(CARD_PATTERN, text) is not None


def network_of(tenant_id: UUID) -> str:
    return ids.show(ids.NETWORK, tenant_id)
