"""A till's day beside the ledger's, as tills and head office see it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from clearinghouse.dayclose.queries import list_days, open_differences
from clearinghouse.dayclose.tables import DayClose
from tenants.credentials.service import TERMINAL, create_credential
from tenants.foundation import clock, ids
from tenants.foundation.database import unit_of_work
from tenants.terminals.service import create_terminal
from tests.conftest import NetworkForTests, Till

DAY = "2026-03-10"
NOON = f"{DAY}T12:00:00Z"
NOTHING = {"count": 0, "points": 0, "amount": 0}

Body = dict[str, Any]


def figures(count: int, points: int, amount: int) -> dict[str, int]:
    return {"count": count, "points": points, "amount": amount}


def totals(**groups: dict[str, int]) -> dict[str, dict[str, int]]:
    return {"accruals": NOTHING, "redemptions": NOTHING, "reversals": NOTHING, **groups}


def entry(kind: str, points: int, amount: int, **name: str) -> Body:
    return {"kind": kind, "points": points, "amount": amount, **name}


def close(till: Till, day: str = DAY, entries: list[Body] | None = None, **groups: dict[str, int]) -> TestResponse:
    body: Body = {"business_date": day, "totals": totals(**groups)}
    answer = till.call("POST", "/v1/day-closes", body if entries is None else {**body, "entries": entries})
    assert answer.status_code == 201, answer.json
    return answer


def show(network: NetworkForTests, till: Till, day: str = DAY) -> Body:
    answer = network.hq("GET", f"/v1/day-closes/{shown_id(till)}/{day}")
    assert answer.status_code == 200, answer.json
    return answer.json


def shown_id(till: Till) -> str:
    return ids.show(ids.TERMINAL, till.terminal_id)


def accept(network: NetworkForTests, till: Till, day: str = DAY, reason: str = "looked into") -> TestResponse:
    return network.hq("POST", f"/v1/day-closes/{shown_id(till)}/{day}/acceptance", {"reason": reason})


def listed(caller: Callable[..., TestResponse], **query: str) -> list[tuple[str, str, str]]:
    """(store, day, status) of each."""
    asked = {"from": "2026-03-01", "to": "2026-03-31", **query}
    answer = caller("GET", "/v1/day-closes?" + "&".join(f"{name}={value}" for name, value in asked.items()))
    assert answer.status_code == 200, answer.json
    return [(day["store"], day["business_date"], day["status"]) for day in answer.json["day_closes"]]


def open_days(network: NetworkForTests, month: date = date(2026, 3, 1)) -> list[tuple[str, str, str]]:
    with unit_of_work(network.tenant_id) as session:
        return [(d.store_code, d.business_date.isoformat(), d.status) for d in open_differences(session, month)]


def count_attempts(network: NetworkForTests) -> int:
    with unit_of_work(network.tenant_id) as session:
        return session.scalar(select(func.count()).select_from(DayClose)) or 0


@pytest.fixture
def busy(till: Till, card: str) -> Till:
    """Two sales, a redemption, and the return of each kind; the returns with and without an order of their own."""
    till.accrue(card, 10000, order_ref="1", occurred_at=NOON)
    till.accrue(card, 2599, order_ref="2", occurred_at=NOON)
    till.redeem(card, 30, order_ref="2", occurred_at=NOON)
    for kind, name in (("accrual", {}), ("redemption", {"order_ref": "R-1"})):
        named = {"original_order_ref": "2", "original_kind": kind, "occurred_at": NOON, **name}
        assert till.post("/v1/reversals", named).status_code == 201
    return till


BUSY = {
    "accruals": figures(2, 125, 12599),
    "redemptions": figures(1, 30, 30),
    "reversals": figures(2, 55, 2629),
}


def busy_entries(till: Till) -> list[Body]:
    transfers = till.call("GET", "/v1/transfers").json["transfers"]
    [unnamed] = [t["transfer_id"] for t in transfers if t["kind"] == "accrual_reversal"]
    return [
        entry("accrual", 100, 10000, order_ref="1"),
        entry("accrual", 25, 2599, order_ref="2"),
        entry("redemption", 30, 30, order_ref="2"),
        entry("reversal", 25, 2599, transfer_id=unnamed),
        entry("reversal", 30, 30, order_ref="R-1"),
    ]


def test_a_day_whose_totals_agree_is_matched(network: NetworkForTests, busy: Till) -> None:
    answer = close(busy, **BUSY).json

    assert (answer["status"], answer["attempt"], answer["entries_needed"]) == ("matched", 1, False)
    assert answer["till"] == answer["ledger"] == totals(**BUSY)
    assert (answer["store"], answer["terminal"], answer["terminal_id"]) == ("A", "1", shown_id(busy))
    assert open_days(network) == []


def test_a_day_whose_orders_agree_is_matched(network: NetworkForTests, busy: Till) -> None:
    answer = close(busy, entries=busy_entries(busy), **BUSY).json

    assert (answer["status"], answer["differences"], answer["differences_count"]) == ("matched", [], 0)
    assert listed(network.hq) == [("A", DAY, "matched")]


def test_a_transfer_with_an_order_may_be_named_by_its_id_too(network: NetworkForTests, busy: Till) -> None:
    transfers = busy.call("GET", "/v1/transfers").json["transfers"]
    by_id = [
        entry(t["kind"].rpartition("_")[2], t["points"], t["amount"], transfer_id=t["transfer_id"]) for t in transfers
    ]

    assert close(busy, entries=by_id, **BUSY).json["status"] == "matched"
    assert listed(network.hq) == [("A", DAY, "matched")]


def test_a_day_without_anything_may_be_closed(network: NetworkForTests, till: Till) -> None:
    assert close(till).json["status"] == "matched"
    assert close(till, entries=[], day="2026-03-11").json["status"] == "matched"
    assert listed(network.hq) == [("A", DAY, "matched"), ("A", "2026-03-11", "matched")]


@pytest.mark.parametrize("group", BUSY)
@pytest.mark.parametrize("figure", ["count", "points", "amount"])
def test_every_figure_of_the_totals_counts(network: NetworkForTests, busy: Till, group: str, figure: str) -> None:
    answer = close(busy, **BUSY | {group: BUSY[group] | {figure: BUSY[group][figure] + 1}}).json

    assert (answer["status"], answer["entries_needed"], answer["differences"]) == ("differing", True, [])
    assert answer["ledger"] == totals(**BUSY)
    assert listed(network.hq) == [("A", DAY, "differing")]


def test_entries_say_which_orders_differ(busy: Till) -> None:
    unposted = [*busy_entries(busy)[1:], entry("accrual", 7, 700, order_ref="9")]

    answer = close(busy, entries=unposted, **BUSY | {"accruals": figures(2, 32, 3299)}).json

    assert (answer["status"], answer["entries_needed"]) == ("differing", False)
    told = [(d["order_ref"], d["kind"], d["till"], d["ledger"]) for d in answer["differences"]]
    assert told == [
        ("1", "accrual", None, {"points": 100, "amount": 10000}),
        ("9", "accrual", {"points": 7, "amount": 700}, None),
    ]


def swapped(entries: list[Body]) -> list[Body]:
    """The same totals, with the figures of two sales under each other's names."""
    first, second, *others = entries
    return [{**first, "order_ref": second["order_ref"]}, {**second, "order_ref": first["order_ref"]}, *others]


