"""Store and forward: what a till is told of the numbers that it gives its events."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import count, pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from clearinghouse.ledger.checks import check_ledger
from clearinghouse.pos.service import CHUNK_EVENTS
from clearinghouse.sequences import queries
from clearinghouse.sequences.rules import RANGES_MAX, SEQUENCE_MAX
from clearinghouse.sequences.service import TillReport
from tenants.foundation import clock, ids
from tests.conftest import NetworkForTests, Till

Event = dict[str, Any]
runs = count(1)


def sale(card: str, number: int, run: str = "", **fields: Any) -> Event:
    """Of the same number and run it is the same event."""
    name = f"{run}{number}"
    return {
        "kind": "accrual",
        "idempotency_key": f"k{name}",
        "order_ref": f"o{name}",
        "card": card,
        "amount": 100,
        "sequence": number,
        **fields,
    }


def send(till: Till, events: list[Event], **batch: Any) -> Event:
    answer = till.call("POST", "/v1/batches", {"events": events, **batch})
    assert answer.status_code == 200, answer.json
    return answer.json


def send_numbers(till: Till, card: str, *numbers: int, run: str = "", **batch: Any) -> Event:
    return send(till, [sale(card, number, run) for number in numbers], **batch)


def counts(answer: Event) -> tuple[int, int, int]:
    return answer["posted"], answer["replayed"], answer["refused"]


def told(answer: Event) -> tuple[int, list[list[int]], list[list[int]]]:
    return answer["highest_sequence"], answer["missing_sequences"], answer["repeated_sequences"]


def own(till: Till) -> Event:
    answer = till.call("GET", "/v1/sequences")
    assert answer.status_code == 200, answer.json
    return answer.json


def test_every_result_carries_the_sequence_of_its_event(till: Till, card: str) -> None:
    answer = send(till, [sale(card, 3), sale(card, 4, amount=-1), sale(card, 3)])

    assert [(r["index"], r["sequence"], r["outcome"]) for r in answer["results"]] == [
        (0, 3, "posted"), (1, 4, "refused"), (2, 3, "replayed"),
    ]  # fmt: skip


def test_a_batch_without_numbers_is_answered_without_them(till: Till, card: str) -> None:
    event = sale(card, 1)
    del event["sequence"]

    answer = send(till, [event])

    assert answer.keys() == {"posted", "replayed", "refused", "late", "results"}
    assert answer["results"][0].keys() == {"index", "outcome", "transfer"}
    assert own(till)["seen_at"] is None


# Numbers of a till's batches, one after the other, and what the last one is told: highest, missing, repeated.
DELIVERIES: list[tuple[list[list[int]], tuple[int, list[list[int]], list[list[int]]]]] = [
    ([[1, 2, 3]], (3, [], [])),
    ([[7, 8]], (8, [], [])),
    ([[1, 3]], (3, [[2, 2]], [])),
    ([[1, 2], [5, 6]], (6, [[3, 4]], [])),
    ([[5, 6], [1, 2]], (6, [[3, 4]], [])),
    ([[1, 2], [5, 6], [3, 4]], (6, [], [])),
    ([[1, 2], [5, 6], [4]], (6, [[3, 3]], [])),
    ([[1, 2, 3], [1, 2, 3]], (3, [], [])),
    ([[3, 1, 2]], (3, [], [])),
    ([[1, 2], [2, 3, 4]], (4, [], [])),
    ([[1, 5, 9], [9]], (9, [[2, 4], [6, 8]], [])),
    ([[1, SEQUENCE_MAX]], (SEQUENCE_MAX, [[2, SEQUENCE_MAX - 1]], [])),
    ([[SEQUENCE_MAX], [1]], (SEQUENCE_MAX, [[2, SEQUENCE_MAX - 1]], [])),
]


@pytest.mark.parametrize(("batches", "expected"), DELIVERIES)
def test_gaps_are_named_until_they_are_filled(
    till: Till, card: str, batches: list[list[int]], expected: tuple[int, list[list[int]], list[list[int]]]
) -> None:
    answers = [send_numbers(till, card, *numbers) for numbers in batches]

    assert told(answers[-1]) == expected
    assert answers[-1]["missing_count"] == sum(last - first + 1 for first, last in expected[1])
    assert own(till)["missing_sequences"] == expected[1]


def test_a_lost_tail_is_noticed_by_the_last_sequence(till: Till, card: str) -> None:
    first = send_numbers(till, card, 1, 2, last_sequence=5)
    second = send_numbers(till, card, 3, last_sequence=2)
    third = send_numbers(till, card, 4, 5)

    assert [told(answer)[:2] for answer in (first, second, third)] == [(5, [[3, 5]]), (5, [[4, 5]]), (5, [])]


def test_a_till_whose_counter_was_reset_is_told_and_nothing_is_lost(till: Till, card: str) -> None:
    send_numbers(till, card, *range(1, 11))

    after_reset = send_numbers(till, card, 1, 2, 3, 11, run="again-")

    assert counts(after_reset) == (4, 0, 0)
    assert told(after_reset) == (11, [], [[1, 3]])
    assert after_reset["repeated_count"] == 3
    assert own(till)["repeated_sequences"] == [[1, 3]]
    assert till.balance(card)["available"] == 14


def test_a_replayed_event_is_no_repeated_number(till: Till, card: str) -> None:
    send_numbers(till, card, 1, 2)

    answer = send_numbers(till, card, 1, 2, 3)

    assert counts(answer) == (1, 2, 0)
    assert told(answer) == (3, [], [])


def test_a_refused_event_counts_as_received_and_may_be_sent_again_with_its_number(
    network: NetworkForTests, till: Till, card: str
) -> None:
    redemption = {
        "kind": "redemption", "idempotency_key": "k2", "order_ref": "o2", "card": card, "points": 5, "sequence": 2,
    }  # fmt: skip
    refused = send(till, [sale(card, 1), redemption, sale(card, 3)])
    till.accrue(card, 1000)

    again = send(till, [redemption])

    assert (counts(refused), told(refused)) == ((2, 0, 1), (3, [], []))
    assert (counts(again), told(again)) == ((1, 0, 0), (3, [], []))


def test_another_event_with_a_number_of_the_same_batch_is_refused_by_itself(till: Till, card: str) -> None:
    answer = send(till, [sale(card, 1), sale(card, 2), sale(card, 2, run="other-"), sale(card, 3)])

    assert counts(answer) == (3, 0, 1)
    problem = answer["results"][2]["problem"]
    assert (problem["code"], told(answer)) == ("sequence_repeated", (3, [], []))


def test_another_event_with_a_number_of_an_earlier_chunk_is_refused_too(till: Till, card: str) -> None:
    events = [sale(card, number) for number in range(1, CHUNK_EVENTS + 1)]

    answer = send(till, [*events, sale(card, 1, run="other-"), sale(card, 1)])

    assert counts(answer) == (CHUNK_EVENTS, 1, 1)
    assert answer["results"][-2]["problem"]["code"] == "sequence_repeated"


def test_the_same_key_twice_in_a_batch_is_replayed_or_refused_by_its_body(till: Till, card: str) -> None:
    first, other_body = sale(card, 1), sale(card, 1, amount=200)

    answer = send(till, [first, first, other_body, {**first, "sequence": 2}])

    outcomes = [r["problem"]["code"] if "problem" in r else r["outcome"] for r in answer["results"]]
    assert outcomes == ["posted", "replayed", "idempotency_key_reused", "replayed"]
    assert told(answer) == (2, [], [])
    assert till.balance(card)["available"] == 1


@pytest.mark.parametrize("value", [None, 0, -1, 1.0, "1", True, SEQUENCE_MAX + 1, 10**30, [1], {"n": 1}])
def test_an_event_whose_sequence_is_no_number_is_refused_by_itself(till: Till, card: str, value: Any) -> None:
    answer = send(till, [sale(card, 1), sale(card, 2, sequence=value), sale(card, 3)])

    assert [r["outcome"] for r in answer["results"]] == ["posted", "refused", "posted"]
    assert answer["results"][1]["problem"]["code"] == "invalid_sequence"
    assert "sequence" not in answer["results"][1]
    assert told(answer) == (3, [[2, 2]], [])


def without_number(event: Event) -> Event:
    return {name: value for name, value in event.items() if name != "sequence"}


WRONG_BATCHES: list[tuple[Callable[[Event], Event], str]] = [
    (lambda event: {"events": [event, without_number(event)]}, "sequence_incomplete"),
    (lambda event: {"events": [without_number(event)], "last_sequence": 5}, "sequence_incomplete"),
    *[
        (lambda event, value=value: {"events": [event], "last_sequence": value}, "invalid_input")
        for value in (None, 0, -1, 1.5, "5", True, SEQUENCE_MAX + 1, 10**400, [])
    ],
    *[
        (lambda event, value=value: {"events": [event], "sent_at": value}, "invalid_input")
        for value in (None, 0, "", "now", "2026-03-01T12:00:00", "2026-13-01T12:00:00Z", 1772366400, [])
    ],
]


@pytest.mark.parametrize(("batch_of", "code"), WRONG_BATCHES)
def test_a_batch_that_is_numbered_wrongly_is_refused_whole(
    till: Till, card: str, batch_of: Callable[[Event], Event], code: str
) -> None:
    answer = till.call("POST", "/v1/batches", batch_of(sale(card, 1)))

    assert (answer.status_code, answer.json["code"]) == (422, code)
    assert till.balance(card)["available"] == 0
    assert own(till)["received_count"] == 0


def test_a_single_call_takes_no_sequence(till: Till, card: str) -> None:
    answer = till.accrue(card, 100, sequence=1)

    assert (answer.status_code, answer.json["code"]) == (422, "invalid_input")


@pytest.mark.parametrize(
    ("offset", "warned"),
    [
        (timedelta(0), False),
        (timedelta(minutes=4), False),
        (timedelta(minutes=-4), False),
        (timedelta(minutes=6), True),
        (timedelta(minutes=-6), True),
        (timedelta(days=-300), True),
    ],
)
def test_the_tills_clock_is_measured_and_warned_of(till: Till, card: str, offset: timedelta, warned: bool) -> None:
    answer = send_numbers(till, card, 1, sent_at=(clock.now() + offset).isoformat())

    skew = answer["clock_skew_seconds"]
    assert offset.total_seconds() - 30 <= skew <= offset.total_seconds()
    assert [warning["code"] for warning in answer.get("warnings", [])] == ["clock_skewed"] * warned
    assert own(till)["clock_skew_seconds"] == skew


@pytest.mark.parametrize("sent_at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_clock_at_the_end_of_time_is_measured_too(till: Till, card: str, sent_at: str) -> None:
    answer = send_numbers(till, card, 1, sent_at=sent_at)

    assert abs(answer["clock_skew_seconds"]) > 10**10
    assert answer["warnings"]


def test_the_clock_is_measured_without_numbers_too_and_is_kept(till: Till, card: str) -> None:
    answer = send(till, [without_number(sale(card, 1))], sent_at=clock.now().isoformat())
    send_numbers(till, card, 2)

    assert "highest_sequence" not in answer
    assert abs(answer["clock_skew_seconds"]) < 30
    assert own(till)["clock_skew_seconds"] == answer["clock_skew_seconds"]


def test_a_long_list_of_gaps_is_cut_and_counted(till: Till, card: str) -> None:
    answer = send_numbers(till, card, *range(1, 501, 2))

    assert (len(answer["missing_sequences"]), answer["missing_count"]) == (100, 249)
    assert answer["missing_sequences"][:2] == [[2, 2], [4, 4]]


def test_a_till_that_leaves_gaps_for_ever_keeps_only_the_newest(till: Till, card: str) -> None:
    """Its counter counts other things too. What is given up counts as received."""
    numbers = range(1, 2 * RANGES_MAX + 2, 2)
    send_numbers(till, card, *numbers)

    shown = own(till)
    answer = send_numbers(till, card, 2, numbers[-1] - 1)

    assert shown["missing_count"] == RANGES_MAX // 2 - 1
    assert shown["missing_sequences"][0] == [RANGES_MAX + 4, RANGES_MAX + 4]
    assert shown["received_sequences"][-1] == [numbers[-1], numbers[-1]]
    assert (counts(answer), answer["repeated_sequences"]) == ((2, 0, 0), [[2, 2]])
    assert answer["missing_count"] == RANGES_MAX // 2 - 2


def test_a_batch_of_which_the_numbers_were_not_recorded_is_replayed_and_recorded(
    network: NetworkForTests, till: Till, card: str
) -> None:
    """As after a crash between posting and recording: the events are in the ledger, their numbers are not known."""
    for number in (1, 2):
        event = without_number(sale(card, number))
        till.post("/v1/accruals", {k: event[k] for k in ("card", "order_ref", "amount")}, event["idempotency_key"])
    assert own(till)["received_count"] == 0

    answer = send_numbers(till, card, 1, 2, 3)

    assert (counts(answer), told(answer)) == ((1, 2, 0), (3, [], []))
    assert check_ledger(network.tenant_id) == []


@pytest.mark.fails_on_purpose
def test_recording_that_fails_is_told_and_the_batch_can_be_sent_again(
    till: Till, card: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(queries, "RECORD", queries.text("SELECT 1/0"))
        broken = till.call("POST", "/v1/batches", {"events": [sale(card, 1)]})

    answer = send_numbers(till, card, 1)

    assert broken.status_code == 500
    assert (counts(answer), told(answer)) == ((0, 1, 0), (1, [], []))


def test_a_batch_that_is_sent_again_while_it_is_posted_repeats_no_number(
    network: NetworkForTests, till: Till, card: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The impatient till's second try is answered first."""
    other = Till(network.app.test_client(), till.key, "A", till.store_id, till.terminal_id)
    batch = [sale(card, 1), sale(card, 2)]
    record = TillReport.record
    overtaking: list[Any] = []

    def record_overtaken(report: TillReport, settled: Any) -> None:
        monkeypatch.setattr(TillReport, "record", record)
        overtaking.append(send(other, batch))
        record(report, settled)

    monkeypatch.setattr(TillReport, "record", record_overtaken)
    answer = send(till, batch)

    assert [(counts(each), told(each)) for each in (answer, *overtaking)] == [
        ((2, 0, 0), (2, [], [])),
        ((0, 2, 0), (2, [], [])),
    ]
    assert own(till)["repeated_count"] == 0
    assert told(send_numbers(till, card, 2, run="reset-")) == (2, [], [[2, 2]])


