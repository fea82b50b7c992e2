"""Open differences where a month is looked at, and the commands."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from tenants.foundation import ids
from tenants.foundation.errors import Conflict, InvalidInput
from tests.conftest import NetworkForTests, Run, Till

NOTHING = {"count": 0, "points": 0, "amount": 0}
TOTALS = {"accruals": NOTHING, "redemptions": NOTHING, "reversals": NOTHING}


@pytest.fixture
def differing(till: Till, card: str) -> str:
    """The id of a terminal whose tenth of January differs, and whose eleventh was not closed."""
    for day in (10, 11):
        till.accrue(card, 1000, order_ref=f"o{day}", occurred_at=f"2026-01-{day}T12:00:00Z")
    entry = {"kind": "accrual", "order_ref": "o10", "points": 9, "amount": 1000}
    totals = {**TOTALS, "accruals": {"count": 1, "points": 9, "amount": 1000}}
    close = {"business_date": "2026-01-10", "totals": totals, "entries": [entry]}
    assert till.call("POST", "/v1/day-closes", close).json["status"] == "differing"
    return ids.show(ids.TERMINAL, till.terminal_id)


def test_a_month_says_how_many_days_are_open_and_closes_all_the_same(
    network: NetworkForTests, differing: str, run_json: Callable[..., Any]
) -> None:
    closed = network.hq("POST", "/v1/settlement/windows/2026-01/close")

    assert (closed.status_code, closed.json["day_close_differences"]) == (200, 2)
    network.propose(date(2026, 1, 1))
    for path in ("", "/settlement", "/positions"):
        assert network.hq("GET", f"/v1/settlement/windows/2026-01{path}").json["day_close_differences"] == 2
    [listed] = network.hq("GET", "/v1/settlement/windows").json["windows"]
    assert listed["day_close_differences"] == 2
    assert [row["day_close_differences"] for row in run_json("window", "list")] == [2, None]
    assert run_json("settlement", "show", "-m", "2026-01")["day_close_differences"] == 2
    assert run_json("window", "close", "2026-02")["day_close_differences"] == 0
    assert [row["day_close_differences"] for row in run_json("window", "list")] == [None, 0, None]


def test_an_accepted_day_is_no_difference_of_its_month(network: NetworkForTests, differing: str) -> None:
    network.hq("POST", "/v1/settlement/windows/2026-01/close")

    for day, left in (("2026-01-10", 1), ("2026-01-11", 0)):
        network.hq("POST", f"/v1/day-closes/{differing}/{day}/acceptance", {"reason": "looked into"})

        shown = network.hq("GET", "/v1/settlement/windows/2026-01").json
        assert shown["day_close_differences"] == left


def test_days_are_listed_shown_and_accepted(network: NetworkForTests, differing: str, run_json) -> None:
    january = ["--from", "2026-01-01", "--to", "2026-01-31"]

    listed = run_json("day-close", "list", *january)
    shown = run_json("day-close", "show", differing, "2026-01-10")
    accepted = run_json("day-close", "accept", differing, "2026-01-10", "--reason", "looked into")

    assert [(day["business_date"], day["status"]) for day in listed] == [
        ("2026-01-10", "differing"),
        ("2026-01-11", "missing"),
    ]
    assert shown == network.hq("GET", f"/v1/day-closes/{differing}/2026-01-10").json | {
        "status": "differing",
        "acceptances": [],
    }
    assert accepted["status"] == "accepted"
    assert accepted["acceptances"][0]["accepted_by"].startswith("command line: ")
    assert [d["status"] for d in run_json("day-close", "list", *january, "--status", "accepted")] == ["accepted"]
    assert len(run_json("day-close", "list", *january, "--terminal", differing)) == 2


def test_tables_for_people_show_both_sides(run: Run, differing: str) -> None:
    listed = run("day-close", "list", "--from", "2026-01-01", "--to", "2026-01-31").stdout
    shown = run("day-close", "show", differing, "2026-01-10").stdout
    accepted = run("day-close", "accept", differing, "2026-01-10", "--reason", "[paper] agrees").stdout

    assert all(text in listed for text in (differing, "2026-01-11", "missing", "1: 9 / 1,000", "1: 10 / 1,000"))
    assert all(text in shown for text in ("o10", "9 / 1,000", "10 / 1,000", "Orders that differ: 1"))
    assert "[paper] agrees" in accepted


@pytest.mark.parametrize(
    ("arguments", "kind", "code"),
    [
        (["list", "--from", "2026-02-01", "--to", "2026-01-01"], InvalidInput, "invalid_range"),
        (["list", "--terminal", "till"], InvalidInput, "invalid_id"),
        (["show", "{terminal}", "yesterday"], InvalidInput, "invalid_day"),
        (["accept", "{terminal}", "2026-01-10", "--reason", " "], InvalidInput, "invalid_reason"),
        (["accept", "{terminal}", "2026-01-09", "--reason", "x"], Conflict, "day_matches"),
    ],
)
def test_what_can_not_be_done_is_refused(
    run: Run, till: Till, differing: str, arguments: list[str], kind: type[Exception], code: str
) -> None:
    till.call("POST", "/v1/day-closes", {"business_date": "2026-01-09", "totals": TOTALS})

    result = run("day-close", *[argument.format(terminal=differing) for argument in arguments])

    assert result.exit_code == 1
    assert isinstance(result.exception, kind)
    assert result.exception.code == code


def test_the_sequence_of_a_terminal_is_shown(
    run: Run, run_json: Callable[..., Any], network: NetworkForTests, till: Till, card: str
) -> None:
    terminal_id = ids.show(ids.TERMINAL, till.terminal_id)
    events = [
        {
            "kind": "accrual",
            "idempotency_key": f"k{n}",
            "order_ref": f"o{n}",
            "card": card,
            "amount": 100,
            "sequence": n,
        }
        for n in (1, 2, 3, 7)
    ]
    till.call("POST", "/v1/batches", {"events": events})

    shown = run_json("terminal", "sequence", terminal_id)

    assert shown == network.hq("GET", f"/v1/terminals/{terminal_id}/sequence").json
    assert "1-3, 7" in run("terminal", "sequence", terminal_id).stdout
    assert "4-6" in run("terminal", "sequence", terminal_id).stdout
