"""Hashes of requests are kept for ever: what they are made of must be spelled as it always was."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenants.foundation.database import compact_json

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
LEAVES = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner))


def as_it_was(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


@given(VALUES)
def test_json_is_spelled_as_the_standard_library_does(value: Any) -> None:
    assert compact_json(value) == as_it_was(value)


@pytest.mark.parametrize(
    "value",
    [
        datetime(2026, 11, 22, 10, 15, tzinfo=UTC),
        datetime(2026, 11, 22, 10, 15, 0, 5, tzinfo=UTC),
        date(2026, 11, 22),
        Decimal("1.50"),
        UUID(int=7),
    ],
)
def test_what_json_has_no_form_for_is_its_text(value: object) -> None:
    assert compact_json({"b": [value], "a": 1}) == as_it_was({"b": [value], "a": 1})
