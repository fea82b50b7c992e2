"""What of the legs of a settlement can be paid now and how, and what a bank's entry means for a leg.

A collection is paid by the store to head office (its leg is positive), a payout the other way.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from uuid import UUID

from tenants.foundation import ids
from tenants.foundation.errors import InvalidInput

COLLECTION, PAYOUT = "collection", "payout"

SEPA, CSV = "sepa", "csv"
FORMATS = (SEPA, CSV)
# The one currency of SEPA, and the most that a payment of SEPA moves, in minor units.
SEPA_CURRENCY = "EUR"
SEPA_AMOUNT_MAX = 999_999_999_99

# The states of a leg.
PENDING, INSTRUCTED, CONFIRMED, FAILED, CARRIED = "pending", "instructed", "confirmed", "failed", "carried"
# Nothing more is expected of these by themselves: a failed leg is a receivable until somebody decides.
FINAL = (CONFIRMED, FAILED, CARRIED)

# Why a leg waits.
NO_ACCOUNT = "no bank account"
NO_IBAN = "no IBAN, which SEPA needs"
OUTSIDE_SEPA = "an account outside SEPA"
NO_MANDATE = "no mandate for direct debits"
TOO_LARGE = "more than a SEPA payment can move"

# How a bank writes the direction of an entry: money came to the account, or left it.
CREDIT, DEBIT = "CRDT", "DBIT"


@dataclass(frozen=True)
class Account:
    """Of a bank account, what a payment names; `number` is an IBAN if `is_iban`."""

    holder: str
    number: str
    is_iban: bool
    bank_code: str = ""
    bic: str = ""
    in_sepa: bool = False
    creditor_id: str = ""
    mandate_id: str = ""
    mandate_signed_on: date | None = None
    mandate_scheme: str = ""


@dataclass(frozen=True)
class Payment:
    """One leg as a bank is told of it. `amount` is in minor units and positive, `direction` says who pays."""

    leg_id: UUID
    store_code: str
    direction: str
    amount: int
    due_on: date
    text: str
    account: Account


@dataclass(frozen=True)
class LegToPay:
    """`amount` is positive where the store remits."""

    leg_id: UUID
    store_code: str
    amount: int
    account: Account | None


@dataclass(frozen=True)
class Days:
    collect_on: date
    pay_on: date

    def of(self, direction: str) -> date:
        return self.collect_on if direction == COLLECTION else self.pay_on


@dataclass(frozen=True)
class Waiting:
    store_code: str
    leg_id: UUID
    because: str


def direction_of(amount: int) -> str:
    return COLLECTION if amount > 0 else PAYOUT


def end_to_end_id(leg_id: UUID) -> str:
    """The leg's id in characters that every bank lets through: 30 of the 35 that there may be."""
    return ids.show(ids.LEG, leg_id).replace("_", "-")


def leg_of(text: str) -> UUID | None:
    """The leg that an EndToEndId names; None for what is no id of ours. Some banks write capitals."""
    prefix, dash, body = text.strip().lower().partition("-")
    if prefix != ids.LEG or not dash:
        return None
    try:
        return ids.parse(ids.LEG, f"{prefix}_{body}")
    except InvalidInput:
        return None


def days_from(today: date, collect_on: date, pay_on: date) -> Days:
    """As the calendar has them, tomorrow at the earliest, and payouts after what pays for them."""
    collect = max(collect_on, today + timedelta(days=1))
    return Days(collect, max(pay_on, collect + timedelta(days=1)))


def is_sepa(currency: str, head_office: Account) -> bool:
    return currency == SEPA_CURRENCY and head_office.is_iban and head_office.in_sepa


def why_waiting(leg: LegToPay, format: str) -> str | None:
    """What keeps a leg from being paid in this format; None when nothing does."""
    account = leg.account
    if account is None:
        return NO_ACCOUNT
    if format != SEPA:
        return None
    if not account.is_iban:
        return NO_IBAN
    if not account.in_sepa:
        return OUTSIDE_SEPA
    if direction_of(leg.amount) == COLLECTION and not account.mandate_id:
        return NO_MANDATE
    return TOO_LARGE if abs(leg.amount) > SEPA_AMOUNT_MAX else None


def split_legs(
    legs: Iterable[LegToPay], format: str, days: Days, text: str
) -> tuple[dict[tuple[str, str], list[Payment]], list[Waiting]]:
    """The payments of each file, by direction and scheme of direct debit (empty for others), and who waits.

    `text` is what stands on the bank statements of both, before the store's code. Legs of nothing are left out.
    """
    files: dict[tuple[str, str], list[Payment]] = {}
    waiting = []
    for leg in legs:
        because = why_waiting(leg, format)
        if leg.amount == 0:
            continue
        if because is not None or leg.account is None:
            waiting.append(Waiting(leg.store_code, leg.leg_id, because or NO_ACCOUNT))
            continue
        direction = direction_of(leg.amount)
        scheme = leg.account.mandate_scheme if (format, direction) == (SEPA, COLLECTION) else ""
        payment = Payment(
            leg.leg_id,
            leg.store_code,
            direction,
            abs(leg.amount),
            days.of(direction),
            f"{text} {leg.store_code}",
            leg.account,
        )
        files.setdefault((direction, scheme), []).append(payment)
    return files, waiting


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
    reference: str
    is_return: bool


@dataclass(frozen=True)
class KnownLeg:
    """A leg as far as banks' files go: its state, and the entries of it that have been read, oldest first."""

    leg_id: UUID
    store_code: str
    month: date
    amount: int
    state: str
    entries: tuple[ReadEntry, ...] = ()


# What an entry did to its leg.
CONFIRMS, FAILS = "confirmed", "failed"
# The leg was so already, by hand; or the same booking stood in an earlier file, as statements repeat notices.
AGREES, REPEATED = "agrees", "repeated"
# Money for a leg whose amount had been carried into another month.
SURPLUS = "surplus"


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
    if leg.entries and leg.entries[-1].is_return == entry.is_return:
        raise Refused("is returned twice" if entry.is_return else "is booked twice")
    if leg.state == CARRIED:
        return SURPLUS if not entry.is_return else AGREES
    outcome = FAILED if entry.is_return else CONFIRMED
    if leg.state == outcome:
        return AGREES
    return FAILS if entry.is_return else CONFIRMS


def is_repeated(entry: Entry, earlier: Sequence[ReadEntry]) -> bool:
    """The bank's reference tells a booking that is told again from a second one."""
    return bool(entry.reference) and ReadEntry(entry.reference, entry.is_return) in earlier


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    """As they were booked: of one day the booking before its return."""
    return sorted(entries, key=lambda entry: (entry.booked_on or date.max, entry.is_return))


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
    for entry in in_order(entries):
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
    state = {CONFIRMS: CONFIRMED, FAILS: FAILED}.get(outcome, leg.state)
    return replace(leg, state=state, entries=(*leg.entries, ReadEntry(entry.reference, entry.is_return)))
