from __future__ import annotations

import csv
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO, StringIO
from typing import Any
from uuid import uuid4

import pypdfium2
import pytest
import zxingcpp
from pypdf import PdfReader
from werkzeug.test import TestResponse

from clearinghouse.cards.files import LabelSheet, printed
from clearinghouse.cards.labels_pdf import cards_pdf, modules
from tenants.foundation.luhn import is_card_number
from tests.conftest import NetworkForTests, Till, a_card_number


def issue(network: NetworkForTests, key: str | None = None, **fields: Any) -> TestResponse:
    headers = {"Authorization": f"Bearer {network.hq_key}", "Idempotency-Key": key or str(uuid4())}
    body = {"count": 3, "label": "Spring", **fields}
    return network.app.test_client().post("/v1/card-batches", json=body, headers=headers)


def rows_of(network: NetworkForTests, batch_id: str) -> list[dict[str, str]]:
    answer = network.hq("GET", f"/v1/card-batches/{batch_id}/cards.csv")
    assert (answer.status_code, answer.mimetype) == (200, "text/csv")
    return list(csv.DictReader(StringIO(answer.get_data(as_text=True), newline="")))


def test_a_batch_has_different_numbers_with_check_digits(network: NetworkForTests) -> None:
    made = issue(network, count=50)

    assert made.status_code == 201, made.json
    assert made.json["batch_id"].startswith("cbt_")
    assert (made.json["label"], made.json["cards"], made.json["prefix"]) == ("Spring", 50, "629")
    assert made.json["created_by"].startswith("key_")
    numbers = [row["number"] for row in rows_of(network, made.json["batch_id"])]
    assert len(set(numbers)) == 50
    assert all(is_card_number(number) and len(number) == 16 and number.startswith("629") for number in numbers)


def test_a_batch_may_have_a_prefix_of_its_own(network: NetworkForTests) -> None:
    made = issue(network, prefix="770012").json

    assert {row["number"][:6] for row in rows_of(network, made["batch_id"])} == {"770012"}


def test_every_card_of_a_batch_works_at_once_and_has_a_member_of_its_own(
    network: NetworkForTests, till: Till
) -> None:
    first, second, _ = rows_of(network, issue(network).json["batch_id"])

    assert till.accrue(first["number"], 1000).status_code == 201

    assert till.balance(first["number"])["available"] == 10
    assert till.balance(second["number"])["available"] == 0
    members = network.hq("GET", "/v1/members").json["members"]
    assert [member["registered_at"] for member in members] == [None] * 3


def test_ten_thousand_cards_are_issued_in_one_call(network: NetworkForTests) -> None:
    made = issue(network, count=10_000)

    assert made.status_code == 201
    assert len({row["number"] for row in rows_of(network, made.json["batch_id"])}) == 10_000


def test_a_repeat_answers_with_the_same_batch(network: NetworkForTests) -> None:
    first = issue(network, "k")
    again = issue(network, "k")

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json == first.json
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert len(network.hq("GET", "/v1/members").json["members"]) == 3


@pytest.mark.parametrize("other", [{"count": 4}, {"label": "Autumn"}, {"prefix": "770"}])
def test_a_key_is_not_used_for_another_batch(network: NetworkForTests, other: dict[str, Any]) -> None:
    made = issue(network, "k").json

    answer = issue(network, "k", **other)

    assert (answer.status_code, answer.json["code"]) == (409, "idempotency_key_reused")
    assert answer.json["batch_id"] == made["batch_id"]


def test_two_networks_may_use_the_same_key(
    network: NetworkForTests, make_network: Callable[..., NetworkForTests]
) -> None:
    assert issue(network, "k").json["batch_id"] != issue(make_network(), "k").json["batch_id"]


def test_the_same_batch_asked_for_at_once_is_issued_once(network: NetworkForTests) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: issue(network, "k", count=200), range(4)))

    assert [answer.status_code for answer in answers] == [201] * 4
    assert len({answer.json["batch_id"] for answer in answers}) == 1
    assert len(network.hq("GET", "/v1/members?limit=500").json["members"]) == 200


BAD = [
    ({"count": 0}, "count"),
    ({"count": 10_001}, "count"),
    ({"count": "3"}, "count"),
    ({"count": 1.5}, "count"),
    ({"count": None}, "count"),
    ({"label": ""}, "label"),
    ({"label": "a\nb"}, "label"),
    ({"prefix": "4"}, "prefix"),
    ({"prefix": "400"}, "prefix"),
    ({"prefix": "620"}, "prefix"),
    ({"prefix": "62"}, "prefix"),
    ({"prefix": "7700123"}, "prefix"),
    ({"prefix": "77a"}, "prefix"),
    ({"prefix": "\u0667\u0667\u0660"}, "prefix"),
    ({"prefix": 629}, "prefix"),
    ({"colour": "red"}, "colour"),
]


@pytest.mark.parametrize(("fields", "name"), BAD)
def test_a_batch_that_can_not_be_is_refused_and_nothing_is_made(
    network: NetworkForTests, fields: dict[str, Any], name: str
) -> None:
    answer = issue(network, **fields)

    assert (answer.status_code, answer.json["code"]) == (422, "invalid_input")
    assert name in answer.json["errors"]
    assert network.hq("GET", "/v1/card-batches").json["batches"] == []
    assert network.hq("GET", "/v1/members").json["members"] == []


