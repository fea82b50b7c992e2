"""Money is an integer count of the currency's minor unit (cents, yen); rates are `Decimal`."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal

from tenants.foundation.errors import InvalidInput

# Active ISO 4217 codes whose minor unit is not 1/100, and the codes with 1/100 below.
MINOR_DIGITS_OTHER = {
    **dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(), 0),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
}
MINOR_DIGITS_TWO = frozenset(
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF "
    "CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD "
    "HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA "
    "MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN "
    "QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP "
    "TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG".split()
)


def minor_digits(currency: str) -> int:
    """Digits after the decimal point of an ISO 4217 currency; raises `InvalidInput` if unknown."""
    if currency in MINOR_DIGITS_TWO:
        return 2
    if currency in MINOR_DIGITS_OTHER:
        return MINOR_DIGITS_OTHER[currency]
    raise InvalidInput(
        f"{currency!r} is not an active ISO 4217 currency code: use one like USD or EUR",
        code="invalid_currency",
    )


def round_half_even(amount: Decimal) -> int:
    """An exact amount in minor units, rounded to whole minor units, ties to the even one."""
    return int(amount.to_integral_value(rounding=ROUND_HALF_EVEN))


def split_largest_remainder(total: int, weights: Sequence[int]) -> list[int]:
    """`total` in whole parts by `weights` (none negative), which sum to it exactly.

    Each part is rounded down, towards zero of a negative total, and what is left goes one each to the largest
    remainders, of equal ones to the lowest index. Without any weight there is nothing to split by: `ValueError`.
    """
    if min(weights, default=0) < 0 or (total and not sum(weights)):
        raise ValueError(f"{total} can't be split by {list(weights)}")
    whole = max(sum(weights), 1)
    parts = [divmod(abs(total) * weight, whole) for weight in weights]
    left = abs(total) - sum(part for part, _ in parts)
    largest = set(sorted(range(len(parts)), key=lambda index: -parts[index][1])[:left])
    shares = [part + (index in largest) for index, (part, _) in enumerate(parts)]
    return shares if total >= 0 else [-share for share in shares]


def show_money(minor: int, currency: str) -> str:
    """`-123456, "USD"` -> `-1,234.56`; the caller adds the code where it is not clear."""
    digits = minor_digits(currency)
    sign = "-" if minor < 0 else ""
    whole, fraction = divmod(abs(minor), 10**digits)
    return f"{sign}{whole:,}" + (f".{fraction:0{digits}d}" if digits else "")


def plain_money(minor: int, currency: str) -> str:
    """As programmes read it: `-1234.56`."""
    return show_money(minor, currency).replace(",", "")
