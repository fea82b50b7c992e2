from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settlement.accounting.accounts import component_of
from tenants.networks.service import CODE_PATTERN

codes = st.from_regex(CODE_PATTERN, fullmatch=True)


@pytest.mark.parametrize(
    ("code", "component"),
    [
        ("NORTH", "NORTH"),
        ("1st-store", "1st-store"),
        ("S001", "S001"),
        ("a.b", "A-b--5"),
        ("a_b", "A-b--9"),
        ("A-b", "A-b"),
        ("A.", "A---4"),
        ("A--5", "A--5--0"),
    ],
)
def test_codes_as_parts_of_accounts(code: str, component: str) -> None:
    assert component_of(code) == component


@given(codes)
def test_every_code_makes_a_part_that_beancount_takes(code: str) -> None:
    assert re.fullmatch(r"[A-Z0-9][A-Za-z0-9-]*", component_of(code))


@given(codes, codes)
def test_no_two_codes_share_an_account(one: str, other: str) -> None:
    assert (component_of(one) == component_of(other)) == (one == other)


@given(st.text("aA.-_5", min_size=1, max_size=4), st.text("aA.-_5", min_size=1, max_size=4))
def test_nor_do_codes_that_look_alike(one: str, other: str) -> None:
    assert (component_of(f"x{one}") == component_of(f"x{other}")) == (one == other)
