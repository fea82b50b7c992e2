from __future__ import annotations

from datetime import date
from uuid import UUID

import pytest

from settlement.adjustments.rules import (
    AMOUNT_MAX,
    REASONS,
    check_amount,
    check_origin,
    check_parties,
    check_reason_code,
)
from tenants.foundation.errors import InvalidInput
from tenants.foundation.months import parse_month

FIRST, OPEN = date(2026, 1, 1), date(2026, 4, 1)


@pytest.mark.parametrize("amount", [1, 2, AMOUNT_MAX])
def test_an_amount_is_positive_and_not_absurd(amount: int) -> None:
    check_amount(amount)


@pytest.mark.parametrize("amount", [0, -1, AMOUNT_MAX + 1, 10**30])
def test_other_amounts_are_refused(amount: int) -> None:
    with pytest.raises(InvalidInput, match="swap payer and payee"):
        check_amount(amount)


def test_millions_of_the_largest_still_add_up_in_a_column() -> None:
    assert 9_000_000 * AMOUNT_MAX < 2**63


@pytest.mark.parametrize("month", ["2026-01", "2026-03", "2026-04"])
def test_it_belongs_to_a_month_of_the_books(month: str) -> None:
    check_origin(parse_month(month), FIRST, OPEN)


@pytest.mark.parametrize("month", ["2025-12", "2026-05", "2999-01"])
def test_it_belongs_to_no_month_before_the_books_nor_after_the_open_one(month: str) -> None:
    with pytest.raises(InvalidInput, match="between 2026-01, when the books begin, and 2026-04") as refused:
        check_origin(parse_month(month), FIRST, OPEN)
    assert refused.value.code == "origin_month_out_of_range"


def test_nobody_owes_himself() -> None:
    check_parties(UUID(int=1), UUID(int=2))
    with pytest.raises(InvalidInput) as refused:
        check_parties(UUID(int=1), UUID(int=1))
    assert refused.value.code == "same_party"


@pytest.mark.parametrize("reason", ["dispute_released", "leg_carried", "", "Goodwill", "because"])
def test_people_give_one_of_four_reasons(reason: str) -> None:
    assert REASONS == ("correction", "goodwill", "compensation", "penalty")
    with pytest.raises(InvalidInput, match="choose from correction"):
        check_reason_code(reason)