def other_kinds(entries: list[Body]) -> list[Body]:
    return [{**each, "order_ref": "2"} if each.get("order_ref") == "R-1" else each for each in entries]


@pytest.mark.parametrize("change", [swapped, other_kinds])
def test_orders_that_differ_are_found_though_the_totals_agree(
    network: NetworkForTests, busy: Till, change: Callable[[list[Body]], list[Body]]
) -> None:
    answer = close(busy, entries=change(busy_entries(busy)), **BUSY).json

    assert (answer["status"], answer["differences_count"]) == ("differing", 2)
    assert listed(network.hq, status="differing") == open_days(network) == [("A", DAY, "differing")]


def test_only_the_terminals_own_day_is_compared(network: NetworkForTests, busy: Till, card: str) -> None:
    second = create_terminal(network.tenant_id, "A", "2")
    _, key = create_credential(network.tenant_id, TERMINAL, "till", second.terminal_id)
    neighbour = Till(busy.client, key, "A", busy.store_id, second.terminal_id)
    neighbour.accrue(card, 500, occurred_at=NOON)
    network.tills["B"].accrue(card, 700, occurred_at=NOON)
    busy.accrue(card, 900, occurred_at="2026-03-11T00:00:00Z")
    busy.accrue(card, 900, occurred_at="2026-03-09T23:59:59Z")

    assert close(busy, **BUSY).json["status"] == "matched"
    assert close(neighbour, accruals=figures(1, 5, 500)).json["status"] == "matched"


