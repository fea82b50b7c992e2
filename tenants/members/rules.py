"""What a member may be called and reached by, and how much of it a till is shown."""

from __future__ import annotations

import re

import phonenumbers

from tenants.foundation.errors import InvalidInput

# States of a card.
ACTIVE, BLOCKED, REPLACED = "active", "blocked", "replaced"

# Kept encrypted, and erased; the reference is erased too.
PERSONAL = ("name", "phone", "email")
IDENTITY = ("reference", *PERSONAL)

COUNTRY_PATTERN = r"[A-Z]{2}"
# Longer than any number with spaces, brackets and dashes.
PHONE_LENGTH_MAX = 40
# 15 digits behind the +: shorter than the numbers of most payment cards with a country before them.
E164_LENGTH_MAX = 16
# RFC 5321 allows 64 characters before the @ and 254 in all; more of its form only a message can tell.
LETTER = r"[^\s@\x00-\x1f\x7f-\x9f\ud800-\udfff]"
EMAIL_PATTERN = rf"(?=.{{3,254}}\Z){LETTER}{{1,64}}@{LETTER}+"

COUNTRIES = frozenset(phonenumbers.SUPPORTED_REGIONS)


def normal_phone(text: str, country: str | None) -> str:
    """As E.164: `+4915123456789`. `country` (ISO 3166, like DE) is for a number that names none itself.

    Whether somebody has the number nobody knows; it has a length that its country gives. The refusal does not repeat
    it: refusals end in logs.
    """
    try:
        number = phonenumbers.parse(text, country) if len(text) <= PHONE_LENGTH_MAX else None
    except phonenumbers.NumberParseException as error:
        if country is None and text.strip()[:1].isdigit():
            raise InvalidInput(
                "The phone number names no country: write it like +4915123456789, name its country, or have head "
                "office set the network's phone_region.",
                code="phone_without_country",
            ) from error
        number = None
    # Numbers that can only be dialled within a town are none: nobody knows which.
    is_possible = phonenumbers.ValidationResult.IS_POSSIBLE
    if number is not None and phonenumbers.is_possible_number_with_reason(number) == is_possible:
        shown = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        if len(shown) <= E164_LENGTH_MAX:
            return shown
    raise InvalidInput(
        "This is not a phone number, or has too few or too many digits: write it like +4915123456789.",
        code="invalid_phone",
    )


def check_country(country: str) -> None:
    if country not in COUNTRIES:
        raise InvalidInput(
            "A country is two capital letters (ISO 3166), like DE, and has phone numbers.", code="invalid_country"
        )


def check_email(email: str) -> None:
    if not re.fullmatch(EMAIL_PATTERN, email):
        raise InvalidInput("This is not an email address: write it like ada@example.com.", code="invalid_email")


def mask_name(name: str) -> str:
    """`Ada Lovelace` -> `A… L…`."""
    return " ".join(f"{word[0]}…" for word in name.split())


def mask_phone(phone: str) -> str:
    """`+4915123456789` -> `…789`."""
    return f"…{phone[-3:]}"


def mask_email(email: str) -> str:
    """`ada@example.com` -> `a…@e…`."""
    local, _, domain = email.partition("@")
    return f"{local[:1]}…@{domain[:1]}…"
