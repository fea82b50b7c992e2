"""Card numbers end in a Luhn check digit (ISO/IEC 7812-1, annex B), so that a mistyped one is noticed."""

from __future__ import annotations

# What a digit counts when it is doubled: the sum of the digits of that.
DOUBLED = str.maketrans("0123456789", "0246813579")


def check_digit(digits: str) -> str:
    doubled, others = digits[::-2].translate(DOUBLED), digits[-2::-2]
    return str(-sum(map(int, doubled + others)) % 10)


def is_card_number(text: str) -> bool:
    """8 to 19 digits, the last of which is the check digit of the others."""
    return text.isascii() and text.isdigit() and 8 <= len(text) <= 19 and check_digit(text[:-1]) == text[-1]
