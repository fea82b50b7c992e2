"""What looks like the number of a payment card, and what must never be taken for one."""

from __future__ import annotations

import string
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenants.foundation import ids
from tenants.foundation.errors import ClearinghouseError
from tenants.foundation.luhn import check_digit
from tenants.foundation.payment_cards import (
    ISSUERS,
    PaymentCardNumber,
    holds_payment_card,
    may_begin_payment_card,
    refuse_payment_cards_in,
)
from tenants.members.service import GENERATED_PREFIX

# Numbers that payment processors publish for tests.
NUMBERS = [
    "4111111111111111",
    "4222222222222",
    "4000000000000000006",
    "5555555555554444",
    "2223003122003222",
    "378282246310005",
    "6011111111111117",
    "6445644564456445",
    "6510000000000133",
    "3530111333300000",
    "30569309025904",
    "36227206271667",
    "6200000000000005",
    "6304000000000000",
    "6759649826438453",
    "5018000000000009",
    "6761000000000006",
]

LOOKS_LIKE_ONE = [
    # text, whether it does
    *[(number, True) for number in NUMBERS],
    ("4111 1111 1111 1111", True),
    ("4111-1111-1111-1111", True),
    ("3782 822463 10005", True),
    ("3782-822463-10005", True),
    ("4000 0000 0000 0000 006", True),
    ("card:4111111111111111;", True),
    ("4111111111111111=2512101", True),  # track 2 of the magnetic stripe
    ("%B4111111111111111^DOE/JANE^2512101", True),  # track 1
    ("4111 1111 1111 1111 123", True),  # with its security code
    ("4111 1111 1111 1111 12/27", True),
    ("12 4111 1111 1111 1111", True),
    ("5555 4111 1111 1111 1111", True),
    ("4111111111111111.0", True),
    ("4111111111111112", False),  # a wrong check digit
    ("4111 1111-1111 1111", False),  # no usual group
    ("4111111111111111A", False),
    ("A4111111111111111", False),
    ("41111111111111110000", False),  # 20 digits
    ("378282246310", False),  # 12 digits
    ("6290000000000014", False),  # a loyalty card of ours
    ("6009000000000014", False),  # of the demo
    ("79927398713", False),
    ("1234567812345670", False),  # no issuer
    ("", False),
]


@pytest.mark.parametrize(("text", "does"), LOOKS_LIKE_ONE)
def test_a_number_is_taken_for_a_payment_cards_by_its_length_groups_check_digit_and_issuer(
    text: str, does: bool
) -> None:
    assert holds_payment_card(text) is does


@st.composite
def payment_cards(draw: st.DrawFn) -> str:
    low, high, lengths = draw(st.sampled_from(ISSUERS))
    length = draw(st.sampled_from(list(lengths)))
    first = draw(st.integers(low, high))
    rest = draw(st.text("0123456789", min_size=length - 5, max_size=length - 5))
    return f"{first}{rest}{check_digit(f'{first}{rest}')}"


@given(payment_cards())
def test_every_number_of_every_issuer_is_found(number: str) -> None:
    assert holds_payment_card(number)
    assert may_begin_payment_card(number[:3])


@given(payment_cards(), st.text(string.ascii_letters + string.digits, min_size=1), st.booleans())
def test_between_letters_or_further_digits_is_no_number(number: str, other: str, is_before: bool) -> None:
    text = other + number if is_before else number + other

    assert not holds_payment_card(text) or holds_payment_card(other) or text.isdigit()


@given(st.uuids())
def test_no_uuid_is_taken_for_one(value) -> None:  # type: ignore[no-untyped-def]
    for text in (str(value), value.hex, str(value).upper(), f"import:{value}:1"):
        assert not holds_payment_card(text)


@given(st.uuids(), st.sampled_from([ids.MEMBER, ids.TRANSFER, ids.CARD]))
def test_no_id_is_taken_for_one(value, prefix: str) -> None:  # type: ignore[no-untyped-def]
    assert not holds_payment_card(ids.show(prefix, value))


@given(st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)))
def test_no_moment_is_taken_for_one(moment: datetime) -> None:
    assert not holds_payment_card(moment.isoformat())
    assert not holds_payment_card(moment.isoformat(sep=" ", timespec="milliseconds"))
    assert not holds_payment_card(str(moment.timestamp()))


@given(st.from_regex(r"[A-Z]{1,3}[0-9]{1,19}[A-Z]?", fullmatch=True))
def test_no_order_number_that_starts_with_a_letter_is_taken_for_one(order_ref: str) -> None:
    assert not holds_payment_card(order_ref)


@given(st.integers(0, 10**12 - 1))
def test_no_number_that_the_clearinghouse_makes_up_is_taken_for_one(number: int) -> None:
    digits = f"{GENERATED_PREFIX}{number:012d}"

    assert not holds_payment_card(digits + check_digit(digits))
    assert not may_begin_payment_card(GENERATED_PREFIX)


PREFIXES = [("4", True), ("6", True), ("62", True), ("628", True), ("629", False), ("6290", False), ("9", False),
            ("35", True), ("3", True), ("700", False), ("5", True), ("27", True), ("2721", False)]  # fmt: skip


@pytest.mark.parametrize(("prefix", "may"), PREFIXES)
def test_a_prefix_of_loyalty_cards_must_be_outside_the_ranges_of_issuers(prefix: str, may: bool) -> None:
    assert may_begin_payment_card(prefix) is may


HIDDEN = [
    {"a": "4111111111111111"},
    {"4111111111111111": 1},
    {"a": 4111111111111111},
    {"a": 4111111111111111.0},
    {"a": -4111111111111111},
    ["\n4111111111111111"],
    [{"a": [{"b": "pay 4111 1111 1111 1111 now"}]}],
    "4111111111111111",
    4111111111111111,
]


@pytest.mark.parametrize("value", HIDDEN)
def test_a_number_is_found_wherever_in_a_json_value_it_is(value: object) -> None:
    with pytest.raises(PaymentCardNumber) as refusal:
        refuse_payment_cards_in(value)

    assert "4111" not in str(refusal.value)


def test_texts_that_only_together_would_make_a_number_are_not_one() -> None:
    refuse_payment_cards_in(["4111", "1111", "1111", "1111"])
    refuse_payment_cards_in({"4111 1111": "1111 1111"})
    refuse_payment_cards_in([4111, 1111, 1111, 1111, None, True, 1.5])


def test_a_value_of_any_depth_is_searched() -> None:
    value: object = "4111111111111111"
    for _ in range(100_000):
        value = [value]

    with pytest.raises(ClearinghouseError):
        refuse_payment_cards_in(value)
