"""One call for what many threads want done at the same moment, where a call costs more than what it does.

While a call is under way, those who come wait; then the first of them makes the next call, for all who wait. Nobody
waits for others to come: alone, a thread calls at once.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from threading import Lock
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item")
Result = TypeVar("Result")

log = logging.getLogger(__name__)

# A call that takes longer (it waits for a lock, say) holds up nobody else: the next is made beside it.
PATIENCE_SECONDS = 0.02


class Ticket(Generic[Item, Result]):
    """Of someone who waits; woken with a `result`, or with a `group` to call for, or with neither: to call alone."""

    __slots__ = ("group", "item", "result", "sleep")

    def __init__(self, item: Item) -> None:
        self.item = item
        self.result: Result | None = None
        self.group: list[Ticket[Item, Result]] = []
        self.sleep = Lock()
        self.sleep.acquire()


class Queue(Generic[Item, Result]):
    """Who waits, and how many calls are under way. Somebody waits only while there is one."""

    __slots__ = ("calls", "waiting")

    def __init__(self) -> None:
        self.calls = 0
        self.waiting: list[Ticket[Item, Result]] = []

    def take_all(self) -> list[Ticket[Item, Result]]:
        taken, self.waiting = self.waiting, []
        return taken


class GroupCommit(Generic[Key, Item, Result]):
    """Safe to share between threads, that is what it is for.

    `call` does all items of one key and gives their results in order, none of them None. When it raises, each item is
    tried once more by itself: it must be safe to repeat.
    """

    def __init__(self, call: Callable[[Key, Sequence[Item]], Sequence[Result]]) -> None:
        self._call = call
        self._lock = Lock()
        self._queues: defaultdict[Key, Queue[Item, Result]] = defaultdict(Queue)

    def submit(self, key: Key, item: Item) -> Result:
        """The item's result. Raises what the call raises for this item alone."""
        ticket: Ticket[Item, Result] = Ticket(item)
        with self._lock:
            queue = self._queues[key]
            queue.waiting.append(ticket)
            must_wait = queue.calls > 0
            if not must_wait:
                queue.calls += 1
                ticket.group = queue.take_all()
        if must_wait:
            self._wait(queue, ticket)
        if ticket.group:
            self._call_for_group(key, queue, ticket.group)
        return self._call(key, [item])[0] if ticket.result is None else ticket.result

    def _wait(self, queue: Queue[Item, Result], ticket: Ticket[Item, Result]) -> None:
        if ticket.sleep.acquire(timeout=PATIENCE_SECONDS):
            return
        with self._lock:
            if ticket in queue.waiting:
                queue.calls += 1
                ticket.group = queue.take_all()
                return
        # Somebody has taken it along meanwhile.
        ticket.sleep.acquire()

    def _call_for_group(self, key: Key, queue: Queue[Item, Result], group: list[Ticket[Item, Result]]) -> None:
        try:
            results = self._call(key, [ticket.item for ticket in group])
            for ticket, result in zip(group, results, strict=True):
                ticket.result = result
        except Exception as error:
            if len(group) == 1:
                raise
            log.info("each of %s is called for alone after %s", len(group), type(error).__name__)
        finally:
            self._hand_over(queue)
            for ticket in group:
                ticket.sleep.release()
            # Its first ticket holds on to it.
            group.clear()

    def _hand_over(self, queue: Queue[Item, Result]) -> None:
        with self._lock:
            if queue.calls > 1 or not queue.waiting:
                queue.calls -= 1
                return
            group = queue.take_all()
        group[0].group = group
        group[0].sleep.release()
