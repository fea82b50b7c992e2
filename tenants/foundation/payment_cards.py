"""Numbers of payment cards (PANs), which must never come in: what looks like one is refused, not logged, not echoed.

A till sends the token of its payment provider instead.
"""

from __future__ import annotations

import re
from typing import Any

from tenants.foundation.errors import InvalidInput
from tenants.foundation.luhn import is_card_number

LONG = range(16, 20)

# First four digits from and to, and how many digits a number of that issuer has. 629 is not UnionPay's alone here:
# it is what this clearinghouse gives out itself.
ISSUERS = (
    (4000, 4999, (13, 16, 18, 19)),  # Visa
    (5100, 5599, (16,)),  # Mastercard
    (2221, 2720, (16,)),
    (3400, 3499, (15,)),  # American Express
    (3700, 3799, (15,)),
    (6011, 6011, LONG),  # Discover
    (6440, 6599, LONG),
    (3528, 3589, LONG),  # JCB
    (3000, 3059, range(14, 20)),  # Diners Club
    (3600, 3699, range(14, 20)),
    (3800, 3999, range(14, 20)),
    (6200, 6289, LONG),  # UnionPay
    (5000, 5099, range(13, 20)),  # Maestro
    (5600, 5899, range(13, 20)),
    (6304, 6304, range(13, 20)),
    (6759, 6759, range(13, 20)),
    (6761, 6763, range(13, 20)),
)

LENGTHS = {first: lengths for low, high, lengths in ISSUERS for first in range(low, high + 1)}

# The first digit alone is consumed, so that a number is also found behind other digits ("12 4111 1111 …"). Between
# letters and digits, as in a UUID or an id in base 32, there is none; `%B` is how the magnetic stripe begins.
CANDIDATE = re.compile(
    r"[2-6](?:(?<![0-9A-Za-z].)|(?<=%B.))"
    r"(?=([0-9]{12,18}|[0-9]{3}([ -])[0-9]{4}\2[0-9]{4}\2[0-9]{4}(?:\2[0-9]{3})?|[0-9]{3}([ -])[0-9]{6}\3[0-9]{4,5})"
    r"(?![0-9A-Za-z]))"
)
SEPARATORS = str.maketrans("", "", " -")


class PaymentCardNumber(InvalidInput):
    code = "payment_card_number"

    def __init__(self) -> None:
        super().__init__(
            "This holds what looks like the number of a payment card. "
            "Never send card numbers; send your payment provider's token."
        )


def refuse_payment_cards(text: str) -> None:
    """Raises `PaymentCardNumber` when `text` holds what looks like one."""
    if holds_payment_card(text):
        raise PaymentCardNumber


def holds_payment_card(text: str) -> bool:
    return any(is_candidate(match) for match in CANDIDATE.finditer(text))


def is_candidate(match: re.Match[str]) -> bool:
    digits = (match[0] + match[1]).translate(SEPARATORS)
    # Three digits that follow in a group of their own may be the end of the number or its security code.
    return is_payment_card(digits) or (bool(match[2]) and is_payment_card(digits[:16]))


def is_payment_card(digits: str) -> bool:
    return len(digits) in LENGTHS.get(int(digits[:4]), ()) and is_card_number(digits)


def may_begin_payment_card(prefix: str) -> bool:
    """Whether some number that starts with the digits of `prefix` is in the range of an issuer."""
    first, last = int(prefix.ljust(4, "0")[:4]), int(prefix.ljust(4, "9")[:4])
    return any(low <= last and first <= high for low, high, _ in ISSUERS)


def refuse_payment_cards_in(value: Any) -> None:
    """The same of a JSON value: of its texts, names and numbers."""
    # No separator of digits joins them, so that no number comes about between two of them.
    refuse_payment_cards("\n".join(texts_of(value)))


def texts_of(value: Any) -> list[str]:
    texts: list[str] = []
    # No recursion: a body may be nested deeper than Python's stack.
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            texts.append(item)
        elif isinstance(item, dict):
            texts.extend(item)
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
        elif item is not None:
            texts.append(str(item))
    return texts
