from __future__ import annotations

import io

import pytest
from openpyxl import load_workbook
from pypdf import PdfReader
from werkzeug.test import TestResponse

from tenants.foundation import clock
from tests.conftest import NetworkForTests


@pytest.fixture
def closed(network: NetworkForTests, card: str) -> NetworkForTests:
    network.tills["A"].accrue(card, 10000, occurred_at="2026-01-10T12:00:00Z")
    network.tills["B"].redeem(card, 30, occurred_at="2026-01-11T12:00:00Z")
    answer = network.hq("POST", "/v1/settlement/windows/2026-01/close")
    assert answer.status_code == 200, answer.json
    return network


def test_closing_answers_with_totals_identities_and_positions(closed: NetworkForTests) -> None:
    answer = closed.hq("GET", "/v1/settlement/windows/2026-01").json

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


def test_a_store_statement_is_a_pdf_with_its_amount(closed: NetworkForTests) -> None:
    answer = download(closed, "/v1/settlement/windows/2026-01/statements/B")

    assert answer.mimetype == "application/pdf"
    assert "0.30" in PdfReader(io.BytesIO(answer.data)).pages[0].extract_text()


def test_exports_are_downloaded_by_name(closed: NetworkForTests) -> None:
    xlsx = download(closed, "/v1/settlement/windows/2026-01/exports/settlement.xlsx")
    csv = download(closed, "/v1/settlement/windows/2026-01/exports/positions.csv")

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
        ("GET", "/v1/settlement/windows/2026-01/exports/../secrets", 404, "no_such_route"),
        ("GET", "/v1/settlement/windows/2026-01/exports/secrets", 404, "export_unknown"),
        ("GET", "/v1/settlement/windows/2026-01/statements/X", 404, "store_unknown"),
    ],
)
def test_what_can_not_be_done_is_refused_with_a_code(
    closed: NetworkForTests, method: str, path: str, status: int, code: str
) -> None:
    answer = closed.hq(method, path)

    assert (answer.status_code, answer.json["code"]) == (status, code)


def test_a_month_that_is_not_over_can_not_be_closed(make_network) -> None:
    network = make_network(opened_on=clock.now().date().replace(day=1))
    month = network.hq("GET", "/v1/settlement/windows").json["first_open_month"]

    answer = network.hq("POST", f"/v1/settlement/windows/{month}/close")

    assert (answer.status_code, answer.json["code"]) == (409, "window_not_over")


def test_a_terminal_key_can_not_see_settlement(closed: NetworkForTests) -> None:
    answer = closed.tills["A"].call("GET", "/v1/settlement/windows")

    assert (answer.status_code, answer.json["code"]) == (403, "wrong_kind_of_key")
