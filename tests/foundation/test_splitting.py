"""A total is split by largest remainder, ties to the lowest index."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenants.foundation.money import split_largest_remainder

# electowiki, "Hamilton method": the US House of 1790's fifteen states, 60 seats.
HAMILTON_WEIGHTS = [
    *(630560, 475327, 432879, 353523, 331589, 278514, 236841, 206236),
    *(179570, 141822, 85533, 70835, 68705, 68446, 55540),
]
HAMILTON_SHARES = [11, 8, 7, 6, 6, 5, 4, 3, 3, 2, 1, 1, 1, 1, 1]

CASES = [
    (60, HAMILTON_WEIGHTS, HAMILTON_SHARES),
    (100, [1, 1, 1], [34, 33, 33]),
    (-100, [1, 1, 1], [-34, -33, -33]),
    (1, [1, 1], [1, 0]),
    (-1, [1, 1], [-1, 0]),
    (2, [1, 1, 1], [1, 1, 0]),
    (5, [0, 3, 0, 2], [0, 3, 0, 2]),
    (1, [0, 0, 7], [0, 0, 1]),
    (0, [0, 0], [0, 0]),
    (0, [], []),
    (10**30, [1, 2], [333333333333333333333333333333, 666666666666666666666666666667]),
]


@pytest.mark.parametrize(("total", "weights", "shares"), CASES)
def test_the_largest_remainders_get_what_is_left(total: int, weights: list[int], shares: list[int]) -> None:
    assert split_largest_remainder(total, weights) == shares


@pytest.mark.parametrize(("total", "weights"), [(1, []), (1, [0, 0]), (0, [1, -1]), (5, [3, -1])])
def test_what_can_not_be_split_is_refused(total: int, weights: list[int]) -> None:
    with pytest.raises(ValueError, match="can't be split"):
        split_largest_remainder(total, weights)


@given(st.integers(-(10**12), 10**12), st.lists(st.integers(0, 10**9), min_size=1, max_size=20).filter(any))
def test_parts_sum_to_the_total_each_within_one_of_its_share(total: int, weights: list[int]) -> None:
    shares = split_largest_remainder(total, weights)

    assert sum(shares) == total
    assert all(
        abs(share * sum(weights) - total * weight) < sum(weights)
        for share, weight in zip(shares, weights, strict=True)
    )
    assert split_largest_remainder(-total, weights) == [-share for share in shares]
