"""How a bank account may be named, and who of those who look sees all of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from datetime import date

from tenants.foundation.errors import InvalidInput

# Direct debits of SEPA: from anybody, or between businesses, where the debtor can't have one returned.
CORE, B2B = "CORE", "B2B"
SCHEMES = (CORE, B2B)

# What SEPA lets through every bank, of which an identifier neither begins nor ends with a slash or a space.
MANDATE_PATTERN = r"(?!.*//)[A-Za-z0-9+?:().,'-](?:[A-Za-z0-9+?/:().,' -]{0,33}[A-Za-z0-9+?:().,'-])?"
ACCOUNT_NUMBER_PATTERN = r"[A-Za-z0-9](?:[A-Za-z0-9 ./-]{0,32}[A-Za-z0-9])?"
BANK_CODE_PATTERN = r"[A-Za-z0-9](?:[A-Za-z0-9 ./-]{0,18}[A-Za-z0-9])?"
CREDITOR_PATTERN = r"[A-Z]{2}[0-9]{2}[A-Z0-9]{3}[A-Z0-9]{1,28}"


@dataclass(frozen=True)
class BankDetails:
    """An account as somebody names it: an `iban`, or an `account_number` where there are none.

    `creditor_id` is for head office's own account, the mandate for that of a participant who may be collected from.
    """

    holder: str
    iban: str | None = None
    account_number: str | None = None
    bank_code: str | None = None
    bic: str | None = None
    creditor_id: str | None = None
    mandate_id: str | None = None
    mandate_signed_on: date | None = None
    mandate_scheme: str | None = None


DETAILS = tuple(field.name for field in fields(BankDetails))
# Participants may be people who trade under their own names.
PERSONAL = ("holder", "iban", "account_number")


def check_details(details: BankDetails, is_head_office: bool, today: date) -> None:
    """All but the IBAN and the BIC, which need the registers of banks."""
    if (details.iban is None) == (details.account_number is None):
        raise InvalidInput(
            "Name the account by its iban, or where there are none by its account_number: by one of both.",
            code="invalid_bank_account",
        )
    check_form("account_number", ACCOUNT_NUMBER_PATTERN, details.account_number)
    check_form("bank_code", BANK_CODE_PATTERN, details.bank_code)
    if details.creditor_id is not None:
        check_creditor_id(details.creditor_id)
    check_mandate(details, today)
    check_side(details, is_head_office)


def check_form(name: str, pattern: str, value: str | None) -> None:
    if value is not None and not re.fullmatch(pattern, value):
        raise InvalidInput(
            f"{value!r} is not a {name}: letters, digits, dots, dashes, slashes and spaces between them.",
            code="invalid_bank_account",
        )


def check_side(details: BankDetails, is_head_office: bool) -> None:
    if is_head_office and details.mandate_id is not None:
        raise InvalidInput("Head office collects; it gives no mandate.", code="invalid_mandate")
    if not is_head_office and details.creditor_id is not None:
        raise InvalidInput("Only head office collects and has a creditor_id.", code="invalid_creditor_id")
    if details.iban is None and details.mandate_id is not None:
        raise InvalidInput("A mandate for SEPA direct debits needs an iban.", code="invalid_mandate")
    if details.iban is None and details.creditor_id is not None:
        raise InvalidInput("A creditor_id for SEPA direct debits needs an iban.", code="invalid_creditor_id")


def check_mandate(details: BankDetails, today: date) -> None:
    named = [details.mandate_id, details.mandate_signed_on, details.mandate_scheme]
    if named == [None, None, None]:
        return
    if details.mandate_id is None or details.mandate_signed_on is None or details.mandate_scheme not in SCHEMES:
        raise InvalidInput(
            "A mandate has a mandate_id, a mandate_signed_on and a mandate_scheme (CORE or B2B): all three.",
            code="invalid_mandate",
        )
    if not re.fullmatch(MANDATE_PATTERN, details.mandate_id):
        raise InvalidInput(
            f"{details.mandate_id!r} is not a mandate_id: 1 to 35 letters without accents, digits and +?/:().,'- "
            "and no slash or space at an end.",
            code="invalid_mandate",
        )
    if details.mandate_signed_on > today:
        raise InvalidInput("mandate_signed_on lies in the future.", code="invalid_mandate")


def check_creditor_id(creditor_id: str) -> None:
    """EPC262-08: country, two check digits by ISO 7064 MOD 97-10, three characters that do not count, national id."""
    is_formed = re.fullmatch(CREDITOR_PATTERN, creditor_id) is not None
    if not is_formed or remainder_97(creditor_id[7:] + creditor_id[:4]) != 1:
        what = "its check digits are wrong" if is_formed else "it is like DE98ZZZ09999999999, without spaces"
        raise InvalidInput(f"{creditor_id!r} is not a creditor_id: {what}.", code="invalid_creditor_id")


def remainder_97(text: str) -> int:
    """Of the number that digits and letters (A = 10, …) make."""
    return int("".join(str(int(character, 36)) for character in text)) % 97


def mask(number: str) -> str:
    """Its last four characters; of an IBAN also the country."""
    country = number[:2] if number[:2].isalpha() and len(number) > 6 else ""
    return f"{country}…{number[-4:]}" if len(number) > 4 else "…"


def bare(number: str) -> str:
    """The number without what people and banks put between its characters."""
    return re.sub(r"[\s./-]", "", number).upper()
