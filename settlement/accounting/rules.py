"""A settlement as head office books it: entries whose postings sum to zero.

Amounts are integer minor units; positive is a debit, negative a credit. A store's lines are posted to its
participant's receivables if the store remits in this settlement, else to its payables, so that either account of a
participant changes by exactly the sum of its stores' legs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from settlement.accounting.accounts import (
    BANK,
    BREAKAGE,
    BREAKAGE_OWED,
    CARRIED,
    CLEARING,
    DEFERRED_REVENUE,
    DISPUTES_LOST,
    MARGIN_EARNED,
    MARKETING,
    OF_DISPUTED_KIND,
    OF_KIND,
    OF_REASON,
    PAYABLES,
    RATE_DIFFERENCES,
    RECEIVABLES,
    ROUNDING,
    SUSPENSE,
    component_of,
)
from settlement.accounting.carrying import PointsOfMonth
from settlement.proposals.rules import ADJUSTMENT, DISPUTE_ACCEPTED, DISPUTED, FUNDING, Line, nets_of
from settlement.states.rules import CARRIED as LEG_CARRIED
from settlement.states.rules import CONFIRMED, FAILED
from settlement.valuation.assumptions import HEAD_OFFICE
from tenants.foundation.months import last_day, show_month


@dataclass(frozen=True)
class Posting:
    """`amount` (minor units): positive is a debit, negative a credit. `reference` names the line or leg."""

    account: str
    amount: int
    participant: str = ""
    store: str = ""
    reference: str = ""


@dataclass(frozen=True)
class Entry:
    """`number` never changes once the month is approved."""

    number: str
    day: date
    narration: str
    postings: tuple[Posting, ...]

    @property
    def balance(self) -> int:
        return sum(posting.amount for posting in self.postings)


@dataclass(frozen=True)
class Party:
    """A store and the participant that owns it, by their codes."""

    store: str
    participant: str

    def account(self, is_receivable: bool) -> str:
        return f"{RECEIVABLES if is_receivable else PAYABLES}:{component_of(self.participant)}"


@dataclass(frozen=True)
class SettlementToPost:
    """An approved settlement. `reasons` is by adjustment; `parties` by store."""

    month: date
    head_office_id: UUID
    lines: Sequence[Line]
    parties: Mapping[UUID, Party]
    reasons: Mapping[UUID, str]
    points: PointsOfMonth


def entries_of(settlement: SettlementToPost, breakage_to: str) -> list[Entry]:
    """Of the month's last day: one for each participant by code, then what is head office's own."""
    month, day = show_month(settlement.month), last_day(settlement.month)
    by_participant = participants_postings(settlement)
    told = [(f"Settlement {month} of {code}", by_participant[code]) for code in sorted(by_participant)]
    told.append((f"Points funded by head office in {month}", list(head_office_postings(settlement))))
    told.append((f"Points expired in {month}", breakage_postings(settlement.points, breakage_to)))
    told.append((f"Points used in {month}", used_postings(settlement.points)))
    made = [(narration, tuple(p for p in postings if p.amount)) for narration, postings in told]
    return [
        Entry(f"{month}-{number:04}", day, narration, postings)
        for number, (narration, postings) in enumerate((one for one in made if one[1]), start=1)
    ]


def participants_postings(settlement: SettlementToPost) -> dict[str, list[Posting]]:
    """By participant. Both sides of a line between two of its stores; else a store's side and what it is against."""
    nets = nets_of(settlement.lines)
    found: dict[str, list[Posting]] = {}
    for line in settlement.lines:
        sides = (line.payer_id, line.payee_id, line.amount), (line.payee_id, line.payer_id, -line.amount)
        for store_id, other_id, amount in sides:
            party, other = settlement.parties.get(store_id), settlement.parties.get(other_id)
            if party is None:
                continue
            told = party.participant, party.store, line.key
            postings = found.setdefault(party.participant, [])
            postings.append(Posting(party.account(nets[store_id] > 0), amount, *told))
            if other is None:
                postings.append(Posting(account_of(line, settlement.reasons), -amount, *told))
            elif other.participant != party.participant:
                postings.append(Posting(CLEARING, -amount, *told))
    return found


