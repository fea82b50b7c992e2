"""What an owner of stores sees: the own, draft or final, and nothing of others."""

from __future__ import annotations

import io
from typing import Any

import pytest
from pypdf import PdfReader

from settlement.disputes.service import reject
from settlement.proposals.rules import BILATERAL, FUNDING, REDEMPTION
from settlement.proposals.service import reject as reject_settlement
from tenants.staff.rules import OWNER, PREPARER
from tenants.staff.service import act_as, create_staff
from tenants.stores.service import create_store
from tests.disputes.month import FEBRUARY, HQ, JANUARY, Month

LINES = "/own/windows/2026-01/stores/{}/lines"
MONTHS = ("2026-01", "2026-02")
STATEMENT = "/own/windows/2026-01/stores/{}/statement"


def ask(month: Month, store: str, path: str) -> Any:
    return month.call(month.owner(store), "GET", path)


def test_the_months_of_own_stores_newest_first(month: Month) -> None:
    month.dispute(month.line(FUNDING, "A", HQ), amount=30)
    month.propose()
    month.approve()
    month.network.close(FEBRUARY)
    month.propose(FEBRUARY)
    until = month.let_dispute_until(3, FEBRUARY)

    months = ask(month, "A", "/own/months").json["months"]

    assert [(each["month"], each["version"], each["state"], each["stores"]) for each in months] == [
        ("2026-02", 1, "proposed", [{"store": "A", "net": 0, "direction": "none"}]),
        ("2026-01", 2, "approved", [{"store": "A", "net": 70, "direction": "remit"}]),
    ]
    assert months[0]["dispute_until"] == until.isoformat()
    assert ask(month, "B", "/own/months").json["months"][1]["stores"] == [
        {"store": "B", "net": -60, "direction": "receive"}
    ]


def test_months_come_in_pages_and_without_what_is_rejected(month: Month) -> None:
    month.approve()
    month.settle(FEBRUARY)

    first = ask(month, "A", "/own/months?limit=1").json
    second = ask(month, "A", f"/own/months?limit=1&cursor={first['next_cursor']}").json

    assert [page["months"][0]["month"] for page in (first, second)] == ["2026-02", "2026-01"]
    assert second["next_cursor"] is None


def test_a_month_whose_proposal_was_rejected_is_not_shown(month: Month) -> None:
    reject_settlement(month.tenant_id, JANUARY, month.approver, "again")

    lines = ask(month, "A", LINES.format("A"))

    assert ask(month, "A", "/own/months").json["months"] == []
    assert (lines.status_code, lines.json["code"]) == (404, "settlement_unknown")
    statement = ask(month, "A", STATEMENT.format("A")).json
    assert {**statement, "request_id": ""} == {**lines.json, "request_id": ""}


def test_an_owner_of_several_stores_sees_them_all(month: Month) -> None:
    create_store(month.tenant_id, "A2", "Second", "A")

    [january] = ask(month, "A", "/own/months").json["months"]

    assert [store["store"] for store in january["stores"]] == ["A", "A2"]
    assert ask(month, "A", LINES.format("A2")).json["lines"] == []


def test_own_lines_say_what_is_disputed_and_what_can_be(month: Month) -> None:
    month.dispute(month.line(FUNDING, "A", HQ), amount=30)
    rejected = month.dispute(month.line(FUNDING, "A", HQ), amount=5)
    reject(month.tenant_id, rejected, month.preparer, "no")
    month.propose()

    own = ask(month, "A", LINES.format("A")).json

    assert (own["month"], own["version"], own["state"], own["store"]) == ("2026-01", 2, "proposed", "A")
    assert (own["net"], own["direction"]) == (70, "remit")
    fields = ("kind", "payer", "payee", "amount", "disputed", "disputable", "origin_month")
    assert [tuple(line[name] for name in fields) for line in own["lines"]] == [
        ("funding", "A", HQ, 100, 30, 70, "2026-01"),
        ("disputed", "A", HQ, -30, 0, 0, "2026-01"),
    ]
    assert own["lines"][0]["key"] == month.line(FUNDING, "A", HQ).key


@pytest.mark.parametrize("reason", ["the last day is over", "it is approved"])
def test_nothing_can_be_disputed_any_more(month: Month, reason: str) -> None:
    month.let_dispute_until(-1)
    if reason == "it is approved":
        month.approve()

    [line] = ask(month, "A", LINES.format("A")).json["lines"]

    assert (line["disputed"], line["disputable"]) == (0, 0)


