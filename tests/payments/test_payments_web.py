"""The treasurer's face: what it answers, and whom it refuses."""

from __future__ import annotations

from typing import Any

import pytest
from sepaxml.validation import try_valid_xml

from settlement.demo.bank import answer_of_bank
from tenants.foundation import ids
from tenants.staff.rules import APPROVER, AUDITOR, PREPARER
from tests.payments.conftest import BOOKED_ON, Paying, Person, person

FILES = "/settlement/windows/2026-01/payment-files"
LEGS = "/settlement/windows/2026-01/legs"


def download(treasurer: Person, file: dict[str, Any]) -> bytes:
    answer = treasurer.call("GET", f"/settlement/payment-files/{file['file_id']}")
    assert answer.status_code == 200
    return answer.data


def test_from_an_approved_month_to_a_settled_one(paying: Paying, treasurer: Person) -> None:
    made = treasurer.call("POST", FILES)
    assert made.status_code == 201
    collection, payout = made.json["payment_files"]
    assert treasurer.call("GET", FILES).json["payment_files"] == [collection, payout]

    for number, file in enumerate((collection, payout)):
        content = download(treasurer, file)
        try_valid_xml(content, file["format"])
        read = treasurer.send(answer_of_bank(content, f"M-{number}", BOOKED_ON), "?month=2026-01&name=tuesday.xml")
        assert (read.status_code, read.json["confirmed"], read.json["name"]) == (
            201,
            file["payments"],
            "tuesday.xml",
        )

    legs = treasurer.call("GET", LEGS).json["legs"]
    assert [(leg["store"], leg["amount"], leg["direction"], leg["state"]) for leg in legs] == [
        ("A", 1000, "collection", "confirmed"),
        ("B", -600, "payout", "confirmed"),
        ("C", -400, "payout", "confirmed"),
    ]
    assert paying.state_of_month() == "settled"


def test_a_download_is_named_and_typed(paying: Paying, treasurer: Person) -> None:
    [file, _] = treasurer.call("POST", FILES).json["payment_files"]

    answer = treasurer.call("GET", f"/settlement/payment-files/{file['file_id']}")

    assert answer.mimetype == "application/xml"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{file["name"]}"'
    assert file["name"] == f"2026-01-collection-B2B-{file['file_id']}.xml"


def test_csv_can_be_asked_for(paying: Paying, treasurer: Person) -> None:
    [file, _] = treasurer.call("POST", FILES, {"format": "csv"}).json["payment_files"]

    answer = treasurer.call("GET", f"/settlement/payment-files/{file['file_id']}")

    assert answer.mimetype == "text/csv"
    assert answer.data.startswith(b"end_to_end_id,direction,due_on,amount,")


def test_legs_are_decided_on_by_hand(paying: Paying, treasurer: Person) -> None:
    leg = {row["store"]: row["leg_id"] for row in treasurer.call("GET", LEGS).json["legs"]}

    failed = treasurer.call("POST", f"/settlement/legs/{leg['A']}/fail", {"reason": "no funds"})
    receivables = treasurer.call("GET", "/settlement/receivables").json["legs"]
    retried = treasurer.call("POST", f"/settlement/legs/{leg['A']}/retry")
    confirmed = treasurer.call("POST", f"/settlement/legs/{leg['B']}/confirm", {"reference": "statement 47"})
    treasurer.call("POST", f"/settlement/legs/{leg['C']}/fail", {"reason": "wrong account"})
    carried = treasurer.call("POST", f"/settlement/legs/{leg['C']}/carry", {"reason": "agreed"})

    assert (failed.json["state"], failed.json["reason"]) == ("failed", "no funds")
    assert receivables == [failed.json]
    assert [answer.json["state"] for answer in (retried, confirmed, carried)] == ["pending", "confirmed", "carried"]
    again = treasurer.call("POST", f"/settlement/legs/{leg['B']}/confirm", {"reference": "again"})
    assert (again.status_code, again.json["code"], again.json["allowed"]) == (409, "illegal_state", ["failed"])