def test_a_business_day_is_one_of_the_networks_time_zone(make_network: Callable[..., NetworkForTests]) -> None:
    network = make_network(time_zone="Pacific/Kiritimati")
    till, card = network.add_till("A"), network.add_card()
    till.accrue(card, 1000, occurred_at="2026-03-09T10:00:00Z")

    assert close(till, accruals=figures(1, 10, 1000)).json["status"] == "matched"
    assert listed(network.hq) == [("A", DAY, "matched")]


def test_an_event_that_comes_late_makes_a_matched_day_differ(network: NetworkForTests, busy: Till, card: str) -> None:
    close(busy, entries=busy_entries(busy), **BUSY)

    busy.accrue(card, 0, order_ref="late", occurred_at=NOON)

    day = show(network, busy)
    assert (day["status"], [d["order_ref"] for d in day["differences"]]) == ("differing", ["late"])
    assert open_days(network) == [("A", DAY, "differing")]


def test_an_event_that_comes_late_makes_a_differing_day_match(
    network: NetworkForTests, till: Till, card: str
) -> None:
    sold = [entry("accrual", 10, 1000, order_ref="1")]
    assert close(till, entries=sold, accruals=figures(1, 10, 1000)).json["status"] == "differing"

    till.accrue(card, 1000, order_ref="1", occurred_at=NOON)

    assert show(network, till)["status"] == "matched"
    assert (listed(network.hq), open_days(network)) == ([("A", DAY, "matched")], [])


def test_late_events_of_a_closed_month_count_for_their_business_day(
    network: NetworkForTests, till: Till, card: str
) -> None:
    close(till, day="2026-01-10")
    network.hq("POST", "/v1/settlement/windows/2026-01/close")

    sale = till.accrue(card, 1000, occurred_at="2026-01-10T12:00:00Z").json

    assert (sale["late"], sale["settlement_month"]) == (True, "2026-02")
    assert show(network, till, "2026-01-10")["status"] == "differing"
    assert open_days(network, date(2026, 1, 1)) == [("A", "2026-01-10", "differing")]
    assert open_days(network, date(2026, 2, 1)) == []


def test_the_newest_close_counts_and_every_one_is_kept(network: NetworkForTests, busy: Till) -> None:
    close(busy)
    close(busy, **BUSY)

    day = show(network, busy)

    assert (day["status"], day["attempt"]) == ("matched", 2)
    assert [(a["attempt"], a["till"]) for a in day["attempts"]] == [(1, totals()), (2, totals(**BUSY))]


def test_the_same_close_again_is_no_new_attempt(network: NetworkForTests, busy: Till) -> None:
    first = close(busy, entries=busy_entries(busy), **BUSY)
    again = close(busy, entries=busy_entries(busy), **BUSY)

    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json == first.json
    assert count_attempts(network) == 1


def test_a_close_that_goes_back_to_an_earlier_one_is_a_new_attempt(network: NetworkForTests, busy: Till) -> None:
    for groups in (BUSY, {}, BUSY):
        answer = close(busy, **groups)

    assert (answer.json["attempt"], answer.json["status"]) == (3, "matched")