def test_batches_of_one_terminal_at_the_same_moment_lose_no_number(network: NetworkForTests, till: Till) -> None:
    cards = [network.add_card() for _ in range(4)]

    def send_part(part: int) -> None:
        other = Till(network.app.test_client(), till.key, "A", till.store_id, till.terminal_id)
        for first in range(part + 1, 401, 40):
            send_numbers(other, cards[part % 4], *range(first, first + 40, 4))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(send_part, range(4)))

    shown = own(till)
    assert (shown["received_sequences"], shown["missing_count"]) == ([[1, 400]], 0)
    assert shown["repeated_count"] == 0


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_order_of_delivery_with_repeats_ends_without_gaps(network: NetworkForTests, data: st.DataObject) -> None:
    run = str(next(runs))
    till, card = network.add_till(f"S{run}"), network.add_card()
    size = data.draw(st.integers(1, 25))
    borders = sorted(data.draw(st.sets(st.integers(1, size), max_size=6)) | {0, size})
    chunks = [list(range(first + 1, last + 1)) for first, last in pairwise(borders)]
    repeats = data.draw(st.lists(st.sampled_from(chunks), max_size=4))
    delivered: set[int] = set()

    for chunk in data.draw(st.permutations(chunks + repeats)):
        answer = send_numbers(till, card, *chunk, run=run, last_sequence=size)
        delivered |= set(chunk)
        missing = {n for first, last in answer["missing_sequences"] for n in range(first, last + 1)}
        assert missing == set(range(min(delivered), size + 1)) - delivered

    assert told(answer) == (size, [], [])
    assert till.balance(card)["available"] == size


