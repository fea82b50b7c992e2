"""Card numbers end in a Luhn check digit (ISO/IEC 7812-1, annex B), so that a mistyped one is noticed."""

from __future__ import annotations

DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def check_digit(digits: str) -> str:
    total = sum(DOUBLED[int(d)] if index % 2 == 0 else int(d) for index, d in enumerate(reversed(digits)))
    return str(-total % 10)


def is_card_number(text: str) -> bool:
    """8 to 19 digits, the last of which is the check digit of the others."""
    return text.isascii() and text.isdigit() and 8 <= len(text) <= 19 and check_digit(text[:-1]) == text[-1]
