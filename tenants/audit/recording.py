"""Entering an act into the audit log, in the transaction that does it: called by `unit_of_work`, and by nobody else.

The entry is the last that a transaction does. It takes the network's lock for the chain after all others, and holds
it over one insert and the commit: whoever has it waits for nothing but the disk, so it can be in no deadlock.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import inspect, text
from sqlalchemy.orm import Mapper, ORMExecuteState, Session, scoped_session

from tenants.audit.rules import Entry, hash_of, network_of, safe, show_subject
from tenants.foundation import clock, ids
from tenants.foundation.acts import DONE, REFUSED, Act, current_act
from tenants.foundation.secret_key import derive

HAS_WRITTEN = text("SELECT pg_current_xact_id_if_assigned() IS NOT NULL")
# Constraints that wait for the commit are checked before the chain is locked: checking them may wait for others.
# Each statement sees what has been committed by the time it begins, so the last sees the end of the chain.
LOCK_AND_FIND_HEAD = text("""
    SET CONSTRAINTS ALL IMMEDIATE;
    SELECT pg_advisory_xact_lock(hashtextextended(CAST(:tenant AS text), 2));
    SELECT sequence, hash FROM tenants.audit_log WHERE tenant_id = CAST(:tenant AS uuid)
    ORDER BY sequence DESC LIMIT 1
""")
INSERT = text("""
    INSERT INTO tenants.audit_log (
        tenant_id, sequence, happened_at, actor_kind, actor, via, action, outcome, error_code, subject, written,
        request_id, body_digest, previous_hash, hash)
    VALUES (
        :tenant_id, :sequence, :happened_at, :actor_kind, :actor, :via, :action, :outcome, :error_code, :subject,
        :written, :request_id, :body_digest, :previous_hash, :hash)
""")

REQUEST_ID_PATTERN = r"[A-Za-z0-9._:-]{1,128}"

WRITTEN = "written"
# Rows named of each table; a proposal has thousands of lines.
ROWS_NAMED_MAX = 10

PREFIXES = {
    "adjustment_id": ids.ADJUSTMENT,
    "bank_file_id": ids.BANK_FILE,
    "batch_id": ids.CARD_BATCH,
    "card_id": ids.CARD,
    "change_id": ids.CARD_CHANGE,
    "credential_id": ids.KEY,
    "delivery_id": ids.DELIVERY,
    "deposit_id": ids.DEPOSIT,
    "dispute_id": ids.DISPUTE,
    "endpoint_id": ids.WEBHOOK,
    "fee_id": ids.FEE,
    "file_id": ids.PAYMENT_FILE,
    "leg_id": ids.LEG,
    "member_id": ids.MEMBER,
    "participant_id": ids.PARTICIPANT,
    "rate_id": ids.RATE,
    "staff_id": ids.STAFF,
    "store_id": ids.STORE,
    "tenant_id": ids.NETWORK,
    "terminal_id": ids.TERMINAL,
}


def record(session: scoped_session[Any], tenant_id: UUID, recorded_as: str | None) -> None:
    """Enter the act that is under way when the transaction has written something, or when `recorded_as` says so."""
    act = current_act()
    if act is None:
        return
    session.flush()
    came_of_it = DONE if session.scalar(HAS_WRITTEN) else recorded_as
    if came_of_it is None:
        return
    outcome = REFUSED if act.refused_because else came_of_it
    written = written_of(session())
    head = session.execute(LOCK_AND_FIND_HEAD, {"tenant": str(tenant_id)}).one_or_none()
    sequence, previous_hash = head or (0, None)
    entry = make_entry(tenant_id, act, outcome, written, sequence + 1, previous_hash and bytes(previous_hash))
    columns = {name: value for name, value in vars(entry).items() if name != "network"}
    session.execute(INSERT, {**columns, "tenant_id": tenant_id, "hash": hash_of(entry)})


def make_entry(
    tenant_id: UUID, act: Act, outcome: str, written: list[str], sequence: int, previous_hash: bytes | None
) -> Entry:
    return Entry(
        network=network_of(tenant_id),
        sequence=sequence,
        happened_at=clock.now(),
        actor_kind=act.kind,
        actor=act.actor,
        via=act.via,
        action=act.action,
        outcome=outcome,
        error_code=act.refused_because,
        subject=show_subject(act.subject, lambda number: veil(tenant_id, number)),
        written=written,
        request_id=act.request_id and safe(act.request_id, REQUEST_ID_PATTERN),
        body_digest=digest_of(tenant_id, act.content) if act.content else None,
        previous_hash=previous_hash,
    )


def digest_of(tenant_id: UUID, content: bytes) -> bytes:
    """Tells whether a copy of what was sent is true; without the secret key, and for another network, it tells
    nothing, as a short secret in it could be guessed otherwise."""
    return hmac.digest(derive("audit body", tenant_id.bytes), content, hashlib.sha256)


def veil(tenant_id: UUID, number: str) -> str:
    """What stands for a card's number: always the same in a network, so that it can be looked for."""
    return "card-" + derive("audit card", tenant_id.bytes, number.encode())[:8].hex()


def note_written(session: Session, _: object) -> None:
    """After each flush: which rows it has made, changed or removed."""
    if current_act() is None:
        return
    for row in (*session.new, *(row for row in session.dirty if session.is_modified(row)), *session.deleted):
        mapper: Mapper[Any] = inspect(row).mapper
        note(session, mapper, mapper.primary_key_from_instance(row))


def note_statement(state: ORMExecuteState) -> None:
    """Before an INSERT, UPDATE or DELETE that goes past the flush: its table, and the rows if it gives their keys."""
    if current_act() is None or not (state.is_insert or state.is_update or state.is_delete) or not state.bind_mapper:
        return
    given: Any = state.parameters or {}
    for values in given if isinstance(given, list) else [given]:
        key = [values.get(column.name) for column in state.bind_mapper.primary_key]
        note(state.session, state.bind_mapper, key)


def note(session: Session, mapper: Mapper[Any], key: Sequence[Any]) -> None:
    tables: dict[str, list[str]] = session.info.setdefault(WRITTEN, {})
    named = tables.setdefault(mapper.local_table.name, [])  # type: ignore[attr-defined]
    # One more than are shown tells that there are more.
    if len(named) <= ROWS_NAMED_MAX:
        name = name_of([column.name for column in mapper.primary_key], key)
        if name not in named:
            named.append(name)


def forget_written(session: Session) -> None:
    session.info.pop(WRITTEN, None)


def written_of(session: Session) -> list[str]:
    """A table and a row each: `credentials key_01…`; `lines +` stands for more of them."""
    tables: dict[str, list[str]] = session.info.get(WRITTEN, {})
    return [
        f"{table} {name}".rstrip()
        for table, names in tables.items()
        for name in (*names[:ROWS_NAMED_MAX], *(["+"] if len(names) > ROWS_NAMED_MAX else []))
    ]


def name_of(names: Sequence[str], values: Sequence[Any]) -> str:
    """A row's key without the network: ids, days and numbers; text and hashes are left out."""
    key = dict(zip(names, values, strict=True))
    parts = {name: value for name, value in key.items() if name != "tenant_id"} or key
    return "/".join(shown for name, value in parts.items() for shown in show_part(name, value))


def show_part(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, UUID):
        yield ids.show(PREFIXES[name], value) if name in PREFIXES else str(value)
    elif isinstance(value, date | int):
        yield str(value)
