"""The audit log as others use it: acts without a row of their own, refusals, lists, and the proof of the chain."""

from __future__ import annotations

import hmac
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import current_app
from sqlalchemy import ARRAY, ColumnElement, Text, any_, func, literal, select

from tenants.audit.heads import noted_heads
from tenants.audit.recording import digest_of, veil
from tenants.audit.rules import (
    Difference,
    Entry,
    Head,
    check_entry,
    compare_with_heads,
    looks_like_a_card,
    missing_heads,
    network_of,
)
from tenants.audit.tables import AuditEntry
from tenants.foundation.acts import DONE, acting, current_act
from tenants.foundation.database import unit_of_work
from tenants.foundation.errors import NotFound

# As `Entry` has them, without the network, after the hash. No objects of the model: a log may be long.
COLUMNS = [AuditEntry.hash, *(getattr(AuditEntry, each.name) for each in fields(Entry) if each.name != "network")]

PAGE_ENTRIES = 5_000
DIFFERENCES_MAX = 100

# The same refusal of the same caller is entered once in this time by a worker: a loop must not fill the log.
REFUSAL_SECONDS = 60.0
REFUSALS_KEPT_MAX = 10_000


@dataclass(frozen=True)
class Wanted:
    """Which entries to list; None asks for nothing. `since` is included, `until` is not.

    `action` is a part of the action. `subject` is a code, an id or a day that was named or written, or a card's
    number.
    """

    since: datetime | None = None
    until: datetime | None = None
    actor: str | None = None
    action: str | None = None
    subject: str | None = None
    outcome: str | None = None


@dataclass
class Verified:
    """`head` is the end of the chain, None when there is no entry."""

    entries: int = 0
    head: Head | None = None
    differences: list[Difference] = field(default_factory=list)


def record_act(tenant_id: UUID, *subject: tuple[str, str], recorded_as: str = DONE) -> None:
    """Enter the act that is under way, of which nothing is written where a unit of work would see it.

    `INSTALLATION` is the tenant of what concerns no network, or all.
    """
    act = current_act()
    if act is not None:
        with acting(act.about(*subject)), unit_of_work(tenant_id, recorded_as=recorded_as):
            pass


def record_refusal(tenant_id: UUID, code: str) -> None:
    """Enter that the act under way was refused with this error code."""
    act = current_act()
    if act is None or was_entered_just_now((tenant_id, act.kind, act.actor, act.action, code)):
        return
    with acting(replace(act, refused_because=code)), unit_of_work(tenant_id, recorded_as=DONE):
        pass


def was_entered_just_now(refusal: tuple[object, ...]) -> bool:
    entered: dict[tuple[object, ...], float] = current_app.extensions["refusals_entered"]
    now = time.monotonic()
    if now - entered.get(refusal, -REFUSAL_SECONDS) < REFUSAL_SECONDS:
        return True
    if len(entered) >= REFUSALS_KEPT_MAX:
        entered.clear()
    entered[refusal] = now
    return False


def list_entries(
    tenant_id: UUID, limit: int, before: int | None = None, wanted: Wanted | None = None
) -> list[tuple[Entry, bytes]]:
    """Each with its hash, newest first, those before the entry of number `before`."""
    statement = select(*COLUMNS).order_by(AuditEntry.sequence.desc()).limit(limit)
    statement = statement.where(*conditions(tenant_id, wanted or Wanted()))
    if before is not None:
        statement = statement.where(AuditEntry.sequence < before)
    with unit_of_work(tenant_id) as session:
        return entries_of(tenant_id, session.execute(statement))


def conditions(tenant_id: UUID, wanted: Wanted) -> Iterator[ColumnElement[bool]]:
    if wanted.since is not None:
        yield AuditEntry.happened_at >= wanted.since
    if wanted.until is not None:
        yield AuditEntry.happened_at < wanted.until
    if wanted.actor is not None:
        yield AuditEntry.actor == wanted.actor
    if wanted.action is not None:
        yield AuditEntry.action.contains(wanted.action, autoescape=True)
    if wanted.outcome is not None:
        yield AuditEntry.outcome == wanted.outcome
    if wanted.subject is not None:
        sought = veil(tenant_id, wanted.subject) if looks_like_a_card(wanted.subject) else wanted.subject
        words = func.array_to_string(AuditEntry.subject.concat(AuditEntry.written), " ")
        yield literal(sought) == any_(func.string_to_array(words, " ", type_=ARRAY(Text)))


def entries_of(tenant_id: UUID, rows: Iterable[Any]) -> list[tuple[Entry, bytes]]:
    network = network_of(tenant_id)
    return [(Entry(network, *row[1:]), row[0]) for row in rows]


def find_entry(tenant_id: UUID, sequence: int) -> tuple[Entry, bytes]:
    with unit_of_work(tenant_id) as session:
        found = entries_of(tenant_id, session.execute(select(*COLUMNS).where(AuditEntry.sequence == sequence)))
    if not found:
        raise NotFound(f"There is no entry {sequence} in this audit log.", code="audit_entry_unknown")
    return found[0]


def was_sent(tenant_id: UUID, sequence: int, content: bytes) -> bool:
    """Whether this is, byte for byte, what was sent with the act."""
    digest = find_entry(tenant_id, sequence)[0].body_digest
    return digest is not None and hmac.compare_digest(digest, digest_of(tenant_id, content))


def find_head(tenant_id: UUID) -> Head | None:
    last = list_entries(tenant_id, 1)
    return Head(last[0][0].sequence, last[0][1]) if last else None


def all_entries(tenant_id: UUID) -> Iterator[tuple[Entry, bytes]]:
    """Oldest first, a page at a time."""
    page = page_after(tenant_id, None)
    while page:
        yield from page
        page = page_after(tenant_id, page[-1][0].sequence)


def page_after(tenant_id: UUID, sequence: int | None) -> list[tuple[Entry, bytes]]:
    statement = select(*COLUMNS).order_by(AuditEntry.sequence).limit(PAGE_ENTRIES)
    if sequence is not None:
        statement = statement.where(AuditEntry.sequence > sequence)
    with unit_of_work(tenant_id) as session:
        return entries_of(tenant_id, session.execute(statement))


def verify(tenant_id: UUID, *heads: Head) -> Verified:
    """Recompute the chain, and compare it with `heads` that were kept elsewhere and with those noted in a file."""
    return verify_chain(tenant_id, [*heads, *noted_heads(tenant_id)])


def verify_chain(tenant_id: UUID, heads: list[Head]) -> Verified:
    """At most `DIFFERENCES_MAX` differences, first ones first."""
    at: dict[int, list[Head]] = {}
    for head in heads:
        at.setdefault(head.sequence, []).append(head)
    verified = Verified()
    for entry, entry_hash in all_entries(tenant_id):
        verified.differences += check_entry(verified.head, entry, entry_hash)
        verified.entries += 1
        verified.head = Head(entry.sequence, entry_hash)
        verified.differences += compare_with_heads(verified.head, at.get(entry.sequence, ()))
        if len(verified.differences) >= DIFFERENCES_MAX:
            return verified
    verified.differences += missing_heads(verified.head.sequence if verified.head else 0, heads)
    return verified
