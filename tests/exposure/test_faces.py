"""The same over HTTP and at the command line, and who may."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner, Result
from werkzeug.test import TestResponse

from cli import clearinghouse
from tenants.foundation import ids
from tenants.staff.rules import APPROVER, AUDITOR, OWNER, PREPARER, TREASURER
from tests.conftest import NetworkForTests, Till
from tests.exposure.conftest import IN_JANUARY, JANUARY, code_of, fail

BASE = "/v1/settlement"
NO_LEG = ids.show(ids.LEG, UUID(int=1))


def call(network: NetworkForTests, key: str, method: str, path: str, body: Any = None) -> TestResponse:
    headers = {"Authorization": f"Bearer {key}"}
    return network.app.test_client().open(BASE + path, method=method, json=body, headers=headers)


def run(network: NetworkForTests, *words: str) -> Result:
    return CliRunner().invoke(clearinghouse, [*words, "-n", network.code], obj=lambda: network.app)


def printed(network: NetworkForTests, *words: str) -> Any:
    result = run(network, *words, "--json")
    assert result.exit_code == 0, (result.output, result.exception)
    return json.loads(result.stdout)


@pytest.fixture
def treasurer(network: NetworkForTests) -> str:
    return network.add_staff("tess", TREASURER)


@pytest.fixture
def owner(network: NetworkForTests) -> str:
    return network.add_staff("otto", OWNER, participant="A")


def test_a_treasurer_sets_caps_and_books_deposits(
    network: NetworkForTests, till: Till, card: str, treasurer: str
) -> None:
    till.accrue(card, 100_000)

    capped = call(network, treasurer, "POST", "/exposures/A/caps", {"cap": 1_000})
    policy = call(network, treasurer, "POST", "/exposure-policies", {"policy": "hq_funded"})
    lodged = call(
        network, treasurer, "POST", "/exposures/A/deposits", {"kind": "lodged", "amount": 300, "reference": "T-1"}
    )
    returned = call(
        network, treasurer, "POST", "/exposures/A/deposits", {"kind": "returned", "amount": 100, "reference": "T-2"}
    )
    shown = call(network, treasurer, "GET", "/exposures/A").json
    listed = call(network, treasurer, "GET", "/exposures?level=warning").json
    booked = call(network, treasurer, "GET", "/exposures/A/deposits").json

    assert (capped.status_code, capped.json["level"], capped.json["issuing"]) == (201, "reached", "blocked")
    assert (policy.status_code, policy.json["policy"]) == (201, "hq_funded")
    assert (lodged.status_code, lodged.json["balance"], returned.json["amount"]) == (201, 300, -100)
    assert {**shown, "as_of": ""} == {
        **{"store": "A", "name": "Store A", "participant": "A", "cap": 1_000, "exposure": 800, "level": "warning"},
        **{"issuing": "allowed", "receivable": 0, "unsettled": 1_000, "outstanding": 0, "deposit": 200, "as_of": ""},
    }
    assert [one["store"] for one in listed["exposures"]] == ["A"]
    assert (booked["balance"], [row["made_by"] for row in booked["deposits"]]) == (200, ["tess", "tess"])
    assert call(network, treasurer, "GET", "/exposures/A/caps").json["caps"][0]["made_by"] == "tess"
    assert [v["policy"] for v in call(network, treasurer, "GET", "/exposure-policies").json["versions"]] == [
        "hq_funded"
    ]


def test_a_failed_leg_is_paid_from_the_deposit(
    network: NetworkForTests, till: Till, card: str, treasurer: str
) -> None:
    till.accrue(card, 50_000, occurred_at=IN_JANUARY)
    network.settle(JANUARY)
    leg_id = ids.show(ids.LEG, fail(network, till))
    lodge = {"kind": "lodged", "amount": 500, "reference": "T-1"}
    too_little = call(network, treasurer, "POST", f"/legs/{leg_id}/deposit")
    call(network, treasurer, "POST", "/exposures/A/deposits", lodge)

    used = call(network, treasurer, "POST", f"/legs/{leg_id}/deposit")
    again = call(network, treasurer, "POST", f"/legs/{leg_id}/deposit")

    assert (code_of(too_little), too_little.json["missing"]) == ((409, "deposit_insufficient"), 500)
    assert (used.status_code, used.json["store"], used.json["leg_id"], used.json["balance"]) == (201, "A", leg_id, 0)
    assert code_of(again) == (409, "leg_not_failed")


def test_an_owner_sees_the_own_stores_and_no_others(network: NetworkForTests, owner: str) -> None:
    network.hq("POST", f"{BASE}/exposures/A/caps", {"cap": 1_000})

    listed = call(network, owner, "GET", "/exposures").json

    assert [one["store"] for one in listed["exposures"]] == ["A"]
    for path in ("/exposures/{}", "/exposures/{}/caps", "/exposures/{}/deposits"):
        assert call(network, owner, "GET", path.format("A")).status_code == 200
        assert code_of(call(network, owner, "GET", path.format("B"))) == (404, "store_unknown")


def test_exposures_are_listed_by_store_page_by_page(network: NetworkForTests) -> None:
    first = network.hq("GET", f"{BASE}/exposures?limit=2").json
    second = network.hq("GET", f"{BASE}/exposures?limit=2&cursor={first['next_cursor']}").json

    assert [one["store"] for one in first["exposures"] + second["exposures"]] == ["A", "B", "C"]
    assert (second["next_cursor"], first["exposures"][0]["exposure"]) == (None, None)


@pytest.mark.parametrize(
    ("role", "method", "path", "body"),
    [
        *[
            (role, "POST", path, body)
            for role in (PREPARER, APPROVER, AUDITOR, OWNER)
            for path, body in [
                ("/exposures/A/caps", {"cap": None}),
                ("/exposure-policies", {"policy": "block"}),
                ("/exposures/A/deposits", {"kind": "lodged", "amount": 1, "reference": "T"}),
                (f"/legs/{NO_LEG}/deposit", None),
            ]
        ],
        (OWNER, "GET", "/exposure-policies", None),
    ],
)
def test_who_is_no_treasurer_changes_nothing(
    network: NetworkForTests, role: str, method: str, path: str, body: Any
) -> None:
    key = network.add_staff("somebody", role, participant="A" if role == OWNER else None)

    assert code_of(call(network, key, method, path, body)) == (403, "scope_missing")


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/exposures/A/caps", {}, 422, "invalid_input"),
        ("/exposures/A/caps", {"cap": -1}, 422, "invalid_input"),
        ("/exposures/A/caps", {"cap": 1.5}, 422, "invalid_input"),
        ("/exposures/A/caps", {"cap": "1"}, 422, "invalid_input"),
        ("/exposures/A/caps", {"cap": 2**53 + 1}, 422, "invalid_input"),
        ("/exposures/Z/caps", {"cap": 1}, 404, "store_unknown"),
        ("/exposures/%20/caps", {"cap": 1}, 422, "invalid_code"),
        ("/exposure-policies", {"policy": "shrug"}, 422, "invalid_input"),
        ("/exposures/A/deposits", {"kind": "used", "amount": 1, "reference": "T"}, 422, "invalid_input"),
        ("/exposures/A/deposits", {"kind": "lodged", "amount": 0, "reference": "T"}, 422, "invalid_input"),
        ("/exposures/A/deposits", {"kind": "lodged", "amount": 1}, 422, "invalid_input"),
        ("/exposures/A/deposits", {"kind": "lodged", "amount": 1, "reference": "\n"}, 422, "invalid_input"),
        ("/exposures/Z/deposits", {"kind": "lodged", "amount": 1, "reference": "T"}, 404, "store_unknown"),
        ("/exposures/A/deposits", {"kind": "returned", "amount": 1, "reference": "T"}, 409, "deposit_insufficient"),
        ("/legs/nothing/deposit", None, 422, "invalid_id"),
        (f"/legs/{NO_LEG}/deposit", None, 404, "leg_unknown"),
    ],
)
def test_bad_input_is_refused_with_a_code(
    network: NetworkForTests, treasurer: str, path: str, body: Any, status: int, code: str
) -> None:
    assert code_of(call(network, treasurer, "POST", path, body)) == (status, code)


def test_the_command_line_does_the_same(network: NetworkForTests, till: Till, card: str, treasurer: str) -> None:
    till.accrue(card, 50_000, occurred_at=IN_JANUARY)
    network.settle(JANUARY)
    leg_id = ids.show(ids.LEG, fail(network, till))

    capped = printed(network, "exposure", "cap", "A", "400", "--as", "tess")
    policy = printed(network, "exposure", "policy", "hq_funded", "--as", "tess")
    lodged = printed(network, "deposit", "lodge", "A", "600", "--reference", "T-1", "--as", "tess")
    used = printed(network, "deposit", "use", leg_id, "--as", "tess")
    returned = printed(network, "deposit", "return", "A", "50", "--reference", "T-2", "--as", "tess")
    lifted = printed(network, "exposure", "cap", "A", "--none", "--as", "tess")

    assert (capped["exposure"], capped["level"], capped["issuing"]) == (500, "reached", "blocked")
    assert (policy["policy"], policy["made_by"].startswith("tess (command line: ")) == ("hq_funded", True)
    assert [row["balance"] for row in (lodged, used, returned)] == [600, 100, 50]
    assert (lifted["cap"], lifted["exposure"], lifted["deposit"]) == (None, -50, 50)
    assert printed(network, "exposure", "recompute") == {"levels_changed": 0}
    assert [one["store"] for one in printed(network, "exposure", "list")] == ["A", "B", "C"]
    assert printed(network, "exposure", "list", "--level", "reached") == []
    assert [row["cap"] for row in printed(network, "exposure", "caps", "A")] == [None, 400]
    assert [row["policy"] for row in printed(network, "exposure", "policies")] == ["hq_funded"]
    assert [row["kind"] for row in printed(network, "deposit", "list", "A")] == ["returned", "used", "lodged"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("exposure", "cap", "A", "1"), "is preparer; this is for treasurer"),
        (("exposure", "policy", "block"), "is preparer; this is for treasurer"),
        (("deposit", "lodge", "A", "1", "--reference", "T"), "is preparer; this is for treasurer"),
        (("exposure", "cap", "A"), "Give an AMOUNT or --none"),
        (("exposure", "cap", "A", "1", "--none"), "Give an AMOUNT or --none"),
        (("exposure", "cap", "A", "-1"), "No such option"),
        (("deposit", "return", "A", "0", "--reference", "T"), "not in the range"),
    ],
)
def test_a_command_that_may_not_be_says_why(network: NetworkForTests, words: tuple[str, ...], said: str) -> None:
    network.add_staff("pam", PREPARER)

    result = run(network, *words, "--as", "pam")

    assert result.exit_code != 0
    assert said in f"{result.output} {result.exception}"
