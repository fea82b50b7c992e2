"""Whatever is sent about a day: a stable code, and nothing written."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from clearinghouse.dayclose.tables import DayClose, DayCloseAcceptance
from tenants.foundation import clock, ids
from tenants.foundation.database import unit_of_work
from tests.conftest import NetworkForTests, Till

TO_2_53 = 2**53
NOBODYS = "trm_01h455vb4pex5vsknk084sn02q"
NOTHING = {"count": 0, "points": 0, "amount": 0}
TOTALS = {"accruals": NOTHING, "redemptions": NOTHING, "reversals": NOTHING}
CLOSE = {"business_date": "2026-03-10", "totals": TOTALS}
ENTRY = {"kind": "accrual", "order_ref": "1", "points": 1, "amount": 100}
ABSENT = object()


@pytest.fixture(autouse=True)
def nothing_is_written(network: NetworkForTests):
    yield
    with unit_of_work(network.tenant_id) as session:
        for table in (DayClose, DayCloseAcceptance):
            assert session.scalar(select(func.count()).select_from(table)) == 0


def assert_problem(answer: TestResponse, status: int, code: str) -> None:
    assert (answer.status_code, answer.json and answer.json.get("code")) == (status, code), answer.data[:500]
    assert answer.content_type == "application/problem+json"
    assert "Traceback" not in answer.text


def changed(body: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with the value at a path like `totals.accruals.count`."""
    copy: Any = json.loads(json.dumps(body))
    *parents, last = path.split(".")
    place = copy
    for name in parents:
        place = place[name]
    place[last] = value
    if value is ABSENT:
        del place[last]
    return copy


BODIES: list[tuple[Any, str]] = [
    ([], "invalid_input"),
    ({}, "invalid_input"),
    *[
        (changed(CLOSE, "business_date", value), "invalid_input")
        for value in (ABSENT, None, "", "yesterday", "2026-02-30", "2026-3-1", "2026-03-10T12:00:00Z", 20260310,
                      "0001-01-01", "1989-12-31", "99999-01-01", "\x00", [])
    ],
    (changed(CLOSE, "business_date", "9999-12-31"), "business_date_in_future"),
    *[
        (changed(CLOSE, path, value), "invalid_input")
        for path in ("totals", "totals.accruals", "totals.redemptions", "totals.reversals")
        for value in (ABSENT, None, [], 0, {})
    ],
    *[
        (changed(CLOSE, f"totals.reversals.{figure}", value), "invalid_input")
        for figure in ("count", "points", "amount")
        for value in (ABSENT, None, -1, 1.0, 1.5, "1", True, TO_2_53 + 1, 10**400)
    ],
    ({**CLOSE, "store": "A"}, "invalid_input"),
    ({**CLOSE, "terminal_id": NOBODYS}, "invalid_input"),
    *[({**CLOSE, "entries": value}, "invalid_input") for value in (None, {}, 1, [1], [None], [[]], [{}])],
    ({**CLOSE, "entries": [ENTRY] * 20_001}, "invalid_input"),
    *[
        ({**CLOSE, "entries": [changed(ENTRY, name, value)]}, "invalid_input")
        for name, values in {
            "kind": (ABSENT, None, "", "capture", "accrual_reversal", "expiry", 1),
            "order_ref": (None, "", "x" * 65, "a\tb", "\x00", 1),
            "points": (ABSENT, None, -1, 1.0, "1", True, TO_2_53 + 1),
            "amount": (ABSENT, None, -1, 1.0, "1", True, TO_2_53 + 1),
            "transfer_id": (None, 1, []),
            "card": ("6290000000000014",),
        }.items()
        for value in values
    ],
    ({**CLOSE, "entries": [changed(ENTRY, "order_ref", ABSENT)]}, "entry_not_named"),
    ({**CLOSE, "entries": [{**ENTRY, "transfer_id": "xfr_01h455vb4pex5vsknk084sn02q"}]}, "entry_not_named"),
    *[
        ({**CLOSE, "entries": [{**changed(ENTRY, "order_ref", ABSENT), "transfer_id": value}]}, "invalid_id")
        for value in ("", "nonsense", NOBODYS, "xfr_\x00")
    ],
    ({**CLOSE, "entries": [ENTRY]}, "entries_do_not_add_up"),
    ({**changed(CLOSE, "totals.accruals.count", 1), "entries": []}, "entries_do_not_add_up"),
    ({**CLOSE, "entries": [{**ENTRY, "points": TO_2_53, "amount": TO_2_53}] * 2}, "entries_do_not_add_up"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "code"), BODIES, ids=[str(n) for n in range(len(BODIES))])
def test_a_close_that_is_none_is_refused(till: Till, body: Any, code: str) -> None:
    assert_problem(till.call("POST", "/v1/day-closes", body), 422, code)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b'{"business_date": "\\ud800"}', b"[" * 100_000])
def test_a_body_that_is_not_json_is_refused(till: Till, data: bytes) -> None:
    headers = {"Authorization": f"Bearer {till.key}"}

    answer = till.client.post("/v1/day-closes", data=data, headers=headers, content_type="application/json")

    assert_problem(answer, 400, "invalid_json")