def account_of(line: Line, reasons: Mapping[UUID, str]) -> str:
    """Where head office posts a line that it is the other side of."""
    if line.kind == ADJUSTMENT and line.reference is not None:
        return OF_REASON[reasons[line.reference]]
    if line.kind == DISPUTED:
        return SUSPENSE
    if line.kind == DISPUTE_ACCEPTED:
        return account_of_lost_dispute(line)
    return OF_KIND[line.kind]


def account_of_lost_dispute(line: Line) -> str:
    """What a dispute takes out comes off the income that the disputed line was; its kind is the line's note."""
    return OF_DISPUTED_KIND.get(line.note, DISPUTES_LOST)


def head_office_postings(settlement: SettlementToPost) -> Iterator[Posting]:
    """For the points that it issues itself, head office owes itself what a store would owe it."""
    for line in settlement.lines:
        if line.kind == FUNDING and line.payer_id == line.payee_id:
            yield Posting(MARKETING, line.amount, reference=line.key)
            yield Posting(DEFERRED_REVENUE, -line.amount, reference=line.key)


def breakage_postings(points: PointsOfMonth, breakage_to: str) -> list[Posting]:
    earned = BREAKAGE if breakage_to == HEAD_OFFICE else BREAKAGE_OWED
    return [Posting(DEFERRED_REVENUE, points.breakage), Posting(earned, -points.breakage)]


def used_postings(points: PointsOfMonth) -> list[Posting]:
    """Leaves of what is deferred what the points still outstanding are carried at."""
    left_over = points.margin + points.rate_differences + points.rounding
    return [
        Posting(DEFERRED_REVENUE, left_over),
        Posting(MARGIN_EARNED, -points.margin),
        Posting(RATE_DIFFERENCES, -points.rate_differences),
        Posting(ROUNDING, -points.rounding),
    ]


@dataclass(frozen=True)
class LegChange:
    """A step that the payment of a store took. `amount` as of the leg: positive remits, negative receives."""

    reference: str
    sequence: int
    day: date
    month: date
    from_state: str
    to_state: str
    amount: int
    party: Party


def payment_entries(changes: Iterable[LegChange]) -> Iterator[Entry]:
    """In the order given; steps in which no money moves are left out.

    A leg that failed after all is owed as before; one that is carried is owed with a later month.
    """
    for change in changes:
        if change.to_state == CONFIRMED:
            yield payment_entry(change, "Payment", BANK, change.amount)
        elif change.from_state == CONFIRMED and change.to_state == FAILED:
            yield payment_entry(change, "Returned payment", BANK, -change.amount)
        elif change.to_state == LEG_CARRIED:
            yield payment_entry(change, "Payment carried forward", CARRIED, change.amount)


def payment_entry(change: LegChange, what: str, account: str, amount: int) -> Entry:
    party = change.party
    told = party.participant, party.store, change.reference
    return Entry(
        f"{change.reference}-{change.sequence}",
        change.day,
        f"{what} of {party.store} for {show_month(change.month)}",
        (Posting(account, amount, *told), Posting(party.account(change.amount > 0), -amount, *told)),
    )


@dataclass(frozen=True)
class LostDispute:
    """A dispute that was accepted on `day`, after `line` of an approved settlement had held its amount back."""

    reference: str
    day: date
    line: Line
    party: Party


def dispute_entries(lost: Iterable[LostDispute], head_office_id: UUID) -> Iterator[Entry]:
    """In the order given. Between two stores nothing was held back from head office."""
    for dispute in lost:
        line, party = dispute.line, dispute.party
        if head_office_id not in (line.payer_id, line.payee_id):
            continue
        held = line.amount if line.payer_id == head_office_id else -line.amount
        told = party.participant, party.store, line.key
        postings = (Posting(account_of_lost_dispute(line), held, *told), Posting(SUSPENSE, -held, *told))
        yield Entry(dispute.reference, dispute.day, f"Dispute of {party.store} accepted", postings)
