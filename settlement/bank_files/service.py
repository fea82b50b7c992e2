"""What banks tell of legs: read whole, or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from uuid import UUID

from settlement.bank_files import queries
from settlement.bank_files.camt import BankFile, read_camt
from settlement.bank_files.rules import CONFIRMS, FAILS, REPEATED, Judged, judge_all
from settlement.bank_files.tables import BankEntry, BankFileRow
from settlement.legs.queries import lock_legs, months_of
from settlement.legs.service import settle_if_done
from settlement.proposals.service import lock_window
from settlement.proposals.tables import Leg
from settlement.states.rules import LEG
from settlement.states.service import change_states
from tenants.bank_accounts.service import head_office_numbers
from tenants.foundation import clock, ids
from tenants.foundation.database import Unit, unit_of_work
from tenants.foundation.errors import Conflict
from tenants.foundation.months import show_month
from tenants.networks.service import check_name, get_network
from tenants.networks.tables import Network
from tenants.staff.rules import Actor

PROBLEMS_SHOWN_MAX = 20


@dataclass(frozen=True)
class Reading:
    """A bank's file as it was read: its bookings of legs, as they were booked."""

    file: BankFileRow
    judged: list[Judged]


def read_bank_file(
    tenant_id: UUID, actor: Actor, content: bytes, name: str = "", month: date | None = None
) -> Reading:
    """Confirm or fail the legs that a camt.053 or camt.054 tells of: all of it, or nothing.

    `name` is for the record; with `month` the file may tell of no other month's legs. Raises `InvalidInput` for what
    can't be read, `Conflict` for a file that has been read before, is of another account or network, or disagrees
    with what was asked for.
    """
    if name:
        check_name(name)
    file = read_camt(content)
    sha256 = hashlib.sha256(content).digest()
    with unit_of_work(tenant_id) as session:
        account = own_account_in(session, file)
        months = months_of(session, {entry.leg_id for entry in file.entries})
        check_months(file, months, month)
        windows = {each: lock_window(session, each) for each in sorted(set(months.values()))}
        check_not_read(session, sha256, account, file)
        legs = lock_legs(session, months)
        judged = judge_file(session, file, legs, get_network(tenant_id))
        row = write_bank_file(session, tenant_id, actor, file, account, sha256, name)
        write_entries(session, row, judged)
        apply(session, row, judged, legs, actor)
        for window in windows.values():
            settle_if_done(session, window, actor.shown)
        session.flush()
    return Reading(row, judged)


def own_account_in(session: Unit, file: BankFile) -> str:
    """Head office's account that the file tells of."""
    found = sorted(head_office_numbers(session) & file.accounts)
    if not found:
        raise Conflict("This file tells of no account of head office's.", code="bank_file_foreign")
    return found[0]


def check_months(file: BankFile, months: dict[UUID, date], month: date | None) -> None:
    if not months:
        raise Conflict(
            "This file tells of no payment of this network: no EndToEndId in it is one of its legs.",
            code="bank_file_foreign",
        )
    others = sorted({show_month(each) for each in months.values() if each != month})
    if month is not None and others:
        raise Conflict(
            f"This file tells of payments of {', '.join(others)}, not only of {show_month(month)}: "
            "read it without naming a month if it is meant.",
            code="bank_file_of_another_month",
            months=others,
        )


def check_not_read(session: Unit, sha256: bytes, account: str, file: BankFile) -> None:
    earlier = queries.bank_file_read(session, sha256, account, file.kind, file.message_id)
    if earlier is not None:
        raise read_already(f"{earlier.read_by} has read this file on {earlier.read_at:%Y-%m-%d %H:%M} UTC")


def read_already(what: str) -> Conflict:
    return Conflict(f"{what}: it counts once, and nothing was changed.", code="bank_file_repeated")


def judge_file(session: Unit, file: BankFile, legs: dict[UUID, Leg], network: Network) -> list[Judged]:
    booked = [entry for entry in file.entries if entry.is_booked]
    known = queries.known_legs(session, list(legs.values()))
    judged, problems = judge_all(booked, known, head_office_numbers(session), network.currency)
    if problems:
        told = "; ".join(problems[:PROBLEMS_SHOWN_MAX])
        raise Conflict(
            f"Nothing was changed, as {len(problems)} entries can't be: {told}.",
            code="bank_file_disagrees",
            problems=problems[:PROBLEMS_SHOWN_MAX],
        )
    if judged and all(each.outcome == REPEATED for each in judged):
        raise read_already("All that this file tells has been read in others")
    return judged


def write_bank_file(
    session: Unit, tenant_id: UUID, actor: Actor, file: BankFile, account: str, sha256: bytes, name: str
) -> BankFileRow:
    row = BankFileRow(
        tenant_id=tenant_id,
        bank_file_id=ids.new_id(),
        name=name,
        kind=file.kind,
        account=account,
        message_id=file.message_id,
        sha256=sha256,
        others=file.others,
        not_booked=sum(not entry.is_booked for entry in file.entries),
        read_by=actor.shown,
        read_at=clock.now(),
    )
    session.add(row)
    session.flush()
    return row


def write_entries(session: Unit, row: BankFileRow, judged: Iterable[Judged]) -> None:
    key = {"tenant_id": row.tenant_id, "bank_file_id": row.bank_file_id}
    for number, each in enumerate(judged, start=1):
        entry = each.entry
        kept = {name: getattr(entry, name) for name in ("leg_id", "is_return", "amount", "booked_on", "reference")}
        session.add(BankEntry(**key, **kept, entry=number, reason=entry.reason, outcome=each.outcome))


def apply(session: Unit, row: BankFileRow, judged: Iterable[Judged], legs: dict[UUID, Leg], actor: Actor) -> None:
    """In their order, together what leads to the same state for the same reason: there no leg stands twice."""
    source = f"{row.kind} {row.message_id}"
    changing = [each for each in judged if each.outcome in (CONFIRMS, FAILS)]
    for (state, reason), together in groupby(changing, key=lambda each: (each.outcome, each.entry.reason)):
        rows = [legs[each.entry.leg_id] for each in together]
        change_states(session, LEG, rows, state, actor.shown, f"{source}: {reason}" if reason else source)
        session.flush()
