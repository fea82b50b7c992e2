"""What a bank's entry means for a leg."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

from settlement.legs.rules import end_to_end_id
from settlement.states.rules import CARRIED, CONFIRMED, FAILED

# How a bank writes the direction of an entry: money came to the account, or left it.
CREDIT, DEBIT = "CRDT", "DBIT"


@dataclass(frozen=True)
class Entry:
    """A payment of one leg in a bank's file. `amount` is in minor units; `direction` is CREDIT where money came in.

    `account` is whose statement it is. `is_return` says that the bank took back, for `reason`, what it had booked or
    was asked for. `reference` is the bank's own of the booking.
    """

    leg_id: UUID
    account: str
    amount: int
    currency: str
    direction: str
    is_booked: bool
    is_return: bool
    booked_on: date | None
    reference: str
    reason: str


@dataclass(frozen=True)
class ReadEntry:
    """Of an entry that has been read, what others of its leg are compared with."""

    reference: str
    is_return: bool
    booked_on: date | None

    @property
    def order(self) -> tuple[date, bool]:
        """Of one day the booking is before its return; what has no day is after all others."""
        return self.booked_on or date.max, self.is_return


@dataclass(frozen=True)
class KnownLeg:
    """A leg as far as banks' files go: its state, and the entries of it that have been read, as they were booked."""

    leg_id: UUID
    amount: int
    state: str
    entries: tuple[ReadEntry, ...] = ()


# What an entry did to its leg: it is in this state now.
CONFIRMS, FAILS = CONFIRMED, FAILED
# The leg was so already, by hand; or the same booking stood in an earlier file, as statements repeat notices.
AGREES, REPEATED = "agrees", "repeated"
# Money for a leg whose amount had been carried into another month.
SURPLUS = "surplus"
OUTCOMES = (CONFIRMS, FAILS, AGREES, REPEATED, SURPLUS)


class Refused(ValueError):
    """What an entry says can't be; the text says why."""


def expected_direction(leg_amount: int, is_return: bool) -> str:
    """A collection comes in, a payout goes out; what is returned goes the other way."""
    return CREDIT if (leg_amount > 0) != is_return else DEBIT


def judge(entry: Entry, leg: KnownLeg, currency: str) -> str:
    """What the entry does to its leg. Raises `Refused` where it does not agree with what was asked of the bank."""
    if (entry.amount, entry.currency) != (abs(leg.amount), currency):
        raise Refused(f"is of {entry.amount} {entry.currency}, not of {abs(leg.amount)} {currency} (minor units)")
    if entry.direction != expected_direction(leg.amount, entry.is_return):
        raise Refused(f"goes the wrong way: {entry.direction}")
    if is_repeated(entry, leg.entries):
        return REPEATED
    outcome = FAILS if entry.is_return else CONFIRMS
    before, later = around(read(entry), leg.entries)
    if is_told_twice(entry, leg, outcome, before, later):
        raise Refused("is returned twice" if entry.is_return else "is booked twice")
    if leg.state == CARRIED:
        return AGREES if entry.is_return else SURPLUS
    # Files may be read out of turn: what has been booked since says more.
    return AGREES if later or leg.state == outcome else outcome


def is_repeated(entry: Entry, earlier: Iterable[ReadEntry]) -> bool:
    """The bank's reference tells a booking that is told again from a second one."""
    told = {(other.reference, other.is_return) for other in earlier}
    return bool(entry.reference) and (entry.reference, entry.is_return) in told


def is_told_twice(
    entry: Entry, leg: KnownLeg, outcome: str, before: Sequence[ReadEntry], later: Sequence[ReadEntry]
) -> bool:
    """A leg that has been instructed again may well be booked or returned again."""
    if later:
        return any(read(entry).order == other.order for other in before)
    return leg.state == outcome and bool(before) and before[-1].is_return == entry.is_return


def around(entry: ReadEntry, others: Sequence[ReadEntry]) -> tuple[Sequence[ReadEntry], Sequence[ReadEntry]]:
    """Of `others`, as they were booked, those before the entry and those after it."""
    place = bisect_right([other.order for other in others], entry.order)
    return others[:place], others[place:]


def read(entry: Entry) -> ReadEntry:
    return ReadEntry(entry.reference, entry.is_return, entry.booked_on)


@dataclass(frozen=True)
class Judged:
    entry: Entry
    outcome: str


def judge_all(
    entries: Iterable[Entry], legs: dict[UUID, KnownLeg], own_accounts: Collection[str], currency: str
) -> tuple[list[Judged], list[str]]:
    """What each booked entry does, in their order, and what is wrong with those that can't be."""
    now = dict(legs)
    judged, problems = [], []
    for entry in sorted(entries, key=lambda entry: read(entry).order):
        leg = now.get(entry.leg_id)
        try:
            if leg is None:
                raise Refused("is no leg of this network")
            if entry.account not in own_accounts:
                raise Refused("is on an account that is not head office's")
            outcome = judge(entry, leg, currency)
        except Refused as refused:
            problems.append(f"{end_to_end_id(entry.leg_id)} {refused}")
            continue
        now[entry.leg_id] = after(leg, entry, outcome)
        judged.append(Judged(entry, outcome))
    return judged, problems


def after(leg: KnownLeg, entry: Entry, outcome: str) -> KnownLeg:
    if outcome == REPEATED:
        return leg
    state = outcome if outcome in (CONFIRMS, FAILS) else leg.state
    before, later = around(read(entry), leg.entries)
    return replace(leg, state=state, entries=(*before, read(entry), *later))
