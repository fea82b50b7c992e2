"""Disputes over HTTP: the owner opens them, head office reads and decides them."""

from __future__ import annotations

from typing import Any

import pytest

from settlement.proposals.rules import FUNDING, REDEMPTION
from tenants.foundation import ids
from tenants.staff.rules import AUDITOR, TREASURER
from tests.disputes.month import HQ, Month, shown

OWN = "/own/disputes"


def body_of(month: Month, /, **changes: Any) -> dict[str, Any]:
    line = month.line(FUNDING, "A", HQ)
    return {"month": "2026-01", "store": "A", "line": line.key, "reason": "Till 2 was closed", **changes}


def post(month: Month, key: str | None = None, /, **changes: Any) -> Any:
    return month.call(month.owner("A"), "POST", OWN, body_of(month, **changes), key)


def test_an_owner_opens_a_dispute(month: Month) -> None:
    until = month.let_dispute_until(0)
    answer = post(month, amount=30)

    assert answer.status_code == 201, answer.json
    opened = answer.json
    assert ids.parse(ids.DISPUTE, opened.pop("dispute_id")) and opened.pop("opened_at")
    assert (opened.pop("line"), opened.pop("decide_by")) > (body_of(month)["line"], until.isoformat())
    assert opened == {
        "month": "2026-01",
        "store": "A",
        "kind": "funding",
        "amount": 30,
        "reason": "Till 2 was closed",
        "opened_by": "owner-of-A",
        "state": "opened",
        "decided_by": None,
        "decided_at": None,
        "decision": None,
    }


def test_a_preparer_decides_and_the_owner_reads_why(month: Month) -> None:
    accepted, rejected = (post(month, amount=amount).json["dispute_id"] for amount in (30, 20))

    yes = month.call(month.preparer, "POST", f"/disputes/{accepted}/accept", {"reason": "You are right"})
    no = month.call(month.preparer, "POST", f"/disputes/{rejected}/reject", {"reason": "It was open"})

    assert (yes.status_code, no.status_code) == (200, 200)
    assert [change["to_state"] for change in yes.json["changes"]] == ["opened", "accepted"]
    own = month.call(month.owner("A"), "GET", OWN).json["disputes"]
    assert [(each["state"], each["decision"], each["decided_by"]) for each in own] == [
        ("accepted", "You are right", month.preparer.code),
        ("rejected", "It was open", month.preparer.code),
    ]
    again = month.call(month.preparer, "POST", f"/disputes/{accepted}/reject", {"reason": "No"})
    assert (again.status_code, again.json["code"], again.json["allowed"]) == (409, "illegal_state", [])


def test_disputes_are_listed_by_month_state_and_page(month: Month) -> None:
    mine = [post(month, amount=1).json["dispute_id"] for _ in range(3)]
    other = shown(month.dispute(month.line(REDEMPTION, HQ, "B"), "B", 5))
    month.call(month.preparer, "POST", f"/disputes/{mine[0]}/accept", {"reason": "Yes"})
    auditor = month.network.person(AUDITOR)

    def ask(query: str) -> list[str]:
        answer = month.call(auditor, "GET", f"/disputes{query}")
        assert answer.status_code == 200, answer.json
        return [each["dispute_id"] for each in answer.json["disputes"]]

    assert ask("") == ask("?month=2026-01") == [*mine, other]
    assert ask("?state=opened") == [*mine[1:], other]
    assert ask("?month=2026-02") == []
    first = month.call(auditor, "GET", "/disputes?limit=3").json
    assert ask(f"?limit=3&cursor={first['next_cursor']}") == [other]
    assert month.network.hq("GET", f"/v1/settlement/disputes/{other}").json["amount"] == 5


def test_an_owner_sees_own_disputes_only(month: Month) -> None:
    mine = post(month).json["dispute_id"]
    other = month.dispute(month.line(REDEMPTION, HQ, "B"), "B")

    for code, dispute_id in (("A", mine), ("B", shown(other))):
        listed = month.call(month.owner(code), "GET", f"{OWN}?month=2026-01&state=opened").json["disputes"]
        assert [each["dispute_id"] for each in listed] == [dispute_id]
    assert month.call(month.owner("C"), "GET", OWN).json["disputes"] == []
    for path in ("/disputes", f"/disputes/{mine}"):
        assert month.call(month.owner("A"), "GET", path).json["code"] == "scope_missing"


@pytest.mark.parametrize("role", ["approver", TREASURER, AUDITOR])
@pytest.mark.parametrize("action", ["accept", "reject"])
def test_only_a_preparer_decides(month: Month, role: str, action: str) -> None:
    dispute_id = post(month).json["dispute_id"]

    for actor in (month.network.person(role), month.owner("A")):
        answer = month.call(actor, "POST", f"/disputes/{dispute_id}/{action}", {"reason": "x"})
        assert (answer.status_code, answer.json["code"]) == (403, "scope_missing")


