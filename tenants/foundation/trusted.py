"""What a worker has read and goes on with for some seconds, as asking in every request would cost more than that.

Shortly before the time is over one thread reads it anew, while the others go on with what there is. Would each read
for itself, all requests of that moment would wait, every few seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

# Of the time that something is trusted for: when it begins to be read anew.
SHARE_UNTIL_READ_ANEW = 0.8


@dataclass(slots=True)
class Entry(Generic[Value]):
    """Moments of the monotonic clock, in seconds."""

    value: Value
    read_anew_from: float
    trusted_until: float


class Trusted(Generic[Key, Value]):
    """Safe to share between threads.

    `read` gives the value of a key, `seconds` how long it may be trusted, counted from before it was read. Of more
    than `entries_max` all are forgotten.
    """

    def __init__(self, read: Callable[[Key], Value], seconds: Callable[[Value], float], entries_max: int) -> None:
        self._read = read
        self._seconds = seconds
        self._entries_max = entries_max
        self._entries: dict[Key, Entry[Value]] = {}

    def get(self, key: Key) -> Value:
        """Raises what `read` raises; what was known of the key is trusted no longer then."""
        now = time.monotonic()
        entry = self._entries.get(key)
        if entry is not None:
            if now < entry.read_anew_from:
                return entry.value
            # This thread reads it; the others go on.
            entry.read_anew_from = entry.trusted_until
        try:
            value = self._read(key)
        except Exception:
            self._entries.pop(key, None)
            raise
        if len(self._entries) >= self._entries_max:
            self.clear()
        seconds = self._seconds(value)
        self._entries[key] = Entry(value, now + SHARE_UNTIL_READ_ANEW * seconds, now + seconds)
        return value

    def clear(self) -> None:
        self._entries.clear()
