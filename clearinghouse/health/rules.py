"""From when on something is worth a warning."""

from __future__ import annotations

from collections.abc import Sequence

# A worker says something every minute, the scheduler as well.
SILENT_SECONDS_MAX = 150.0
CLOCK_SECONDS_MAX = 5.0
DISK_FREE_PERCENT_MIN = 10
# More than this is room enough on however large a disk.
DISK_FREE_BYTES_ENOUGH = 20 * 2**30


def gone(silent: Sequence[float]) -> bool:
    """`silent`: for how many seconds each of them has said nothing."""
    return min(silent, default=SILENT_SECONDS_MAX) >= SILENT_SECONDS_MAX


def clocks_apart(there: float, before: float, after: float) -> float:
    """By how many seconds two clocks surely differ: `there` was read between `before` and `after` of here."""
    return max(before - there, there - after, 0.0)


def disk_nearly_full(total: int, free: int) -> bool:
    """In bytes."""
    return free < DISK_FREE_BYTES_ENOUGH and free * 100 < total * DISK_FREE_PERCENT_MIN
