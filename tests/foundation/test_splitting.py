from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenants.foundation.money import split_largest_remainder


@pytest.mark.parametrize(
    ("total", "weights", "parts"),
    [
        (10, [1, 1, 1], [4, 3, 3]),
        (11, [1, 1, 1], [4, 4, 3]),
        (100, [3, 3, 1], [43, 43, 14]),
        (1, [1, 2, 3], [0, 0, 1]),
        (-10, [1, 1, 1], [-3, -3, -4]),
        (7, [0, 5, 0], [0, 7, 0]),
        (0, [0, 0], [0, 0]),
        (0, [], []),
        (5, [-1, -1], [3, 2]),
        (10**20, [10**18, 1], [10**20 - 100, 100]),
    ],
)
def test_the_largest_remainders_are_rounded_up_and_ties_go_to_the_first(
    total: int, weights: list[int], parts: list[int]
) -> None:
    assert split_largest_remainder(total, weights) == parts


def test_nothing_to_split_by_is_an_error() -> None:
    with pytest.raises(ValueError, match="sum to zero"):
        split_largest_remainder(1, [2, -2])


@given(total=st.integers(-(10**15), 10**15), weights=st.lists(st.integers(0, 10**9), min_size=1, max_size=50))
def test_parts_sum_to_the_total_and_are_less_than_one_off(total: int, weights: list[int]) -> None:
    if sum(weights) == 0:
        return

    parts = split_largest_remainder(total, weights)

    assert sum(parts) == total
    assert all(
        abs(part * sum(weights) - total * each) < sum(weights) for part, each in zip(parts, weights, strict=True)
    )
