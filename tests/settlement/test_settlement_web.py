from __future__ import annotations

import io
from datetime import date

import pytest
from openpyxl import load_workbook
from pypdf import PdfReader
from werkzeug.test import TestResponse

from tenants.foundation import clock
from tests.conftest import NetworkForTests

JANUARY = date(2026, 1, 1)


@pytest.fixture
def closed(network: NetworkForTests, card: str) -> NetworkForTests:
    network.tills["A"].accrue(card, 10000, occurred_at="2026-01-10T12:00:00Z")
    network.tills["B"].redeem(card, 30, occurred_at="2026-01-11T12:00:00Z")
    answer = network.hq("POST", "/v1/settlement/windows/2026-01/close")
    assert answer.status_code == 200, answer.json
    return network


@pytest.fixture
def proposed(closed: NetworkForTests) -> NetworkForTests:
    closed.propose(JANUARY)
    return closed


def test_a_closed_month_shows_its_points_its_calendar_and_what_happened(closed: NetworkForTests) -> None:
    shown = closed.hq("GET", "/v1/settlement/windows/2026-01").json

    assert (shown["state"], shown["issued"], shown["recovered"], shown["closing_outstanding"]) == (
        "closed",
        100,
        30,
        70,
    )
    assert (shown["dispute_until"], shown["collect_on"], shown["pay_on"]) == (
        "2026-02-10",
        "2026-02-15",
        "2026-02-18",
    )
    assert all(identity["holds"] for identity in shown["identities"])
    assert [(c["from_state"], c["to_state"]) for c in shown["changes"]] == [("open", "closed")]


def test_a_proposal_answers_with_totals_identities_and_positions(closed: NetworkForTests) -> None:
    preparer = closed.add_staff("ana", "preparer")

    answer = closed.call(preparer, "POST", "/v1/settlement/windows/2026-01/settlement").json

    assert closed.hq("GET", "/v1/settlement/windows/2026-01/settlement").json == answer

    assert (answer["issued"], answer["recovered"], answer["hq_net"], answer["hq_direction"]) == (
        100,
        30,
        -70,
        "receive",
    )
    assert [(p["store"], p["net"], p["direction"]) for p in answer["positions"]] == [
        ("A", 100, "remit"),
        ("B", -30, "receive"),
        ("C", 0, "none"),
    ]
    assert all(identity["holds"] for identity in answer["identities"])


def test_windows_and_matrix_are_listed(closed: NetworkForTests) -> None:
    windows = closed.hq("GET", "/v1/settlement/windows").json
    flows = closed.hq("GET", "/v1/settlement/windows/2026-01/flows").json

    assert [w["month"] for w in windows["windows"]] == ["2026-01"]
    assert windows["first_open_month"] == "2026-02"
    assert flows["flows"] == [{"issuing_store": "A", "redeeming_store": "B", "points": 30}]


def download(network: NetworkForTests, path: str) -> TestResponse:
    answer = network.hq("GET", path)
    answer.get_data()
    answer.close()
    return answer


def test_a_store_statement_is_a_pdf_with_its_amount(proposed: NetworkForTests) -> None:
    answer = download(proposed, "/v1/settlement/windows/2026-01/statements/B")

    assert answer.mimetype == "application/pdf"
    assert "0.30" in PdfReader(io.BytesIO(answer.data)).pages[0].extract_text()


def test_exports_are_downloaded_by_name(proposed: NetworkForTests) -> None:
    xlsx = download(proposed, "/v1/settlement/windows/2026-01/exports/settlement.xlsx")
    csv = download(proposed, "/v1/settlement/windows/2026-01/exports/positions.csv")

    assert "Positions" in load_workbook(io.BytesIO(xlsx.data)).sheetnames
    assert csv.text.startswith("store_code,")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", "/v1/settlement/windows/2026-01/close", 409, "window_closed"),
        ("POST", "/v1/settlement/windows/2026-03/close", 409, "window_out_of_turn"),
        ("POST", "/v1/settlement/windows/2026-13/close", 422, "invalid_month"),
        ("POST", "/v1/settlement/windows/0000-01/close", 422, "invalid_month"),
        ("GET", "/v1/settlement/windows/2026-02", 404, "window_unknown"),
        ("GET", "/v1/settlement/windows/2026-02/settlement", 404, "settlement_unknown"),
        ("GET", "/v1/settlement/windows/2026-01/settlement?version=2", 404, "settlement_unknown"),
        ("GET", "/v1/settlement/windows/2026-01/settlement/lines?store=X", 404, "store_unknown"),
        ("POST", "/v1/settlement/windows/2026-01/settlement", 403, "wrong_kind_of_key"),
        ("GET", "/v1/settlement/windows/2026-01/exports/../secrets", 404, "no_such_route"),
        ("GET", "/v1/settlement/windows/2026-01/exports/secrets", 404, "export_unknown"),
        ("GET", "/v1/settlement/windows/2026-01/statements/X", 404, "store_unknown"),
    ],
)
def test_what_can_not_be_done_is_refused_with_a_code(
    proposed: NetworkForTests, method: str, path: str, status: int, code: str
) -> None:
    answer = proposed.hq(method, path)

    assert (answer.status_code, answer.json["code"]) == (status, code)


