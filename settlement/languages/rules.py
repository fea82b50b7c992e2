"""The languages of what is printed: texts, and numbers, money and dates as each writes them (Babel, CLDR).

A text is named by its English. Money is in minor units, and shown in major ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime, format_skeleton
from babel.numbers import format_currency, get_decimal_symbol, get_group_symbol, get_minus_sign_symbol

from settlement.languages.chinese import CHINESE
from tenants.foundation.errors import InvalidInput
from tenants.foundation.money import minor_digits

ENGLISH, SIMPLIFIED_CHINESE = "en", "zh-Hans"


class Language:
    """`texts` by their English; English itself needs none."""

    def __init__(self, code: str, texts: Mapping[str, str] | None = None) -> None:
        self.code = code
        self.locale = Locale.parse(code, sep="-")
        self.texts = texts
        # Babel takes a hundred times as long for a number; what it would do comes down to these.
        self.symbols = str.maketrans(
            {
                ",": get_group_symbol(self.locale),
                ".": get_decimal_symbol(self.locale),
                "-": get_minus_sign_symbol(self.locale),
            }
        )

    def say(self, text: str, **values: object) -> str:
        """Raises `KeyError` for a text that nobody has translated."""
        said = text if self.texts is None else self.texts[text]
        return said.format(**values) if values else said

    def say_if_known(self, text: str) -> str:
        """For what the books have kept in the words of their day."""
        return text if self.texts is None else self.texts.get(text, text)

    def number(self, value: int | Decimal) -> str:
        return f"{value:,}".translate(self.symbols)

    def signed(self, value: int) -> str:
        return f"{value:+,}".translate(self.symbols) if value else "0"

    def money(self, minor: int, currency: str) -> str:
        digits = minor_digits(currency)
        return f"{Decimal(minor).scaleb(-digits):,.{digits}f}".translate(self.symbols)

    def exact_money(self, minor: Decimal, currency: str) -> str:
        """With as many decimals as it takes, at least those of the currency."""
        digits = minor_digits(currency)
        major = minor.scaleb(-digits)
        decimals = max(digits, -int(major.normalize().as_tuple().exponent))
        return f"{major:,.{decimals}f}".translate(self.symbols)

    def rate(self, minor_per_point: Decimal, currency: str) -> str:
        """In major units: `Decimal("1.50")` USD -> `0.015`."""
        major = minor_per_point.scaleb(-minor_digits(currency)).normalize()
        return f"{major:,f}".translate(self.symbols)

    def percent(self, share: Decimal) -> str:
        return f"{(share * 100).normalize():,f}%".translate(self.symbols)

    def rounded_percent(self, share: Decimal, signed: bool = False) -> str:
        """With one decimal."""
        return f"{share:{'+' if signed else ''},.1%}".translate(self.symbols)

    def amount(self, minor: int, currency: str) -> str:
        """With the code of its currency, as dollars are of many countries."""
        digits = minor_digits(currency)
        pattern = f"¤¤ #,##0{'.' + '0' * digits if digits else ''}"
        return format_currency(Decimal(minor).scaleb(-digits), currency, pattern, self.locale, currency_digits=False)

    def month(self, month: date) -> str:
        return format_month(self.locale, month)

    def day(self, day: date) -> str:
        return format_long(self.locale, day)

    def weekday(self, day: date) -> str:
        return format_weekday(self.locale, day)

    def moment(self, moment: datetime, time_zone: str) -> str:
        at = format_datetime(moment, "medium", tzinfo=ZoneInfo(time_zone), locale=self.locale)
        return f"{at} {time_zone}".replace("\u202f", " ")


@lru_cache
def format_month(locale: Locale, month: date) -> str:
    return format_skeleton("yMMMM", month, locale=locale)


@lru_cache
def format_long(locale: Locale, day: date) -> str:
    return format_date(day, "long", locale)


@lru_cache
def format_weekday(locale: Locale, day: date) -> str:
    return format_skeleton("Ed", day, locale=locale)


LANGUAGES = {
    ENGLISH: Language(ENGLISH),
    SIMPLIFIED_CHINESE: Language(SIMPLIFIED_CHINESE, CHINESE),
}


def language_of(code: str) -> Language:
    if code not in LANGUAGES:
        raise InvalidInput(f"There is no language {code!r}: {', '.join(LANGUAGES)}.", code="invalid_language")
    return LANGUAGES[code]