def test_the_same_close_at_the_same_moment_is_one_attempt(network: NetworkForTests, busy: Till) -> None:
    def send(client: Any) -> tuple[str, int]:
        till = Till(client, busy.key, "A", busy.store_id, busy.terminal_id)
        answer = close(till, **BUSY).json
        return answer["status"], answer["attempt"]

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(send, [network.app.test_client() for _ in range(8)]))

    assert answers == [("matched", 1)] * 8
    assert count_attempts(network) == 1


def test_different_closes_at_the_same_moment_are_numbered_in_turn(network: NetworkForTests, till: Till) -> None:
    def send(number: int) -> int:
        other = Till(network.app.test_client(), till.key, "A", till.store_id, till.terminal_id)
        return close(other, accruals=figures(number, 0, 0)).json["attempt"]

    with ThreadPoolExecutor(4) as pool:
        attempts = list(pool.map(send, range(1, 9)))

    assert sorted(attempts) == list(range(1, 9))


def test_a_difference_is_accepted_with_a_reason(network: NetworkForTests, busy: Till) -> None:
    close(busy)

    accepted = accept(network, busy, reason="Paper journal agrees with the ledger")

    assert (accepted.status_code, accepted.json["status"]) == (201, "accepted")
    [kept] = accepted.json["acceptances"]
    assert (kept["attempt"], kept["reason"]) == (1, "Paper journal agrees with the ledger")
    assert kept["accepted_by"].startswith("key key_")
    assert (listed(network.hq), open_days(network)) == ([("A", DAY, "accepted")], [])


def test_an_accepted_day_is_open_again_after_a_late_event(network: NetworkForTests, busy: Till, card: str) -> None:
    close(busy)
    accept(network, busy)

    busy.accrue(card, 100, occurred_at=NOON)

    assert show(network, busy)["status"] == "differing"
    assert open_days(network) == [("A", DAY, "differing")]
    assert accept(network, busy).json["status"] == "accepted"
    assert len(show(network, busy)["acceptances"]) == 2


def test_an_accepted_day_is_open_again_after_another_close(network: NetworkForTests, busy: Till) -> None:
    close(busy)
    accept(network, busy)

    close(busy, accruals=figures(1, 1, 1))

    assert show(network, busy)["status"] == "differing"
    assert open_days(network) == [("A", DAY, "differing")]


def test_a_matched_day_can_not_be_accepted_nor_an_accepted_one(network: NetworkForTests, busy: Till) -> None:
    close(busy, **BUSY)
    matched = accept(network, busy)
    close(busy)
    accept(network, busy)
    again = accept(network, busy)

    assert (matched.status_code, matched.json["code"]) == (409, "day_matches")
    assert (again.status_code, again.json["code"]) == (409, "day_already_accepted")


def test_two_acceptances_at_the_same_moment_are_one(network: NetworkForTests, busy: Till) -> None:
    close(busy)

    with ThreadPoolExecutor(4) as pool:
        statuses = [answer.status_code for answer in pool.map(lambda _: accept(network, busy), range(6))]

    assert sorted(statuses) == [201, 409, 409, 409, 409, 409]


def test_a_day_with_transfers_and_no_close_is_missing_from_the_first_closed_day_on(
    network: NetworkForTests, till: Till, card: str
) -> None:
    for day in (9, 10, 11, 12):
        till.accrue(card, 1000, occurred_at=f"2026-03-{day:02}T12:00:00Z")
        network.tills["B"].accrue(card, 1000, occurred_at=f"2026-03-{day:02}T12:00:00Z")

    assert open_days(network) == []
    close(till, accruals=figures(1, 10, 1000))

    assert open_days(network) == [("A", "2026-03-11", "missing"), ("A", "2026-03-12", "missing")]
    assert listed(network.hq, status="missing") == open_days(network)
    assert show(network, till, "2026-03-11")["till"] is None


