from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearinghouse.sequences.rules import (
    RANGES_MAX,
    SEQUENCE_MAX,
    Range,
    count_numbers,
    given_up_before,
    is_numbered,
    is_sequence,
    missing_ranges,
    numbers_within,
    ranges_of,
    read_multirange,
    refuse_numbers,
)
from tenants.foundation.errors import InvalidInput

MISSING: list[tuple[list[Range], int, list[Range]]] = [
    ([], 0, []),
    ([], 9, []),
    ([(1, 5)], 5, []),
    ([(1, 5)], 3, []),
    ([(1, 5)], 6, [(6, 6)]),
    ([(7, 9)], 9, []),
    ([(1, 2), (5, 5), (9, 10)], 10, [(3, 4), (6, 8)]),
    ([(1, 2), (5, 5)], 8, [(3, 4), (6, 8)]),
    ([(1, 1), (SEQUENCE_MAX, SEQUENCE_MAX)], SEQUENCE_MAX, [(2, SEQUENCE_MAX - 1)]),
]


@pytest.mark.parametrize(("received", "highest", "missing"), MISSING)
def test_what_is_missing_lies_between_the_lowest_received_and_the_highest_known(
    received: list[Range], highest: int, missing: list[Range]
) -> None:
    assert missing_ranges(received, highest) == missing


@given(st.sets(st.integers(1, 60)), st.integers(0, 80))
def test_every_number_from_the_lowest_on_is_either_received_or_missing(numbers: set[int], last: int) -> None:
    received = ranges_of(numbers)
    highest = max([last, *numbers])
    missing = missing_ranges(received, highest)

    expected = set(range(min(numbers), highest + 1)) if numbers else set()
    assert numbers_within(missing, range(1, 100)) == sorted(expected - numbers)
    assert numbers_within(received, range(1, 100)) == sorted(numbers)
    assert count_numbers(received) + count_numbers(missing) == len(expected)


@pytest.mark.parametrize("value", [None, 0, -1, 1.0, 1.5, "1", True, SEQUENCE_MAX + 1, 10**40, [1], {}])
def test_a_sequence_is_a_whole_number_from_1_on(value: object) -> None:
    assert not is_sequence(value)


@pytest.mark.parametrize("value", [1, 2, SEQUENCE_MAX])
def test_the_ends_of_the_range_are_sequences(value: object) -> None:
    assert is_sequence(value)


@pytest.mark.parametrize(
    ("events", "numbered"), [([{}], False), ([{}, {}], False), ([{"sequence": 1}, {"sequence": None}], True)]
)
def test_all_events_of_a_batch_are_numbered_or_none(events: list[dict[str, Any]], numbered: bool) -> None:
    assert is_numbered(events) is numbered


def test_a_batch_that_is_numbered_in_part_is_refused() -> None:
    with pytest.raises(InvalidInput) as failure:
        is_numbered([{"sequence": 1}, {}, {}])

    assert failure.value.code == "sequence_incomplete"
    assert "1 of the 3" in failure.value.message


# Sequences and keys of a batch, and the codes of refusals by place.
NUMBERED: list[tuple[list[tuple[Any, Any]], dict[int, str]]] = [
    ([(1, "a"), (2, "b")], {}),
    ([(2, "b"), (1, "a")], {}),
    ([(1, "a"), (1, "a"), (1, "a")], {}),
    ([(1, "a"), (1, "b"), (1, "a"), (1, "c")], {1: "sequence_repeated", 3: "sequence_repeated"}),
    ([(1, None), (1, None)], {}),
    ([(1, ["a"]), (1, {"a": 1})], {1: "sequence_repeated"}),
    ([(0, "a"), (None, "b"), (True, "c"), (1, "d")], dict.fromkeys(range(3), "invalid_sequence")),
]


@pytest.mark.parametrize(("numbers", "codes"), NUMBERED)
def test_a_number_belongs_to_one_event_of_a_batch(numbers: list[tuple[Any, Any]], codes: dict[int, str]) -> None:
    events = [{"sequence": number, "idempotency_key": key} for number, key in numbers]

    assert {place: error.code for place, error in refuse_numbers(events).items()} == codes


@pytest.mark.parametrize(
    ("text", "ranges"),
    [("{}", []), ("{[1,2)}", [(1, 1)]), ("{[1,5),[7,9007199254740993)}", [(1, 4), (7, SEQUENCE_MAX)])],
)
def test_ranges_are_read_as_the_database_writes_them(text: str, ranges: list[Range]) -> None:
    assert read_multirange(text) == ranges


def test_the_oldest_gaps_are_given_up_when_there_are_too_many() -> None:
    gaps = [(number, number) for number in range(1, 2 * RANGES_MAX + 1, 2)]
    next_one = (2 * RANGES_MAX + 1, 2 * RANGES_MAX + 1)

    assert given_up_before(gaps, [], []) is None
    assert given_up_before([], [*gaps, next_one], []) == RANGES_MAX + 3