def test_head_office_and_the_terminal_see_the_same(network: NetworkForTests, till: Till, card: str) -> None:
    send_numbers(till, card, 2, 3, 7, sent_at=clock.now().isoformat())

    shown = network.hq("GET", f"/v1/terminals/{ids.show(ids.TERMINAL, till.terminal_id)}/sequence").json

    assert shown == own(till)
    assert (shown["store"], shown["terminal"], shown["highest_sequence"]) == ("A", "1", 7)
    assert (shown["received_sequences"], shown["received_count"]) == ([[2, 3], [7, 7]], 3)
    assert (shown["missing_sequences"], shown["missing_count"]) == ([[4, 6]], 3)


def test_each_terminal_counts_by_itself(network: NetworkForTests, card: str) -> None:
    send_numbers(network.tills["A"], card, 1, 2)

    assert told(send_numbers(network.tills["B"], card, 9)) == (9, [], [])
    assert own(network.tills["C"])["highest_sequence"] == 0


REFUSED_CALLS = [
    ("till", "/v1/terminals/trm_01h455vb4pex5vsknk084sn02q/sequence", 403, "wrong_kind_of_key"),
    ("hq", "/v1/sequences", 403, "wrong_kind_of_key"),
    ("hq", "/v1/terminals/trm_01h455vb4pex5vsknk084sn02q/sequence", 404, "terminal_unknown"),
    ("hq", "/v1/terminals/nonsense/sequence", 422, "invalid_id"),
    ("hq", "/v1/terminals/str_01h455vb4pex5vsknk084sn02q/sequence", 422, "invalid_id"),
    ("hq", "/v1/terminals/%00/sequence", 422, "invalid_id"),
]