def test_the_other_store_of_a_disputed_line_sees_that_it_waits(on_redemption: Month) -> None:
    month = on_redemption
    month.dispute(month.line(BILATERAL, "A", "B"), amount=25)
    month.propose()

    own = ask(month, "B", LINES.format("B")).json

    assert own["net"] == -35
    assert [(line["kind"], line["amount"], line["disputed"], line["disputable"]) for line in own["lines"]] == [
        ("bilateral", 60, 25, 35),
        ("disputed", -25, 0, 0),
    ]


@pytest.mark.parametrize("path", [LINES, STATEMENT])
@pytest.mark.parametrize("store", ["B", "nowhere", "HQ", "a"])
def test_of_others_nobody_learns_even_that_they_are(month: Month, path: str, store: str) -> None:
    answer = ask(month, "A", path.format(store))

    assert (answer.status_code, answer.json["code"]) == (404, "store_unknown")
    assert answer.json["detail"] == f"You have no store {store!r}."


@pytest.mark.parametrize("path", ["/own/months", "/own/disputes", LINES.format("A"), STATEMENT.format("A")])
def test_the_own_face_is_for_owners(month: Month, path: str) -> None:
    staff = month.call(month.network.person(PREPARER), "GET", path)
    hq = month.network.hq("GET", f"/v1/settlement{path}")

    assert (staff.json["code"], hq.json["code"]) == ("scope_missing", "wrong_kind_of_key")


@pytest.mark.parametrize("path", ["", "/settlement", "/settlement/lines", "/positions", "/flows"])
def test_an_owner_sees_nothing_of_head_offices_face(month: Month, path: str) -> None:
    answer = ask(month, "A", f"/windows/2026-01{path}")

    assert (answer.status_code, answer.json["code"]) == (403, "scope_missing")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/own/windows/2026-13/stores/A/lines", 422, "invalid_month"),
        ("/own/windows/2026-05/stores/A/lines", 404, "settlement_unknown"),
        ("/own/windows/2026-05/stores/A/statement", 404, "settlement_unknown"),
        ("/own/months?cursor=x", 422, "invalid_month"),
        ("/own/months?limit=0", 422, "invalid_input"),
        ("/own/disputes?state=lost", 422, "invalid_input"),
        ("/own/disputes?cursor=x", 422, "invalid_id"),
    ],
)
def test_what_can_not_be_is_refused_with_a_code(month: Month, path: str, status: int, code: str) -> None:
    answer = ask(month, "A", path)

    assert (answer.status_code, answer.json["code"]) == (status, code)


def test_the_own_statement_is_a_pdf_of_the_version_there_is(month: Month) -> None:
    draft = statement(month)
    month.dispute(month.line(FUNDING, "A", HQ), amount=30)
    month.propose()
    disputed = statement(month)

    assert "1.00" in draft and "0.70" not in draft
    assert "0.70" in disputed


def statement(month: Month) -> str:
    answer = ask(month, "A", STATEMENT.format("A"))
    assert (answer.status_code, answer.mimetype) == (200, "application/pdf")
    data = answer.get_data()
    answer.close()
    return "".join(page.extract_text() for page in PdfReader(io.BytesIO(data)).pages)


def test_what_was_carried_forward_opens_the_next_month_and_is_not_disputed_again(below_minimum: Month) -> None:
    month = below_minimum
    month.approve()
    month.network.close(FEBRUARY)
    month.propose(FEBRUARY)
    month.let_dispute_until(3, FEBRUARY)

    january, february = (ask(month, "B", LINES.format("B").replace("2026-01", each)).json for each in MONTHS)

    assert [(line["kind"], line["amount"], line["disputable"]) for line in january["lines"]] == [
        ("redemption", 60, 0),
        ("carried_forward", 60, 0),
    ]
    assert [(line["kind"], line["amount"], line["disputable"]) for line in february["lines"]] == [
        ("opening_balance", 60, 0),
        ("carried_forward", 60, 0),
    ]


def test_two_owners_of_a_participant_see_the_same(month: Month) -> None:
    line = month.line(REDEMPTION, HQ, "B")
    dispute_id = month.dispute(line, "B", 10)
    create_staff(month.tenant_id, "another", "Another", [OWNER], "B")
    another = act_as(month.tenant_id, "another")

    listed = month.call(another, "GET", "/own/disputes").json["disputes"]

    assert [each["amount"] for each in listed] == [abs(month.find(dispute_id).amount)] == [10]
