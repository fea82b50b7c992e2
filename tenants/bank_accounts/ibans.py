"""IBANs and BICs by the registers of `schwifty`: eight megabytes, loaded by whoever first needs them."""

from __future__ import annotations

from schwifty import BIC, IBAN
from schwifty.exceptions import (
    InvalidChecksumDigits,
    InvalidCountryCode,
    InvalidLength,
    SchwiftyException,
)

from tenants.foundation.errors import InvalidInput

REASONS: dict[type[SchwiftyException], str] = {
    InvalidChecksumDigits: "its check digits are wrong",
    InvalidCountryCode: "its country is unknown",
    InvalidLength: "it is too long or too short",
}


def normal_iban(text: str) -> str:
    """In capitals and without spaces; raises `InvalidInput` when country, length, form or checksum are wrong."""
    try:
        return str(IBAN(text))
    except SchwiftyException as error:
        raise InvalidInput(
            f"This is not an IBAN: {why(error)}. Compare it with what the bank has given.", code="invalid_iban"
        ) from error


def normal_bic(text: str) -> str:
    try:
        return str(BIC(text))
    except SchwiftyException as error:
        raise InvalidInput(f"{text!r} is not a BIC: {why(error)}.", code="invalid_bic") from error


def why(error: SchwiftyException) -> str:
    return REASONS.get(type(error), "it has characters where none of their kind may be")


def in_sepa_zone(iban: str) -> bool:
    return IBAN(iban).in_sepa_zone
