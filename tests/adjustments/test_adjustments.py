"""Adjustments over HTTP, at the command line, and in the month that settles them."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date
from functools import partial
from typing import Any

import pytest
from click.testing import Result
from sqlalchemy.exc import IntegrityError

from settlement.adjustments.rules import AMOUNT_MAX, DISPUTE_RELEASED, LEG_CARRIED, NewAdjustment
from settlement.adjustments.service import adjust, list_adjustments, make_adjustment
from settlement.proposals.rules import ADJUSTMENT
from settlement.statements.service import load_settlement
from settlement.windows.service import close_month
from tenants.foundation import ids
from tenants.foundation.database import unit_of_work
from tenants.staff.rules import AUDITOR, Actor
from tests.conftest import NetworkForTests, Run
from tests.disputes.month import FEBRUARY, HQ, JANUARY, MARCH, Month
from tests.ledger.test_concurrency import at_once

ADJUSTMENTS = "/adjustments"
GOOD = {"payer": "A", "payee": HQ, "amount": 500, "reason": "correction"}


@pytest.fixture
def month(network: NetworkForTests) -> Month:
    return Month(network)


def post(month: Month, key: str | None = None, **changes: Any) -> Any:
    return month.call(month.preparer, "POST", ADJUSTMENTS, {**GOOD, **changes}, key)


def test_an_adjustment_joins_the_open_month_and_says_to_which_it_belongs(month: Month) -> None:
    for closed in (JANUARY, FEBRUARY):
        month.settle(closed)

    answer = post(month, payer=HQ, payee="B", reason="goodwill", note="Water damage", origin_month="2026-01")

    assert answer.status_code == 201, answer.json
    made = answer.json
    assert made.pop("made_at") and ids.parse(ids.ADJUSTMENT, made.pop("adjustment_id"))
    assert made == {
        "settlement_month": "2026-03",
        "origin_month": "2026-01",
        "payer": HQ,
        "payee": "B",
        "amount": 500,
        "reason": "goodwill",
        "note": "Water damage",
        "reference": None,
        "made_by": month.preparer.code,
    }


def test_it_stands_apart_in_its_settlement_with_the_month_it_belongs_to(month: Month) -> None:
    month.settle(JANUARY)
    post(month, origin_month="2026-01", note="Till 3 counted twice")
    post(month, payer="B", payee="C", amount=70, reason="compensation")
    month.settle(FEBRUARY)

    assert sorted(month.rows(FEBRUARY)) == [
        (ADJUSTMENT, "A", HQ, 500, JANUARY),
        (ADJUSTMENT, "B", "C", 70, FEBRUARY),
    ]
    assert {line.note for line in month.lines(FEBRUARY)} == {"correction: Till 3 counted twice", "compensation"}
    document = load_settlement(month.tenant_id, FEBRUARY)
    positions = {line.store_code: line.position for line in document.stores}
    assert {code: (p.adjustments, p.net) for code, p in positions.items()} == {
        "A": (500, 500),
        "B": (70, 70),
        "C": (-70, -70),
    }
    assert month.legs(FEBRUARY) == {"A": 500, "B": 70, "C": -70}


def test_a_wrong_one_is_put_right_by_its_opposite(month: Month) -> None:
    post(month)
    post(month, payer=HQ, payee="A")
    month.settle(JANUARY)

    assert sorted(row[3] for row in month.rows()) == [500, 500]
    assert month.legs() == {}


def test_a_closed_store_can_still_be_adjusted(month: Month) -> None:
    month.network.hq("POST", "/v1/stores/A/close")

    assert post(month).status_code == 201


BAD = [
    ({"amount": 0}, 422, "invalid_input"),
    ({"amount": -5}, 422, "invalid_input"),
    ({"amount": AMOUNT_MAX + 1}, 422, "invalid_input"),
    ({"amount": 2**63}, 422, "invalid_input"),
    ({"amount": 10**40}, 422, "invalid_input"),
    ({"amount": 1.5}, 422, "invalid_input"),
    ({"amount": "500"}, 422, "invalid_input"),
    ({"amount": None}, 422, "invalid_input"),
    ({"reason": "because"}, 422, "invalid_input"),
    ({"reason": "dispute_released"}, 422, "invalid_input"),
    ({"reason": "leg_carried"}, 422, "invalid_input"),
    ({"note": ""}, 422, "invalid_input"),
    ({"note": "a\x00b"}, 422, "invalid_input"),
    ({"note": "two\nlines"}, 422, "invalid_input"),
    ({"note": "x" * 501}, 422, "invalid_input"),
    ({"payer": "nowhere"}, 404, "store_unknown"),
    ({"payee": "nowhere"}, 404, "store_unknown"),
    ({"payee": "hq"}, 404, "store_unknown"),
    ({"payer": "x/y"}, 422, "invalid_input"),
    ({"payer": HQ}, 422, "same_party"),
    ({"payee": "A"}, 422, "same_party"),
    ({"origin_month": "2026-02"}, 422, "origin_month_out_of_range"),
    ({"origin_month": "2025-12"}, 422, "origin_month_out_of_range"),
    ({"origin_month": "2026-13"}, 422, "invalid_month"),
    ({"origin_month": "2026-01-15"}, 422, "invalid_month"),
    ({"origin_month": 202601}, 422, "invalid_input"),
    ({"colour": "red"}, 422, "invalid_input"),
]


@pytest.mark.parametrize(("changes", "status", "code"), BAD, ids=range(len(BAD)))
def test_what_is_wrong_is_refused_and_nothing_is_made(
    month: Month, changes: dict[str, Any], status: int, code: str
) -> None:
    answer = post(month, **changes)

    assert (answer.status_code, answer.json["code"]) == (status, code)
    assert month.adjustments() == []


@pytest.mark.parametrize("missing", ["payer", "payee", "amount", "reason"])
def test_nothing_may_be_missing(month: Month, missing: str) -> None:
    body = {name: value for name, value in GOOD.items() if name != missing}

    answer = month.call(month.preparer, "POST", ADJUSTMENTS, body)

    assert (answer.status_code, missing in answer.json["errors"]) == (422, True)


@pytest.mark.parametrize(("key", "code"), [("", "idempotency_key_missing"), ("a b", "idempotency_key_invalid")])
def test_a_key_is_asked_for(month: Month, key: str, code: str) -> None:
    headers = {"Authorization": f"Bearer {month.key(month.preparer)}", "Idempotency-Key": key}
    answer = month.network.app.test_client().post("/v1/settlement/adjustments", json=GOOD, headers=headers)

    assert (answer.status_code, answer.json["code"]) == (422, code)


def test_one_that_is_sent_again_is_made_once(month: Month) -> None:
    first = post(month, "k1", note="once")
    month.settle(JANUARY)
    again = post(month, "k1", note="once")

    assert (again.status_code, again.json) == (201, first.json)
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(month.adjustments()) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": 501},
        {"payer": "B"},
        {"payer": HQ, "payee": "A"},
        {"reason": "penalty"},
        {"note": "other"},
        {"origin_month": "2026-01"},
    ],
)
def test_a_key_names_one_adjustment(month: Month, changes: dict[str, Any]) -> None:
    month.settle(JANUARY)
    first = post(month, "k1")
    other = post(month, "k1", **changes)

    assert (other.status_code, other.json["code"]) == (409, "idempotency_key_reused")
    assert other.json["adjustment_id"] == first.json["adjustment_id"]
    assert len(month.adjustments()) == 1


def test_keys_of_two_people_are_two(month: Month) -> None:
    post(month, "k1")
    other = month.network.person("preparer")

    assert month.call(other, "POST", ADJUSTMENTS, {**GOOD, "amount": 7}, "k1").status_code == 201


def test_sent_at_once_under_one_key_it_is_made_once(month: Month) -> None:
    job = partial(adjust, month.tenant_id, month.preparer, "A", HQ, 500, "correction", idempotency_key="k1")

    results = at_once(month.network.app, [job] * 8)

    assert sorted(is_repeated for _, is_repeated in results) == [False] + [True] * 7
    assert len({made.adjustment_id for made, _ in results}) == len(month.adjustments()) == 1


@pytest.mark.parametrize("role", ["approver", "treasurer", AUDITOR])
def test_only_a_preparer_makes_one(month: Month, role: str) -> None:
    answer = month.call(month.network.person(role), "POST", ADJUSTMENTS, GOOD)

    assert (answer.status_code, answer.json["code"]) == (403, "scope_missing")


def test_an_owner_sees_none_of_the_list(month: Month) -> None:
    assert month.call(month.owner("A"), "GET", ADJUSTMENTS).json["code"] == "scope_missing"


def test_they_are_listed_by_month_and_in_pages(month: Month) -> None:
    made = [post(month, amount=amount).json["adjustment_id"] for amount in (1, 2, 3)]
    month.settle(JANUARY)
    later = post(month, amount=4).json["adjustment_id"]
    auditor = month.network.person(AUDITOR)

    first = month.call(auditor, "GET", f"{ADJUSTMENTS}?month=2026-01&limit=2").json
    rest = month.call(auditor, "GET", f"{ADJUSTMENTS}?month=2026-01&limit=2&cursor={first['next_cursor']}").json
    everything = month.network.hq("GET", "/v1/settlement/adjustments").json

    assert [row["adjustment_id"] for row in first["adjustments"] + rest["adjustments"]] == made
    assert rest["next_cursor"] is None
    assert [row["adjustment_id"] for row in everything["adjustments"]] == [*made, later]
    assert month.call(auditor, "GET", f"{ADJUSTMENTS}?month=2026-03").json["adjustments"] == []


@pytest.mark.parametrize("query", ["month=x", "limit=0", "cursor=x", "cursor=net_01h455vb4pex5vsknk084sn02q"])
def test_a_list_that_can_not_be_is_refused(month: Month, query: str) -> None:
    assert month.network.hq("GET", f"/v1/settlement/adjustments?{query}").status_code == 422


def test_those_made_while_their_month_is_being_closed_are_each_in_one_month(month: Month) -> None:
    """Whoever comes before the cut-off is in January, the others in February; nobody in both or in none."""
    preparer, tenant_id = month.preparer, month.tenant_id

    def make(number: int) -> list[date]:
        return [
            adjust(tenant_id, preparer, "A", HQ, 10 * number + turn + 1, "correction")[0].settlement_month
            for turn in range(5)
        ]

    results = at_once(
        month.network.app, [partial(close_month, tenant_id, JANUARY, "test"), *(partial(make, n) for n in range(7))]
    )

    assert not [result for result in results if isinstance(result, Exception)]
    said = Counter(settled for result in results[1:] for settled in result)
    assert set(said) <= {JANUARY, FEBRUARY} and said.total() == 35
    month.propose()
    month.approve()
    month.settle(FEBRUARY)
    amounts = {each: [row[3] for row in month.rows(each)] for each in (JANUARY, FEBRUARY)}
    assert [len(amounts[each]) for each in (JANUARY, FEBRUARY)] == [said[JANUARY], said[FEBRUARY]]
    assert sorted(amounts[JANUARY] + amounts[FEBRUARY]) == sorted(
        10 * number + turn + 1 for number in range(7) for turn in range(5)
    )


@pytest.mark.parametrize("reason", [DISPUTE_RELEASED, LEG_CARRIED])
def test_the_clearinghouses_own_are_made_once_for_what_they_come_from(month: Month, reason: str) -> None:
    """A negative amount goes the other way; the reference is shown as what it is."""
    reference = ids.new_id()
    new = NewAdjustment(month.party("A"), month.tenant_id, -40, reason, "note", JANUARY, reference)
    with unit_of_work(month.tenant_id) as session:
        make_adjustment(session, month.tenant_id, new, "scheduler")

    [shown] = month.network.hq("GET", "/v1/settlement/adjustments").json["adjustments"]

    assert (shown["payer"], shown["payee"], shown["amount"]) == (HQ, "A", 40)
    prefix = {DISPUTE_RELEASED: ids.DISPUTE, LEG_CARRIED: ids.LEG}[reason]
    assert shown["reference"] == ids.show(prefix, reference)
    with pytest.raises(IntegrityError), unit_of_work(month.tenant_id) as session:
        make_adjustment(session, month.tenant_id, new, "scheduler")


def make_at_command_line(run: Run, actor: Actor, *more: str) -> Result:
    return run("adjustment", "make", "A", HQ, "500", "--reason", "penalty", "--as", actor.code, *more)


def test_the_commands_do_the_same(month: Month, run: Run) -> None:
    made = json.loads(make_at_command_line(run, month.preparer, "--note", "Late", "--json").stdout)
    listed = json.loads(run("adjustment", "list", "-m", "2026-01", "--json").stdout)
    table = run("adjustment", "list").stdout

    assert (made["amount"], made["reason"], made["note"]) == (500, "penalty", "Late")
    assert made["made_by"] == month.preparer.shown
    assert listed == [made] == month.network.hq("GET", "/v1/settlement/adjustments").json["adjustments"]
    assert made["adjustment_id"] in table


def test_the_commands_refuse_the_same(month: Month, run: Run) -> None:
    not_allowed = make_at_command_line(run, month.approver)
    too_early = make_at_command_line(run, month.preparer, "--origin-month", "2025-01")
    too_much = run("adjustment", "make", "A", HQ, str(2**70), "--reason", "penalty", "--as", month.preparer.code)

    assert getattr(not_allowed.exception, "code", None) == "role_missing"
    assert getattr(too_early.exception, "code", None) == "origin_month_out_of_range"
    assert too_much.exit_code == 2
    assert list_adjustments(month.tenant_id) == ([], {month.tenant_id: HQ})


def test_months_later_it_is_still_where_it_was(month: Month) -> None:
    post(month)
    month.settle(JANUARY)
    post(month, amount=1)
    for later in (FEBRUARY, MARCH):
        month.settle(later)

    assert [[row[3] for row in month.rows(each)] for each in (JANUARY, FEBRUARY, MARCH)] == [[500], [1], []]
