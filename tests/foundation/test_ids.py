from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tenants.foundation import clock, ids


def test_ids_sort_by_the_moment_they_were_made() -> None:
    before = clock.now()
    made = ids.new_id()

    assert (
        ids.lowest_id_at(before - timedelta(seconds=1)) < made < ids.lowest_id_at(clock.now() + timedelta(seconds=1))
    )


def test_the_lowest_id_of_a_moment_begins_with_its_milliseconds() -> None:
    moment = datetime(2026, 3, 10, 12, 0, 0, 123_456, tzinfo=UTC)

    assert ids.lowest_id_at(moment).hex == f"{1_773_144_000_123:012x}" + "0" * 20
