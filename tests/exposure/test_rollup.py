"""Whatever is kept of the sums, and whenever postings commit: an exposure is what all of them come to."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from itertools import count
from random import Random
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, create_engine, func, select, text

from clearinghouse.ledger import service as posting
from clearinghouse.ledger.service import Grant
from settlement.exposure.service import get_exposure, update_exposures
from settlement.netting.queries import flows, points_by_day
from settlement.rollup.queries import store_periods
from settlement.rollup.rules import (
    ABOVE_ALL,
    BELOW_ALL,
    KEPT_FOR,
    OVERLAP,
    day_made,
    end_of_stretch,
    finished_after,
    first_id_of,
    is_stale,
)
from settlement.rollup.service import keep_months, keep_stretch
from settlement.rollup.tables import RollupDay, RollupMonth
from tenants.foundation import clock, ids
from tenants.foundation.config import Settings
from tenants.foundation.database import connect_arguments, normal_url, unit_of_work
from tenants.foundation.months import month_of
from tests.conftest import NetworkForTests, Till
from tests.exposure.conftest import IN_JANUARY, JANUARY, cap, seen

# Of every store, by the lots.
HELD_OF = text("""
    SELECT funder_id, sum(points)::bigint FROM (
        SELECT funder_id, remaining AS points FROM ledger.lots
        UNION ALL
        SELECT funder_id, CASE WHEN target = 'held' THEN points ELSE -points END FROM ledger.postings
        WHERE target = 'held' OR source = 'held'
    ) AS held WHERE funder_id <> tenants.current_tenant() GROUP BY funder_id
