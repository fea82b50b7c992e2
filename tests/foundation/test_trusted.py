"""What is read once for many requests: real threads, and a clock that a test sets."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from threading import Event

import pytest

from tenants.foundation import trusted
from tenants.foundation.trusted import Trusted
from tests.waiting import wait_until

SECONDS = 10.0
BEFORE_READING_ANEW, READING_ANEW, TOO_LATE = 7.9, 8.1, 10.1
SOON = 10


class Clock:
    seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


class Source:
    """Gives 1, 2, 3, … to whoever reads; waits while it must not `go_on`, and raises when it is `gone`."""

    def __init__(self) -> None:
        self.numbers = count(1)
        self.readers = 0
        self.go_on = Event()
        self.go_on.set()
        self.gone = False

    def __call__(self, key: str) -> int:
        self.readers += 1
        assert self.go_on.wait(SOON)
        if self.gone:
            raise LookupError(key)
        return next(self.numbers)


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def known(source: Source) -> Trusted[str, int]:
    return Trusted(source, lambda value: SECONDS, entries_max=2)


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(trusted, "time", clock)
    return clock


@contextmanager
def reading(known: Trusted[str, int], source: Source) -> Iterator[Future[int]]:
    """A thread that has begun to read, and goes on when the source does: at the end at the latest."""
    readers = source.readers
    source.go_on.clear()
    with ThreadPoolExecutor(1) as threads:
        try:
            reader = threads.submit(known.get, "a")
            wait_until(lambda: source.readers > readers)
            yield reader
        finally:
            source.go_on.set()


def test_what_was_read_is_not_read_again_while_it_is_trusted(
    known: Trusted[str, int], source: Source, at: Clock
) -> None:
    answers = [known.get("a")]
    at.seconds = BEFORE_READING_ANEW
    answers.append(known.get("a"))

    assert (answers, source.readers) == ([1, 1], 1)


def test_each_key_has_a_value_of_its_own(known: Trusted[str, int], at: Clock) -> None:
    assert [known.get(key) for key in "abab"] == [1, 2, 1, 2]


def test_while_one_reads_anew_the_others_go_on_with_what_there_is(
    known: Trusted[str, int], source: Source, at: Clock
) -> None:
    known.get("a")
    at.seconds = READING_ANEW
    with reading(known, source) as reader:
        others = [known.get("a") for _ in range(3)]
        source.go_on.set()

        assert (reader.result(SOON), others, source.readers) == (2, [1, 1, 1], 2)
    assert known.get("a") == 2


def test_nobody_goes_on_with_what_is_trusted_no_longer_even_while_one_reads_anew(
    known: Trusted[str, int], source: Source, at: Clock
) -> None:
    known.get("a")
    at.seconds = READING_ANEW
    with reading(known, source) as first:
        at.seconds = TOO_LATE
        with reading(known, source) as second:
            assert source.readers == 3

        assert {first.result(SOON), second.result(SOON)} == {2, 3}


def test_the_time_counts_from_before_it_was_read(known: Trusted[str, int], source: Source, at: Clock) -> None:
    with reading(known, source) as reader:
        at.seconds = TOO_LATE
        source.go_on.set()
        assert reader.result(SOON) == 1

    assert known.get("a") == 2


def test_what_can_be_read_no_longer_is_trusted_no_longer(known: Trusted[str, int], source: Source, at: Clock) -> None:
    known.get("a")
    at.seconds = READING_ANEW
    source.gone = True

    for _ in range(2):
        with pytest.raises(LookupError):
            known.get("a")


def test_of_too_many_keys_all_are_forgotten(known: Trusted[str, int], at: Clock) -> None:
    assert [known.get(key) for key in "abcab"] == [1, 2, 3, 4, 5]