def test_a_day_that_was_never_closed_can_be_accepted(network: NetworkForTests, till: Till, card: str) -> None:
    till.accrue(card, 1000, occurred_at="2026-03-11T12:00:00Z")
    close(till)

    accepted = accept(network, till, "2026-03-11", "Till broke down")

    assert (accepted.json["status"], accepted.json["attempt"]) == ("accepted", 0)
    assert open_days(network) == []


def test_today_is_not_missing_its_close_yet(network: NetworkForTests, till: Till, card: str) -> None:
    today = clock.now().date()
    close(till, day=(today - timedelta(days=1)).isoformat())
    till.accrue(card, 1000)

    query = {"from": (today - timedelta(days=2)).isoformat(), "to": today.isoformat()}
    assert [day for _, day, _ in listed(network.hq, **query)] == [(today - timedelta(days=1)).isoformat()]
    assert close(till, day=today.isoformat(), accruals=figures(1, 10, 1000)).json["status"] == "matched"


def test_a_terminal_sees_its_own_days_and_head_office_all(network: NetworkForTests) -> None:
    for store in "ABC":
        close(network.tills[store])

    assert listed(network.hq) == [(store, DAY, "matched") for store in "ABC"]
    assert listed(network.tills["B"].call) == [("B", DAY, "matched")]
    assert listed(network.hq, terminal_id=shown_id(network.tills["C"])) == [("C", DAY, "matched")]
    others = network.tills["B"].call("GET", f"/v1/day-closes?terminal_id={shown_id(network.tills['A'])}")
    assert (others.status_code, others.json["code"]) == (403, "not_your_terminal")


def test_another_network_sees_nothing_of_a_day(
    network: NetworkForTests, busy: Till, make_network: Callable[..., NetworkForTests]
) -> None:
    close(busy)
    stranger = make_network()

    assert listed(stranger.hq) == []
    assert stranger.hq("GET", f"/v1/day-closes/{shown_id(busy)}/{DAY}").json["code"] == "terminal_unknown"
    assert accept(stranger, busy).json["code"] == "terminal_unknown"
    assert show(network, busy)["status"] == "differing"


def test_pages_hold_every_day_once(network: NetworkForTests) -> None:
    for day in ("2026-03-01", "2026-03-02"):
        for store in "ABC":
            close(network.tills[store], day=day)
    whole = listed(network.hq)

    paged, path = [], "/v1/day-closes?from=2026-03-01&to=2026-03-31&limit=2"
    cursor = ""
    while True:
        page = network.hq("GET", path + cursor).json
        paged += [(day["store"], day["business_date"], day["status"]) for day in page["day_closes"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"

    assert len(whole) == 6
    assert paged == whole


def test_the_list_and_the_single_day_agree_on_every_status(network: NetworkForTests, busy: Till, card: str) -> None:
    """The one is decided by the database for many days, the other by the rules for one."""
    network.tills["B"].accrue(card, 700, occurred_at=NOON)
    close(network.tills["B"], day="2026-03-09")
    close(network.tills["C"], accruals=figures(1, 1, 1))
    close(busy, entries=swapped(busy_entries(busy)), **BUSY)
    accept(network, network.tills["C"])

    with unit_of_work(network.tenant_id) as session:
        days = list_days(session, date(2026, 3, 1), date(2026, 3, 31))

    assert {day.status for day in days} == {"matched", "differing", "accepted", "missing"}
    for day in days:
        shown = show(network, network.tills[day.store_code], day.business_date.isoformat())
        assert (shown["status"], shown["attempt"]) == (day.status, day.attempt)
        assert shown["ledger"] == {group: vars(total) for group, total in day.ledger.items()}


def test_twenty_thousand_entries_are_compared(till: Till, card: str) -> None:
    till.accrue(card, 1000, order_ref="7", occurred_at=NOON)
    entries = [entry("accrual", 10, 1000, order_ref=str(n)) for n in range(20_000)]

    answer = close(till, entries=entries, accruals=figures(20_000, 200_000, 20_000_000)).json

    assert answer["differences_count"] == 19_999
    assert len(answer["differences"]) == 1_000