""")

Sums = dict[str, Counter[Any]]


def now_month() -> date:
    return month_of(clock.now().date())


def summed(network: NetworkForTests, months: list[date]) -> Sums:
    """By what is kept and what is fresh, together."""
    names = ("issued", "borne", "recovered", "used", "outstanding")
    found: Sums = {name: Counter() for name in names}
    with unit_of_work(network.tenant_id) as session:
        for period in store_periods(session, months, [JANUARY]):
            for name in names:
                found[name][period.store_id] += getattr(period, name)
    return without_zeros(found)


def recomputed(network: NetworkForTests, months: list[date]) -> Sums:
    """By the queries that a month is closed with, and by the lots."""
    names = ("issued", "borne", "recovered")
    found: Sums = {name: Counter() for name in (*names, "used", "outstanding")}
    with unit_of_work(network.tenant_id) as session:
        for month in months:
            for day in points_by_day(session, month):
                for name in names:
                    found[name][day.store_id] += getattr(day, name)
            for (funder_id, _), points in flows(session, month).items():
                found["used"][funder_id] += points
        found["outstanding"].update({store_id: points for store_id, points in session.execute(HELD_OF)})
    for counter in found.values():
        counter.pop(network.tenant_id, None)
    return without_zeros(found)


def without_zeros(sums: Sums) -> Sums:
    return {
        name: Counter({key: points for key, points in counter.items() if points}) for name, counter in sums.items()
    }


def kept_rows(network: NetworkForTests) -> int:
    with unit_of_work(network.tenant_id) as session:
        return session.scalar(select(func.count()).select_from(RollupDay)) or 0


def kept_issue(network: NetworkForTests) -> int:
    with unit_of_work(network.tenant_id) as session:
        return session.scalar(select(func.coalesce(func.sum(RollupDay.issued), 0))) or 0


def accrual_of(till: Till, card: str, points: int, made_at: datetime | None = None) -> str:
    """For `ledger.post`; its id was made at `made_at`."""
    day = clock.now().date()
    common = posting.common_fields(clock.now(), day, till.terminal_id, till.store_id, f"late{points}")
    if made_at is not None:
        common["transfer_id"] = str(ids.lowest_id_at(made_at))
    event = posting.accrual([Grant(till.store_id, points, day + timedelta(days=90))], points * 100, 1, card, **common)
    return json.dumps([event])


@pytest.fixture
def slow(settings: Settings) -> Iterator[Any]:
    """Gives a connection on which a posting has not committed yet."""
    engine = create_engine(normal_url(settings.database_url), connect_args=connect_arguments())

    @contextmanager
    def begin(network: NetworkForTests, events: str) -> Iterator[Connection]:
        with engine.connect() as connection:
            statement = text("SELECT outcome FROM ledger.post(CAST(:tenant AS uuid), CAST(:events AS jsonb))")
            outcome = connection.scalar(statement, {"tenant": str(network.tenant_id), "events": events})
            assert outcome == "posted"
            yield connection
            connection.rollback()

    yield begin
    engine.dispose()


def test_a_posting_that_commits_after_a_measurement_counts_in_the_next(
    network: NetworkForTests, till: Till, card: str, slow: Any
) -> None:
    cap(network, "A", 10_000)

    with slow(network, accrual_of(till, card, 700)) as connection:
        till.accrue(network.add_card(), 10_000)
        update_exposures(network.tenant_id, anew=True)
        assert seen(network, "A")[0] == 100
        connection.commit()
        update_exposures(network.tenant_id)

    assert seen(network, "A")[0] == 800
    assert kept_issue(network) == 0, "ids of the last hours are not kept yet"


def test_ids_of_the_overlap_may_commit_in_any_order(
    network: NetworkForTests, till: Till, card: str, slow: Any
) -> None:
    cap(network, "A", 10_000)
    other = network.add_card()
    an_hour_ago = clock.now() - timedelta(hours=1)

    with slow(network, accrual_of(till, card, 700, made_at=an_hour_ago)) as connection:
        till.accrue(other, 10_000)
        # The newest of both is kept, but for the overlap.
        update_exposures(network.tenant_id, anew=True)
        connection.commit()
    update_exposures(network.tenant_id)

    assert seen(network, "A")[0] == 800


def test_what_commits_later_than_the_overlap_counts_from_the_next_hour_on(
    network: NetworkForTests, till: Till, card: str, slow: Any
) -> None:
    cap(network, "A", 10_000)
    till.accrue(network.add_card(), 10_000)
    later = clock.now() + OVERLAP + timedelta(minutes=1)

    with slow(network, accrual_of(till, card, 700)) as connection:
        update_exposures(network.tenant_id, later, anew=True)
        assert (seen(network, "A")[0], kept_issue(network)) == (100, 100)
        connection.commit()
    update_exposures(network.tenant_id, later + KEPT_FOR)

    assert (seen(network, "A")[0], kept_issue(network)) == (800, 800)


def test_recomputing_finds_it_at_once(network: NetworkForTests, till: Till, card: str, slow: Any) -> None:
    cap(network, "A", 10_000)
    later = clock.now() + OVERLAP + timedelta(minutes=1)

    with slow(network, accrual_of(till, card, 700)) as connection:
        update_exposures(network.tenant_id, later, anew=True)
        connection.commit()
    update_exposures(network.tenant_id, anew=True)

    assert seen(network, "A")[0] == 700


def test_the_sums_are_those_of_all_postings_while_tills_post(network: NetworkForTests) -> None:
    cap(network, "A", 10**9)
    cards = [network.add_card() for _ in range(6)]
    stop, hours, moves = threading.Event(), count(), count()

    def post(seed: int) -> None:
        chance = Random(seed)
        tills = list(network.tills.values())
        for _ in range(40):
            till, card, what = chance.choice(tills), chance.choice(cards), chance.random()
            next(moves)
            if what < 0.5:
                till.accrue(card, chance.randrange(100, 90_000))
            elif what < 0.7:
                till.redeem(card, chance.randrange(1, 200))
            elif what < 0.85:
                sale = till.accrue(card, 50_000).json
                chance.choice(tills).reverse(sale["transfer_id"], amount=chance.randrange(1, 50_000))
            else:
                held = till.post("/v1/holds", {"card": card, "order_ref": f"h{seed}.{next(moves)}", "points": 20})
                if held.status_code == 201 and what < 0.95:
                    till.post(f"/v1/holds/{held.json['hold_id']}/capture", {"points": 5})

    def measure() -> int:
        with network.app.app_context():
            runs = 0
            while runs < 2 or not stop.is_set():
                # As if all that is posted meanwhile were too late for the overlap.
                update_exposures(network.tenant_id, clock.now() + OVERLAP + KEPT_FOR * min(next(hours), 20))
                runs += 1
            return runs

    with ThreadPoolExecutor(4) as threads:
        measured = threads.submit(measure)
        list(threads.map(post, range(3)))
        stop.set()
        assert measured.result() >= 2

    update_exposures(network.tenant_id, clock.now() + OVERLAP + KEPT_FOR * 21)
    months = [now_month()]
    expected = recomputed(network, months)
    assert kept_rows(network) >= 3 and all(expected[name] for name in ("issued", "recovered", "used", "outstanding"))
    assert summed(network, months) == expected
    row = get_exposure(network.tenant_id, "A").exposure
    assert row is not None
    store_id = network.tills["A"].store_id
    assert row.unsettled == max(expected["issued"][store_id] - expected["recovered"][store_id], 0)


@pytest.mark.parametrize("policy", ["deficit", "clamp"])
def test_the_sums_know_every_way_that_points_go(make_network: Any, policy: str) -> None:
    network = make_network(return_policy=policy, offline_limit=100, offline_charged_to="store")
    a, b = network.add_till("A"), network.add_till("B")
    card, other = network.add_card(), network.add_card()
    sale = a.accrue(card, 50_000).json
    b.redeem(card, 300)
    b.reverse(sale["transfer_id"])
    redemption = a.redeem(other, 30)
    a.accrue(other, 8_000)
    redemption = b.redeem(other, 50).json
    a.reverse(redemption["transfer_id"], points=20)
    event = {
        "kind": "redemption",
        "idempotency_key": "k",
        "card": other,
        "order_ref": "x",
        "points": 90,
        "offline": True,
    }
    batch = b.post("/v1/batches", {"events": [event]}).json
    assert batch["posted"] == 1
    hold = a.post("/v1/holds", {"card": card, "order_ref": "h", "points": 1})
    a.accrue(card, 1_000)
    months = [now_month()]

    fresh = summed(network, months)
    keep_months(network.tenant_id, months, clock.now() + OVERLAP + timedelta(minutes=1))
    kept = summed(network, months)

    assert kept_rows(network) >= 2, hold.json
    assert fresh == kept == recomputed(network, months)
    assert fresh["borne"]


def test_only_todays_and_yesterdays_stretch_are_summed_again(network: NetworkForTests, till: Till, slow: Any) -> None:
    now = clock.now()
    for number, days_ago in enumerate((6, 4, 3, 2, 1)):
        made_at = now - timedelta(days=days_ago)
        with slow(network, accrual_of(till, network.add_card(), 10 + number, made_at)) as connection:
            connection.commit()
    months = [now_month()]

    first = keep_months(network.tenant_id, months, now)
    soon = keep_months(network.tenant_id, months, now + KEPT_FOR / 2)
    again = keep_months(network.tenant_id, months, now + KEPT_FOR)
    day_after = keep_months(network.tenant_id, months, now + KEPT_FOR + timedelta(days=1))

    # The one of two days ago is finished the first time that it is summed.
    assert (first, soon, again, day_after) == (5, 0, 1, 1)
    assert keep_months(network.tenant_id, months, now + timedelta(days=3)) == 0
    assert keep_months(network.tenant_id, months, now, anew=True) == 5
    with unit_of_work(network.tenant_id) as session:
        stretches = session.scalars(select(RollupDay.stretch).distinct().order_by(RollupDay.stretch)).all()
    assert stretches == [(now - timedelta(days=days_ago)).date() for days_ago in (6, 4, 3, 2, 1)]
    assert summed(network, months) == recomputed(network, months)


def test_sums_that_were_interrupted_go_on_and_count_nothing_twice(
    network: NetworkForTests, till: Till, slow: Any
) -> None:
    now = clock.now()
    for number, days_ago in enumerate((5, 4, 1)):
        made_at = now - timedelta(days=days_ago)
        with slow(network, accrual_of(till, network.add_card(), 10 + number, made_at)) as connection:
            connection.commit()
    month = now_month()
    reach = ids.lowest_id_at(now - OVERLAP)

    after_each = []
    since: UUID | None = BELOW_ALL
    while since is not None:
        since = keep_stretch(network.tenant_id, month, since, reach, now)
        after_each.append(summed(network, [month]) == recomputed(network, [month]))
    # Somebody who began earlier, and so reaches less far, takes nothing back.
    keep_stretch(network.tenant_id, month, first_id_of(now.date() - timedelta(days=1)), BELOW_ALL, now)

    assert after_each == [True] * 4
    assert summed(network, [month]) == recomputed(network, [month])


def test_two_who_sum_at_once_come_to_the_same(network: NetworkForTests, card: str) -> None:
    cap(network, "A", 10**9)
    for till in network.tills.values():
        till.accrue(card, 10_000)
    later = clock.now() + OVERLAP

    def keep(number: int) -> int:
        with network.app.app_context():
            return keep_months(network.tenant_id, [now_month()], later + timedelta(seconds=number), anew=True)

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(keep, (4, 3, 2, 1))) == [1] * 4

    assert summed(network, [now_month()]) == recomputed(network, [now_month()])
    assert kept_rows(network) == 3


def test_a_closed_month_is_summed_once_and_for_all(network: NetworkForTests, till: Till, card: str) -> None:
    cap(network, "A", 10_000)
    till.accrue(card, 20_000, occurred_at=IN_JANUARY)
    network.close(JANUARY)
    till.accrue(card, 30_000, occurred_at=IN_JANUARY)

    update_exposures(network.tenant_id)

    with unit_of_work(network.tenant_id) as session:
        kept = session.get(RollupMonth, (network.tenant_id, JANUARY))
    assert kept is not None and kept.below == ABOVE_ALL
    assert seen(network, "A")[0] == 500
    assert not keep_months(network.tenant_id, [JANUARY], clock.now() + 100 * KEPT_FOR)


MOMENT = datetime(2026, 1, 10, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("is_open", "below", "minutes_ago", "stale"),
    [
        (True, BELOW_ALL, None, True),
        (True, ids.lowest_id_at(MOMENT), 0, False),
        (True, ids.lowest_id_at(MOMENT), 59, False),
        (True, ids.lowest_id_at(MOMENT), 60, True),
        (False, BELOW_ALL, None, True),
        (False, ids.lowest_id_at(MOMENT), 0, True),
        (False, ABOVE_ALL, 10**6, False),
    ],
)
def test_sums_are_made_anew_every_hour_until_the_month_is_closed(
    is_open: bool, below: Any, minutes_ago: int | None, stale: bool
) -> None:
    made_at = None if minutes_ago is None else MOMENT - timedelta(minutes=minutes_ago)

    assert is_stale(is_open, below, made_at, MOMENT) == stale


def test_a_stretch_is_a_utc_day_of_ids() -> None:
    first = first_id_of(MOMENT.date())

    assert [day_made(UUID(int=first.int + change)) for change in (-1, 0)] == [date(2026, 1, 9), date(2026, 1, 10)]
    assert day_made(ids.lowest_id_at(MOMENT)) == day_made(UUID(int=first_id_of(date(2026, 1, 11)).int - 1))
    assert (first_id_of(date(1970, 1, 1)), day_made(BELOW_ALL)) == (BELOW_ALL, date(1970, 1, 1))


NOON, ONE = ids.lowest_id_at(MOMENT), ids.lowest_id_at(MOMENT + timedelta(hours=1))


@pytest.mark.parametrize(
    ("stretch", "reach", "below", "end"),
    [
        (9, NOON, BELOW_ALL, first_id_of(date(2026, 1, 10))),
        (10, NOON, BELOW_ALL, NOON),
        (10, ONE, NOON, ONE),
        (10, NOON, ONE, ONE),
        (10, ABOVE_ALL, ONE, first_id_of(date(2026, 1, 11))),
        (10, NOON, ABOVE_ALL, first_id_of(date(2026, 1, 11))),
    ],
)
def test_a_stretch_is_never_summed_less_far_than_before(stretch: int, reach: UUID, below: UUID, end: UUID) -> None:
    assert end_of_stretch(date(2026, 1, stretch), reach, below) == end


@pytest.mark.parametrize(("stretch", "finished"), [(7, 8), (8, 9), (9, 9), (10, 9), (12, 9)])
def test_today_and_yesterday_are_not_finished(stretch: int, finished: int) -> None:
    assert finished_after(date(2026, 1, stretch), MOMENT) == date(2026, 1, finished)