BAD: list[tuple[str, str, Any, int, str]] = [
    ("POST", FILES, {"format": "sepa2"}, 422, "invalid_input"),
    ("POST", "/settlement/windows/2026-13/payment-files", None, 422, "invalid_month"),
    ("POST", "/settlement/windows/2027-01/payment-files", None, 404, "window_unknown"),
    ("GET", "/settlement/windows/2027-01/payment-files", None, 404, "settlement_unknown"),
    ("GET", "/settlement/windows/2027-01/legs", None, 404, "settlement_unknown"),
    ("GET", "/settlement/payment-files/pay_01h455vb4pex5vsknk084sn02q", None, 404, "payment_file_unknown"),
    ("GET", "/settlement/payment-files/leg_01h455vb4pex5vsknk084sn02q", None, 422, "invalid_id"),
    ("POST", "/settlement/legs/leg_01h455vb4pex5vsknk084sn02q/retry", None, 404, "leg_unknown"),
    ("POST", "/settlement/legs/leg_01h455vb4pex5vsknk084sn02q/confirm", {}, 422, "invalid_input"),
    ("POST", "/settlement/legs/leg_01h455vb4pex5vsknk084sn02q/fail", {"reason": ""}, 422, "invalid_input"),
    ("POST", "/settlement/legs/nonsense/fail", {"reason": "x"}, 422, "invalid_id"),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "code"), BAD)
def test_bad_input_is_refused(treasurer: Person, method: str, path: str, body: Any, status: int, code: str) -> None:
    answer = treasurer.call(method, path, body)

    assert (answer.status_code, answer.json["code"]) == (status, code)


@pytest.mark.parametrize(
    ("content", "query", "status", "code"),
    [
        (b"", "", 422, "bank_file_invalid"),
        (b"<x/>", "", 422, "bank_file_invalid"),
        (b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>', "", 422, "bank_file_invalid"),
        (b"<x/>", "?month=soon", 422, "invalid_month"),
        (b"<x/>", "?name=%00", 422, "invalid_input"),
        (b" " * (9 * 1024 * 1024), "", 413, "body_too_large"),
    ],
)
def test_what_is_no_bank_file_is_refused(
    paying: Paying, treasurer: Person, content: bytes, query: str, status: int, code: str
) -> None:
    answer = treasurer.send(content, query)

    assert (answer.status_code, answer.json["code"]) == (status, code)
    assert set(paying.states().values()) == {"pending"}


def test_only_treasurers_pay(paying: Paying, treasurer: Person) -> None:
    [file, _] = treasurer.call("POST", FILES).json["payment_files"]
    leg = treasurer.call("GET", LEGS).json["legs"][0]["leg_id"]
    changes = [
        ("POST", FILES),
        ("GET", f"/settlement/payment-files/{file['file_id']}"),
        ("POST", "/settlement/bank-files"),
        *(("POST", f"/settlement/legs/{leg}/{action}") for action in ("confirm", "fail", "retry", "carry")),
    ]

    for roles in ((PREPARER, APPROVER), (AUDITOR,)):
        other = person(paying.network, *roles)
        for method, path in changes:
            assert other.call(method, path, {}).json["code"] == "scope_missing", path
        assert other.call("GET", LEGS).status_code == 200
    for method, path in changes:
        assert paying.network.hq(method, f"/v1{path}", {}).json["code"] == "wrong_kind_of_key", path
    assert paying.network.hq("GET", f"/v1{LEGS}").status_code == 200


def test_ids_of_legs_go_through_banks(paying: Paying, treasurer: Person) -> None:
    [leg, *_] = treasurer.call("GET", LEGS).json["legs"]

    assert leg["end_to_end_id"] == leg["leg_id"].replace("_", "-")
    assert len(leg["end_to_end_id"]) <= 35
    assert ids.parse(ids.LEG, leg["leg_id"])