def test_entries_that_do_not_add_up_are_told_what_they_add_up_to(till: Till) -> None:
    answer = till.call("POST", "/v1/day-closes", {**CLOSE, "entries": [ENTRY]})

    assert answer.json["entries_totals"]["accruals"] == {"count": 1, "points": 1, "amount": 100}


def test_tomorrow_can_not_be_closed(till: Till) -> None:
    tomorrow = (clock.now() + timedelta(days=1, minutes=10)).date().isoformat()

    assert_problem(
        till.call("POST", "/v1/day-closes", {**CLOSE, "business_date": tomorrow}), 422, "business_date_in_future"
    )


QUERIES = [
    ("from=2026-03-01&to=2026-02-01", "invalid_range"),
    ("from=2026-03-01&to=2026-04-01", "invalid_range"),
    ("from=2026-01-01", "invalid_range"),
    ("from=9999-12-31&to=9999-12-31&cursor=9999-12-31", "invalid_cursor"),
    ("from=", "invalid_input"),
    ("from=March", "invalid_input"),
    ("from=0001-01-01&to=0001-01-02", "invalid_input"),
    ("to=%00", "invalid_input"),
    ("status=wrong", "invalid_input"),
    ("status=", "invalid_input"),
    ("limit=0", "invalid_input"),
    ("limit=501", "invalid_input"),
    ("limit=ten", "invalid_input"),
    ("store=A", "invalid_input"),
    ("first=2026-03-01", "invalid_input"),
    ("terminal_id=nonsense", "invalid_id"),
    ("cursor=", "invalid_cursor"),
    ("cursor=nonsense", "invalid_cursor"),
    ("cursor=2026-13-01_trm", "invalid_day"),
    ("cursor=2026-03-01_trm_1", "invalid_id"),
    (f"cursor=0001-01-01_{NOBODYS}", "invalid_day"),
]


@pytest.mark.parametrize(("query", "code"), QUERIES)
def test_a_list_that_can_not_be_is_refused(network: NetworkForTests, query: str, code: str) -> None:
    assert_problem(network.hq("GET", f"/v1/day-closes?{query}"), 422, code)


PLACES = [
    ("nonsense/2026-03-10", 422, "invalid_id"),
    ("%00/2026-03-10", 422, "invalid_id"),
    ("xfr_01h455vb4pex5vsknk084sn02q/2026-03-10", 422, "invalid_id"),
    (f"{NOBODYS}/2026-03-10", 404, "terminal_unknown"),
    ("{own}/2026-03-10", 404, "day_close_unknown"),
    ("{own}/2026-02-30", 422, "invalid_day"),
    ("{own}/0001-01-01", 422, "invalid_day"),
    ("{own}/20260310", 422, "invalid_day"),
    ("{own}/2026-W10-2", 422, "invalid_day"),
    ("{own}/٢٠٢٦-03-10", 422, "invalid_day"),
    ("{own}/%00", 422, "invalid_day"),
    ("{own}/9999-12-31", 404, "day_close_unknown"),
]


@pytest.mark.parametrize(("place", "status", "code"), PLACES)
def test_a_day_that_is_not_there_is_neither_shown_nor_accepted(
    network: NetworkForTests, till: Till, place: str, status: int, code: str
) -> None:
    path = "/v1/day-closes/" + place.format(own=ids.show(ids.TERMINAL, till.terminal_id))

    assert_problem(network.hq("GET", path), status, code)
    assert_problem(network.hq("POST", f"{path}/acceptance", {"reason": "because"}), status, code)


@pytest.mark.parametrize("reason", [ABSENT, None, "", "  ", "a\nb", "\x00", "x" * 501, 1, ["because"]])
def test_an_acceptance_needs_a_reason(network: NetworkForTests, till: Till, reason: Any) -> None:
    path = f"/v1/day-closes/{ids.show(ids.TERMINAL, till.terminal_id)}/2026-03-10/acceptance"

    assert_problem(network.hq("POST", path, changed({"reason": ""}, "reason", reason)), 422, "invalid_input")


def test_each_call_needs_its_kind_of_key(network: NetworkForTests, till: Till) -> None:
    own = f"/v1/day-closes/{ids.show(ids.TERMINAL, till.terminal_id)}/2026-03-10"
    others = f"/v1/day-closes/{ids.show(ids.TERMINAL, network.tills['B'].terminal_id)}/2026-03-10"

    assert_problem(network.hq("POST", "/v1/day-closes", CLOSE), 403, "wrong_kind_of_key")
    assert_problem(till.call("POST", f"{own}/acceptance", {"reason": "because"}), 403, "wrong_kind_of_key")
    assert_problem(till.call("GET", others), 403, "not_your_terminal")
    for method, path in (("POST", "/v1/day-closes"), ("GET", "/v1/day-closes"), ("GET", own)):
        assert_problem(till.client.open(path, method=method, json=CLOSE), 401, "unauthenticated")
