"""Calls for many: real threads, and a call that takes as long as a test lets it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event, Lock

import pytest

from tenants.foundation.group_commit import PATIENCE_SECONDS, GroupCommit
from tests.waiting import wait_until

NOBODY_WAITS_SO_LONG = 5.0


class Recorder:
    """Doubles numbers, and remembers with which others. A call with a number of `held` waits until it is let go."""

    def __init__(self, *held: int, bad: Sequence[int] = ()) -> None:
        self.let_go = {number: Event() for number in held}
        self.bad = bad
        self.calls: list[list[int]] = []
        self.lock = Lock()

    def __call__(self, key: str, numbers: Sequence[int]) -> list[int]:
        with self.lock:
            self.calls.append(list(numbers))
        for number in numbers:
            if number in self.let_go:
                assert self.let_go[number].wait(NOBODY_WAITS_SO_LONG)
        if set(numbers) & set(self.bad):
            raise ValueError(f"none of {numbers}")
        return [2 * number for number in numbers]


class Crowd:
    def __init__(self, recorder: Recorder) -> None:
        self.commits = GroupCommit(recorder)
        self.threads = ThreadPoolExecutor(32)

    def submit(self, *numbers: int, key: str = "network") -> list[Future[int]]:
        return [self.threads.submit(self.commits.submit, key, number) for number in numbers]

    def waiting(self, key: str = "network") -> int:
        return len(self.commits._queues[key].waiting)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenants.foundation.group_commit.PATIENCE_SECONDS", NOBODY_WAITS_SO_LONG)


def under_way(recorder: Recorder, number: int) -> None:
    wait_until(lambda: any(number in call for call in recorder.calls), f"{number} is under way")


def test_who_is_alone_calls_at_once() -> None:
    recorder = Recorder()
    commits = GroupCommit(recorder)
    assert [commits.submit("network", number) for number in (1, 2, 3)] == [2, 4, 6]
    assert recorder.calls == [[1], [2], [3]]


@pytest.mark.usefixtures("patient")
def test_those_who_come_during_a_call_go_together_in_the_next_and_each_gets_its_own_result() -> None:
    recorder = Recorder(1)
    crowd = Crowd(recorder)
    first = crowd.submit(1)
    under_way(recorder, 1)
    others = crowd.submit(*range(2, 20))
    wait_until(lambda: crowd.waiting() == 18, "all the others wait")
    recorder.let_go[1].set()
    assert [future.result() for future in first + others] == [2 * number for number in range(1, 20)]
    assert recorder.calls[0] == [1]
    assert [sorted(call) for call in recorder.calls[1:]] == [list(range(2, 20))]


@pytest.mark.usefixtures("patient")
def test_what_fails_together_is_tried_apart_and_only_the_bad_one_fails() -> None:
    recorder = Recorder(1, bad=[3])
    crowd = Crowd(recorder)
    crowd.submit(1)
    under_way(recorder, 1)
    good, bad, other = crowd.submit(2, 3, 4)
    wait_until(lambda: crowd.waiting() == 3, "all the others wait")
    recorder.let_go[1].set()
    assert (good.result(), other.result()) == (4, 8)
    with pytest.raises(ValueError, match=r"none of \[3\]"):
        bad.result()


def test_who_fails_alone_is_not_tried_twice() -> None:
    recorder = Recorder(bad=[3])
    with pytest.raises(ValueError, match=r"none of \[3\]"):
        GroupCommit(recorder).submit("network", 3)
    assert recorder.calls == [[3]]


def test_a_call_that_waits_for_a_lock_holds_up_nobody_for_longer_than_patience_lasts() -> None:
    recorder = Recorder(1)
    crowd = Crowd(recorder)
    [stuck] = crowd.submit(1)
    under_way(recorder, 1)
    assert [future.result(100 * PATIENCE_SECONDS) for future in crowd.submit(2, 3, 4)] == [4, 6, 8]
    assert not stuck.done()
    recorder.let_go[1].set()
    assert stuck.result() == 2


@pytest.mark.usefixtures("patient")
def test_networks_do_not_wait_for_each_other() -> None:
    recorder = Recorder(1)
    crowd = Crowd(recorder)
    [stuck] = crowd.submit(1)
    under_way(recorder, 1)
    [other] = crowd.submit(2, key="another network")
    assert other.result(NOBODY_WAITS_SO_LONG / 2) == 4
    recorder.let_go[1].set()
    assert stuck.result() == 2


def test_after_any_storm_nobody_waits_and_no_call_is_under_way() -> None:
    recorder = Recorder(bad=range(0, 1000, 7))
    crowd = Crowd(recorder)
    futures = crowd.submit(*range(1000))
    for number, future in enumerate(futures):
        assert (type(future.exception()) is ValueError) if number % 7 == 0 else (future.result() == 2 * number)
    queue = crowd.commits._queues["network"]
    assert (queue.calls, queue.waiting) == (0, [])


class SlowLock:
    """Whoever has let go of it is overtaken by all the others before going on."""

    def __init__(self) -> None:
        self.lock = Lock()

    def __enter__(self) -> None:
        self.lock.acquire()

    def __exit__(self, *error: object) -> None:
        self.lock.release()
        time.sleep(0.001)


@pytest.mark.parametrize("patience_seconds", [0.0, 0.002, NOBODY_WAITS_SO_LONG])
def test_nobody_is_woken_twice_or_forgotten_whoever_is_overtaken(
    monkeypatch: pytest.MonkeyPatch, patience_seconds: float
) -> None:
    monkeypatch.setattr("tenants.foundation.group_commit.PATIENCE_SECONDS", patience_seconds)
    crowd = Crowd(Recorder())
    monkeypatch.setattr(crowd.commits, "_lock", SlowLock())
    futures = crowd.submit(*range(2_000))
    assert [future.result(NOBODY_WAITS_SO_LONG) for future in futures] == list(range(0, 4_000, 2))