def test_head_office_opens_no_disputes(month: Month) -> None:
    answer = month.call(month.preparer, "POST", OWN, body_of(month))
    assert (answer.status_code, answer.json["code"]) == (403, "scope_missing")


BAD = [
    ({"month": "2026-02"}, 404, "window_unknown"),
    ({"month": "2026-13"}, 422, "invalid_month"),
    ({"month": 5}, 422, "invalid_input"),
    ({"store": "B"}, 404, "store_unknown"),
    ({"store": "nowhere"}, 404, "store_unknown"),
    ({"store": "x/y"}, 422, "invalid_input"),
    ({"line": "funding"}, 404, "line_unknown"),
    ({"line": "a\x00b"}, 404, "line_unknown"),
    ({"line": ""}, 422, "invalid_input"),
    ({"line": "x" * 201}, 422, "invalid_input"),
    ({"amount": 0}, 422, "invalid_input"),
    ({"amount": -1}, 422, "invalid_input"),
    ({"amount": 10**12 + 1}, 422, "invalid_input"),
    ({"amount": 2**70}, 422, "invalid_input"),
    ({"amount": 1.5}, 422, "invalid_input"),
    ({"amount": "1"}, 422, "invalid_input"),
    ({"amount": 101}, 409, "more_than_disputable"),
    ({"reason": ""}, 422, "invalid_input"),
    ({"reason": " "}, 422, "invalid_input"),
    ({"reason": "x" * 501}, 422, "invalid_input"),
    ({"reason": "a\x00"}, 422, "invalid_input"),
    ({"colour": "red"}, 422, "invalid_input"),
]


@pytest.mark.parametrize(("changes", "status", "code"), BAD, ids=range(len(BAD)))
def test_what_is_wrong_is_refused_and_nothing_is_opened(
    month: Month, changes: dict[str, Any], status: int, code: str
) -> None:
    answer = post(month, **changes)

    assert (answer.status_code, answer.json["code"]) == (status, code)
    assert month.call(month.owner("A"), "GET", OWN).json["disputes"] == []


@pytest.mark.parametrize("missing", ["month", "store", "line", "reason"])
def test_nothing_may_be_missing(month: Month, missing: str) -> None:
    body = body_of(month)
    del body[missing]

    answer = month.call(month.owner("A"), "POST", OWN, body)

    assert (answer.status_code, missing in answer.json["errors"]) == (422, True)


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/disputes/dsp_01h455vb4pex5vsknk084sn02q/accept", {"reason": "x"}, 404, "dispute_unknown"),
        ("/disputes/dsp_01h455vb4pex5vsknk084sn02q/reject", {"reason": "x"}, 404, "dispute_unknown"),
        ("/disputes/adj_01h455vb4pex5vsknk084sn02q/accept", {"reason": "x"}, 422, "invalid_id"),
        ("/disputes/1/reject", {"reason": "x"}, 422, "invalid_id"),
        ("/disputes/dsp_01h455vb4pex5vsknk084sn02q/accept", {}, 422, "invalid_input"),
        ("/disputes/dsp_01h455vb4pex5vsknk084sn02q/accept", {"reason": "a\nb"}, 422, "invalid_input"),
    ],
)
def test_a_decision_that_can_not_be_is_refused(
    month: Month, path: str, body: dict[str, str], status: int, code: str
) -> None:
    answer = month.call(month.preparer, "POST", path, body)

    assert (answer.status_code, answer.json["code"]) == (status, code)


def test_one_that_is_sent_again_is_opened_once_even_after_the_last_day(month: Month) -> None:
    first = post(month, "k1", amount=30)
    month.let_dispute_until(-1)
    again = post(month, "k1", amount=30)

    assert (again.status_code, again.json["dispute_id"]) == (201, first.json["dispute_id"])
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(month.call(month.owner("A"), "GET", OWN).json["disputes"]) == 1


@pytest.mark.parametrize("changes", [{"amount": 29}, {"reason": "Other"}, {"line": "fee/-/-/-"}])
def test_a_key_names_one_dispute(month: Month, changes: dict[str, Any]) -> None:
    first = post(month, "k1", amount=30)
    other = post(month, "k1", **{"amount": 30, **changes})

    assert (other.status_code, other.json["code"]) == (409, "idempotency_key_reused")
    assert other.json["dispute_id"] == first.json["dispute_id"]


def test_keys_of_two_owners_are_two(month: Month) -> None:
    post(month, "k1", amount=30)
    line = month.line(REDEMPTION, HQ, "B")
    body = {"month": "2026-01", "store": "B", "line": line.key, "reason": "More"}

    assert month.call(month.owner("B"), "POST", OWN, body, "k1").status_code == 201


def test_a_key_is_asked_for(month: Month) -> None:
    headers = {"Authorization": f"Bearer {month.key(month.owner('A'))}"}
    answer = month.network.app.test_client().post(f"/v1/settlement{OWN}", json=body_of(month), headers=headers)

    assert (answer.status_code, answer.json["code"]) == (422, "idempotency_key_missing")