def test_a_month_that_is_not_over_can_not_be_closed(make_network) -> None:
    network = make_network(opened_on=clock.now().date().replace(day=1))
    month = network.hq("GET", "/v1/settlement/windows").json["first_open_month"]

    answer = network.hq("POST", f"/v1/settlement/windows/{month}/close")

    assert (answer.status_code, answer.json["code"]) == (409, "window_not_over")


def test_a_terminal_key_can_not_see_settlement(closed: NetworkForTests) -> None:
    answer = closed.tills["A"].call("GET", "/v1/settlement/windows")

    assert (answer.status_code, answer.json["code"]) == (403, "wrong_kind_of_key")


def test_a_month_goes_from_closed_to_approved_by_two_people(closed: NetworkForTests) -> None:
    settlement = "/v1/settlement/windows/2026-01/settlement"
    preparer, approver = closed.add_staff("ana", "preparer", "approver"), closed.add_staff("ben", "approver")

    proposed = closed.call(preparer, "POST", settlement)
    own = closed.call(preparer, "POST", f"{settlement}/approve")
    approved = closed.call(approver, "POST", f"{settlement}/approve")

    assert (proposed.status_code, proposed.json["state"], proposed.json["version"]) == (201, "proposed", 1)
    assert (own.status_code, own.json["code"]) == (403, "four_eyes")
    assert (approved.status_code, approved.json["state"]) == (200, "approved")
    again = closed.call(preparer, "POST", settlement)
    assert (again.status_code, again.json["code"]) == (409, "settlement_approved")


def test_a_rejected_proposal_says_why_and_another_follows(closed: NetworkForTests) -> None:
    settlement = "/v1/settlement/windows/2026-01/settlement"
    preparer, approver = closed.add_staff("ana", "preparer"), closed.add_staff("ben", "approver")
    closed.call(preparer, "POST", settlement)

    rejected = closed.call(approver, "POST", f"{settlement}/reject", {"reason": "the rate of B is wrong"})
    gone = closed.call(approver, "POST", f"{settlement}/approve")
    anew = closed.call(preparer, "POST", settlement)

    [version] = rejected.json["settlements"]
    assert (version["state"], version["changes"][-1]["reason"]) == ("rejected", "the rate of B is wrong")
    assert (gone.status_code, gone.json["code"]) == (404, "settlement_unknown")
    assert anew.json["version"] == 2
    assert closed.hq("GET", f"{settlement}?version=1").json["state"] == "rejected"


@pytest.mark.parametrize("reason", ["", " ", "no\0", "two\nlines", "x" * 501])
def test_a_reason_of_a_rejection_is_a_line_of_text(proposed: NetworkForTests, reason: str) -> None:
    settlement = "/v1/settlement/windows/2026-01/settlement"

    refused = proposed.call(proposed.add_staff("ben", "approver"), "POST", f"{settlement}/reject", {"reason": reason})

    assert (refused.status_code, refused.json["code"]) == (422, "invalid_input")
    assert list(refused.json["errors"]) == ["reason"]
    assert proposed.hq("GET", settlement).json["state"] == "proposed"


def test_the_lines_of_a_store_say_who_owes_what(proposed: NetworkForTests) -> None:
    lines = proposed.hq("GET", "/v1/settlement/windows/2026-01/settlement/lines?store=B").json["lines"]

    assert [(line["kind"], line["payer"], line["payee"], line["quantity"], line["amount"]) for line in lines] == [
        ("redemption", "HQ", "B", 30, 30),
    ]