def test_a_batch_needs_a_key_for_its_repeat(network: NetworkForTests) -> None:
    answer = network.hq("POST", "/v1/card-batches", {"count": 1, "label": "x"})

    assert (answer.status_code, answer.json["code"]) == (422, "idempotency_key_missing")


def test_a_till_can_not_issue_batches(till: Till) -> None:
    answer = till.post("/v1/card-batches", {"count": 1, "label": "x"})

    assert (answer.status_code, answer.json["code"]) == (403, "wrong_kind_of_key")


def test_batches_are_listed_page_by_page_and_shown_one_by_one(network: NetworkForTests) -> None:
    made = [issue(network, label=f"batch {number}").json for number in range(3)]

    first = network.hq("GET", "/v1/card-batches?limit=2").json
    rest = network.hq("GET", f"/v1/card-batches?limit=2&cursor={first['next_cursor']}").json

    assert first["batches"] + rest["batches"] == made
    assert rest["next_cursor"] is None
    assert network.hq("GET", f"/v1/card-batches/{made[1]['batch_id']}").json == made[1]


@pytest.mark.parametrize("part", ["", "/cards.csv", "/cards.pdf"])
def test_a_batch_of_nobody_or_of_another_network_is_not_found(
    network: NetworkForTests, make_network: Callable[..., NetworkForTests], part: str
) -> None:
    theirs = issue(make_network()).json["batch_id"]

    for batch_id in (theirs, "cbt_01h455vb4pex5vsknk084sn02q"):
        answer = network.hq("GET", f"/v1/card-batches/{batch_id}{part}")

        assert (answer.status_code, answer.json["code"]) == (404, "batch_unknown")
    assert network.hq("GET", f"/v1/card-batches/cbt_1{part}").json["code"] == "invalid_id"


def test_the_csv_is_what_a_printer_of_cards_needs(network: NetworkForTests) -> None:
    batch_id = issue(network, label='=Spring, "A"').json["batch_id"]

    answer = network.hq("GET", f"/v1/card-batches/{batch_id}/cards.csv")

    text = answer.get_data().decode()
    assert text.startswith("number,barcode,printed,label\r\n")
    assert text.count("\r\n") == text.count("\n") == 4
    for row in rows_of(network, batch_id):
        number = row["number"]
        assert row["barcode"] == number
        assert row["printed"] == f"{number[:4]} {number[4:8]} {number[8:12]} {number[12:]}"
        assert row["label"] == '\'=Spring, "A"'


def test_the_barcodes_on_the_sheet_read_as_the_numbers_of_the_batch(network: NetworkForTests) -> None:
    batch_id = issue(network, count=30, label="Spring").json["batch_id"]

    answer = network.hq("GET", f"/v1/card-batches/{batch_id}/cards.pdf")

    assert (answer.status_code, answer.mimetype) == (200, "application/pdf")
    assert batch_id in answer.headers["Content-Disposition"]
    numbers = [row["number"] for row in rows_of(network, batch_id)]
    assert [len(page) for page in scanned(answer.data)] == [24, 6]
    assert sorted(number for page in scanned(answer.data) for number in page) == sorted(numbers)


def scanned(pdf: bytes) -> list[list[str]]:
    """What a scanner reads on each page, as a printer of 300 dpi prints it."""
    document = pypdfium2.PdfDocument(pdf)
    try:
        return [
            [code.text for code in zxingcpp.read_barcodes(page.render(scale=300 / 72).to_pil())] for page in document
        ]
    finally:
        document.close()


def test_every_label_says_whose_card_it_is_and_its_number_in_groups() -> None:
    numbers = [a_card_number() for _ in range(25)]

    pdf = cards_pdf(LabelSheet("Café Nörd", "Spring", numbers))

    pages = [page.extract_text() for page in PdfReader(BytesIO(pdf)).pages]
    assert [page.count("Café Nörd") for page in pages] == [24, 1]
    assert [page.count("Spring") for page in pages] == [24, 1]
    assert all(printed(number) in pages[index // 24] for index, number in enumerate(numbers))


@pytest.mark.parametrize("name", ["北京的餐馆", "서울 식당", "A" * 200, "<b>&amp;</b>"])
def test_any_name_of_a_network_fits_on_a_label(name: str) -> None:
    number = a_card_number()

    pdf = cards_pdf(LabelSheet(name, name, [number]))

    assert scanned(pdf) == [[number]]
    assert len(PdfReader(BytesIO(pdf)).pages) == 1


def test_the_same_batch_gives_the_same_bytes() -> None:
    sheet = LabelSheet("A", "B", [a_card_number()])
    first = cards_pdf(sheet)
    time.sleep(1.1)  # a PDF usually holds the second it was made

    assert cards_pdf(sheet) == first


def test_a_barcode_of_sixteen_digits_is_eight_pairs() -> None:
    widths = modules(a_card_number()[:16])

    # Start, eight pairs and the check character of 11 modules each, and 13 modules of stop.
    assert sum(widths) == 10 * 11 + 13
    assert len(widths) == 10 * 6 + 7
