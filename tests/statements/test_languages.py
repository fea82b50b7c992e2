"""Numbers, money and dates as Babel writes them, and that no text is without its Chinese."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from babel.numbers import format_decimal

import settlement
from settlement.authenticity import web as page
from settlement.languages.chinese import CHINESE
from settlement.languages.headlines import HEADLINES
from settlement.languages.rules import LANGUAGES, language_of
from settlement.reports.texts import TEXTS
from settlement.statements import advice_pdf, pdf, pdf_pages
from tenants.foundation.errors import InvalidInput

FOLDER = Path(settlement.__file__).parent
TABLES = (
    *(HEADLINES, pdf.NET_LABELS, pdf.MONEY_LABELS, pdf.DISPUTED_LABELS, pdf.KIND_LABELS),
    *(page.STATES, page.INCLUSION),
)
PLACEHOLDER = re.compile(r"\{\w+\}")


def said_texts() -> Iterator[str]:
    """Each text that `say` is called with, and those that are looked up for it in tables."""
    for path in [*(FOLDER / "statements").glob("*.py"), *(FOLDER / "authenticity").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "say":
                constants = [c.value for c in ast.walk(node.args[0]) if isinstance(c, ast.Constant)]
                yield from (value for value in constants if isinstance(value, str))
    for table in TABLES:
        yield from table.values()
    yield from (*pdf_pages.BARS, pdf_pages.BILATERAL_NOTE, pdf_pages.POOLED_NOTE)
    yield from TEXTS.values()


SAID = sorted(set(said_texts()))


def test_texts_were_found() -> None:
    assert len(SAID) > 60
    assert "Net, to remit" in SAID and "Remittance advice" in SAID
    assert advice_pdf.__file__ and pdf.__file__


@pytest.mark.parametrize("text", SAID)
def test_every_text_has_its_chinese_with_the_same_places(text: str) -> None:
    assert sorted(PLACEHOLDER.findall(CHINESE[text])) == sorted(PLACEHOLDER.findall(text))


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize("number", [0, 7, -7, 999, 1000, -1234567, 10**15])
def test_numbers_are_written_as_babel_does(code: str, number: int) -> None:
    language = LANGUAGES[code]

    assert language.number(number) == format_decimal(number, locale=language.locale)


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize(
    ("minor", "currency", "shown"),
    [
        (0, "USD", "0.00"),
        (-5, "USD", "-0.05"),
        (123456789, "EUR", "1,234,567.89"),
        (-1234, "JPY", "-1,234"),
        (1234567, "KWD", "1,234.567"),
        (10**17, "USD", "1,000,000,000,000,000.00"),
    ],
)
def test_money_is_written_in_major_units(code: str, minor: int, currency: str, shown: str) -> None:
    language = LANGUAGES[code]
    digits = len(shown.partition(".")[2])
    pattern = f"#,##0{'.' + '0' * digits if digits else ''}"

    assert language.money(minor, currency) == shown
    assert shown == format_decimal(Decimal(minor).scaleb(-digits), pattern, language.locale)
    assert language.amount(minor, currency).replace("\N{NO-BREAK SPACE}", " ").endswith(shown.lstrip("-"))
    assert currency in language.amount(minor, currency)


@pytest.mark.parametrize(
    ("exact", "currency", "shown"),
    [("100", "USD", "1.00"), ("77.5", "USD", "0.775"), ("-697.50900", "USD", "-6.97509"), ("0.1", "JPY", "0.1")],
)
def test_exact_money_has_the_decimals_that_it_takes(exact: str, currency: str, shown: str) -> None:
    assert LANGUAGES["en"].exact_money(Decimal(exact), currency) == shown


def test_rates_and_shares_have_no_zeros_at_their_end() -> None:
    english = LANGUAGES["en"]

    assert english.rate(Decimal("1.500000"), "USD") == "0.015"
    assert english.rate(Decimal("100"), "USD") == "1"
    assert english.rate(Decimal("0"), "USD") == "0"
    assert english.percent(Decimal("0.190000")) == "19%"
    assert english.percent(Decimal("0.075")) == "7.5%"


def test_dates_are_written_as_each_language_does() -> None:
    english, chinese = LANGUAGES["en"], LANGUAGES["zh-Hans"]
    day = date(2026, 12, 1)

    assert (english.month(day), chinese.month(day)) == ("December 2026", "2026年12月")
    assert (english.day(day), chinese.day(day)) == ("December 1, 2026", "2026年12月1日")
    assert (english.weekday(day), chinese.weekday(day)) == ("1 Tue", "1日周二")


def test_a_language_that_there_is_not_is_refused() -> None:
    with pytest.raises(InvalidInput, match="There is no language 'fr': en, zh-Hans"):
        language_of("fr")
