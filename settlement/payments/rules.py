"""What of the legs of a settlement can be paid now, and how."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from settlement.legs.rules import COLLECTION, direction_of
from tenants.bank_accounts.rules import mask
from tenants.foundation.errors import InvalidInput

SEPA, CSV = "sepa", "csv"
FORMATS = (SEPA, CSV)
# The one currency of SEPA, and the most that a payment of SEPA moves, in minor units.
SEPA_CURRENCY = "EUR"
SEPA_AMOUNT_MAX = 999_999_999_99

# Why a leg waits.
NO_ACCOUNT = "no bank account"
NO_IBAN = "no IBAN, which SEPA needs"
OUTSIDE_SEPA = "an account outside SEPA"
NO_MANDATE = "no mandate for direct debits"
NO_CREDITOR = "no creditor identifier of head office"
TOO_LARGE = "more than a SEPA payment can move"
NAMED_BY_PAYER = "an account that you have named yourself: have another person make the file"


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
    """`amount` is positive where the store remits.

    `is_named_by_payer`: whoever makes the file has named the account, or head office's, so could send money anywhere.
    """

    leg_id: UUID
    store_code: str
    amount: int
    account: Account | None
    is_named_by_payer: bool = False


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
    amount: int
    because: str


def days_from(today: date, collect_on: date, pay_on: date) -> Days:
    """As the calendar has them, tomorrow at the earliest, and payouts after what pays for them."""
    collect = max(collect_on, today + timedelta(days=1))
    return Days(collect, max(pay_on, collect + timedelta(days=1)))


def choose_format(wanted: str | None, currency: str, head_office: Account) -> str:
    """SEPA's where it can be, or the one wanted. Raises `InvalidInput` for SEPA where it can't be."""
    can_be_sepa = currency == SEPA_CURRENCY and head_office.is_iban and head_office.in_sepa
    if wanted == SEPA and not can_be_sepa:
        raise InvalidInput(
            f"SEPA moves {SEPA_CURRENCY} between accounts with IBANs of its countries; head office settles in "
            f"{currency} and has {mask(head_office.number)}. Have the payments written as {CSV}.",
            code="sepa_impossible",
        )
    return wanted or (SEPA if can_be_sepa else CSV)


def why_waiting(leg: LegToPay, head_office: Account, format: str) -> str | None:
    """What keeps a leg from being paid in this format; None when nothing does."""
    account = leg.account
    if account is None:
        return NO_ACCOUNT
    if leg.is_named_by_payer:
        return NAMED_BY_PAYER
    if format != SEPA:
        return None
    if not account.is_iban:
        return NO_IBAN
    if not account.in_sepa:
        return OUTSIDE_SEPA
    if direction_of(leg.amount) == COLLECTION and not head_office.creditor_id:
        return NO_CREDITOR
    if direction_of(leg.amount) == COLLECTION and not account.mandate_id:
        return NO_MANDATE
    return TOO_LARGE if abs(leg.amount) > SEPA_AMOUNT_MAX else None


def split_legs(
    legs: Iterable[LegToPay], head_office: Account, format: str, days: Days, text: str
) -> tuple[dict[tuple[str, str], list[Payment]], list[Waiting]]:
    """The payments of each file, by direction and scheme of direct debit (empty for others), and who waits.

    `text` is what stands on the bank statements of both, before the store's code. Legs of nothing are left out.
    """
    files: dict[tuple[str, str], list[Payment]] = {}
    waiting = []
    for leg in legs:
        because = why_waiting(leg, head_office, format)
        if leg.amount == 0:
            continue
        if because is not None or leg.account is None:
            waiting.append(Waiting(leg.store_code, leg.leg_id, leg.amount, because or NO_ACCOUNT))
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