@pytest.mark.parametrize(("caller", "path", "status", "code"), REFUSED_CALLS)
def test_a_call_that_leads_nowhere_is_refused(
    network: NetworkForTests, till: Till, caller: str, path: str, status: int, code: str
) -> None:
    answer: TestResponse = (till.call if caller == "till" else network.hq)("GET", path)

    assert (answer.status_code, answer.json["code"]) == (status, code)


def test_another_network_does_not_find_the_terminal(
    network: NetworkForTests, till: Till, make_network: Callable[..., NetworkForTests]
) -> None:
    answer = make_network().hq("GET", f"/v1/terminals/{ids.show(ids.TERMINAL, till.terminal_id)}/sequence")

    assert (answer.status_code, answer.json["code"]) == (404, "terminal_unknown")


def test_events_of_a_closed_month_say_that_they_joined_the_open_one(
    network: NetworkForTests, till: Till, card: str
) -> None:
    network.hq("POST", "/v1/settlement/windows/2026-01/close")

    answer = send(
        till,
        [
            sale(card, 1, occurred_at="2026-01-31T23:00:00Z"),
            sale(card, 2, occurred_at="2026-02-01T01:00:00Z"),
            sale(card, 3, amount=-1),
        ],
    )

    transfers = [r["transfer"] for r in answer["results"][:2]]
    assert answer["late"] == 1
    assert [(t["late"], t["business_date"], t["settlement_month"]) for t in transfers] == [
        (True, "2026-01-31", "2026-02"),
        (False, "2026-02-01", "2026-02"),
    ]
    assert [t["late"] for t in till.call("GET", "/v1/transfers").json["transfers"]] == [False, True]
