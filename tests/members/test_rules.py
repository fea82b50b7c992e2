"""How members may be reached, and how little of it a till is shown."""

from __future__ import annotations

import pytest

from tenants.foundation.errors import InvalidInput
from tenants.members.rules import check_country, check_email, mask_email, mask_name, mask_phone, normal_phone

PHONES = [
    ("+49 151 23456789", None, "+4915123456789"),
    ("0151 / 234 567 89", "DE", "+4915123456789"),
    ("(0049) 151-23456789", "DE", "+4915123456789"),
    ("+4915123456789", "US", "+4915123456789"),
    ("(415) 555-2671", "US", "+14155552671"),
    ("010 1234 5678", "KR", "+821012345678"),
    ("138 0013 8000", "CN", "+8613800138000"),
    ("+39 06 1234567", None, "+39061234567"),
    ("٠٥٠١٢٣٤٥٦٧", "SA", "+966501234567"),
]


@pytest.mark.parametrize(("text", "country", "expected"), PHONES)
def test_a_phone_is_brought_to_one_form(text: str, country: str | None, expected: str) -> None:
    assert normal_phone(text, country) == expected


NO_PHONES = [
    ("0151 23456789", None, "phone_without_country"),
    ("", None, "invalid_phone"),
    ("hello", "DE", "invalid_phone"),
    ("+", None, "invalid_phone"),
    ("+999 123456", None, "invalid_phone"),
    ("+1 555 0100", None, "invalid_phone"),
    ("+49 1", None, "invalid_phone"),
    ("+491512345678901234", None, "invalid_phone"),
    ("4111 1111 1111 1111", "DE", "invalid_phone"),
    ("3782 822463 10005", "DE", "invalid_phone"),
    ("378282246310005", "US", "invalid_phone"),
    ("+" * 41, None, "invalid_phone"),
    ("1" * 1000, "DE", "invalid_phone"),
    ("' OR 1=1 --", "DE", "invalid_phone"),
]


@pytest.mark.parametrize(("text", "country", "code"), NO_PHONES)
def test_what_is_no_phone_is_refused_and_not_repeated(text: str, country: str | None, code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        normal_phone(text, country)

    assert refused.value.code == code
    assert len(text) < 2 or text not in refused.value.message


@pytest.mark.parametrize("email", ["ada@example.com", "a@b", "ünï@bücher.example", "o'neil+x@example.com"])
def test_an_email_is_taken(email: str) -> None:
    check_email(email)


NO_EMAILS = [
    "",
    "ada",
    "@example.com",
    "ada@",
    "a da@example.com",
    "a@b@c",
    "a@b\n",
    "x" * 65 + "@b",
    "a@" + "b" * 253,
]


@pytest.mark.parametrize("email", NO_EMAILS)
def test_what_is_no_email_is_refused(email: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_email(email)
    assert refused.value.code == "invalid_email"


@pytest.mark.parametrize("country", ["", "de", "XX", "DEU", "D", "DE\n"])
def test_what_is_no_country_is_refused(country: str) -> None:
    with pytest.raises(InvalidInput):
        check_country(country)


def test_a_till_is_shown_initials_and_last_digits() -> None:
    assert mask_name("Ada  King Lovelace") == "A… K… L…"
    assert mask_phone("+4915123456789") == "…789"
    assert mask_email("ada@example.com") == "a…@e…"
