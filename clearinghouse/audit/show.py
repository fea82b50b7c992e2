"""Entries and proofs of the audit log as others see them: in JSON and in files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from tenants.audit.rules import Entry, Head, show_entry
from tenants.audit.service import Verified


def show(entry: Entry, entry_hash: bytes) -> dict[str, Any]:
    return {**show_entry(entry), "hash": entry_hash.hex()}


def show_head(head: Head | None) -> str | None:
    """A number, a colon and a hash, as `audit verify --head` takes it; None of a log without entries."""
    return str(head) if head is not None else None


def show_verified(verified: Verified) -> dict[str, Any]:
    return {
        "is_whole": not verified.differences,
        "entries": verified.entries,
        "head": show_head(verified.head),
        "differences": [vars(difference) for difference in verified.differences],
    }


def lines(entries: Iterable[tuple[Entry, bytes]]) -> Iterator[bytes]:
    """A line of JSON each."""
    for entry in entries:
        yield json.dumps(show(*entry), separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
