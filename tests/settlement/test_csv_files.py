"""What a programme or a spreadsheet finds in the CSV files of a month."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from settlement.reports.csv_files import write_ageing_csv, write_flows_csv, write_lines_csv, write_positions_csv
from settlement.reports.documents import Ageing
from settlement.reports.rules import UnpaidLeg
from settlement.statements.documents import Flow, SettlementDocument
from tenants.foundation.csv_text import text_cell
from tests.settlement.documents import busy_settlement, settlement_of, small_settlement, zero_settlement


def test_positions_state_every_part_of_the_net_in_major_units(tmp_path: Path) -> None:
    rows = positions(tmp_path, busy_settlement())

    assert rows[1] == {
        "store_code": "S2",
        "store_name": "Shop S2",
        "participant": "Northgate Foods Ltd",
        "issued": "80000",
        "recovered": "12345",
        "expired": "1600",
        "borne": "0",
        "net_points": "67655",
        "opening": "-0.75",
        "to_pay": "604.00",
        "to_receive": "74.07",
        "fees": "35.00",
        "tax": "5.45",
        "adjustments": "49.99",
        "disputed": "0.00",
        "carried_forward": "0.00",
        "net": "619.62",
        "direction": "remit",
        "currency": "USD",
    }


def test_head_office_line_closes_the_nets_to_zero(tmp_path: Path) -> None:
    rows = positions(tmp_path, busy_settlement())

    assert (rows[-1]["store_code"], rows[-1]["direction"], rows[-1]["currency"]) == ("HQ", "", "USD")
    assert len(rows) == 5
    assert sum(Decimal(row["net"]) for row in rows) == 0


@pytest.mark.parametrize(("currency", "to_pay"), [("JPY", "123456"), ("USD", "1234.56"), ("KWD", "123.456")], ids=str)
def test_money_has_the_decimals_of_its_currency(tmp_path: Path, currency: str, to_pay: str) -> None:
    assert positions(tmp_path, small_settlement(currency=currency))[0]["to_pay"] == to_pay


def test_billions_are_written_without_separators_or_exponent(tmp_path: Path) -> None:
    document = settlement_of([], {"S1": 987_654_321_012_345})

    assert positions(tmp_path, document)[0]["to_pay"] == "9876543210123.45"


@pytest.mark.parametrize(
    "name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\uff1d1+1", "\uff20SUM(A1)"], ids=ascii
)
def test_a_name_that_looks_like_a_formula_stays_text(tmp_path: Path, name: str) -> None:
    rows = positions(tmp_path, small_settlement(names={"S1": name}, participant_name=name))

    assert rows[0]["store_name"] == rows[0]["participant"] == f"'{name}"


@pytest.mark.parametrize(
    ("name", "written"),
    [("Shop;=1+1", "Shop;'=1+1"), ("Shop; @SUM(A1);+1", "Shop; '@SUM(A1);'+1"), ("=1;=2", "'=1;'=2")],
)
def test_what_follows_a_semicolon_stays_text_where_it_separates_cells(name: str, written: str) -> None:
    assert text_cell(name) == written


@pytest.mark.parametrize("name", ["Café 1+1=2 @ home", "Müller; Söhne", "a;b", ";", ""])
def test_an_ordinary_name_is_written_as_it_is(name: str) -> None:
    assert text_cell(name) == name


def test_negative_money_stays_a_number(tmp_path: Path) -> None:
    rows = positions(tmp_path, settlement_of([Flow("S2", "S1", 100)], {"S1": 0, "S2": 0}))

    assert (rows[0]["net"], rows[0]["direction"]) == ("-0.90", "receive")


def test_quotes_commas_and_line_breaks_in_names_are_kept(tmp_path: Path) -> None:
    name = 'The "Old" Mill, upper\nfloor'

    assert positions(tmp_path, small_settlement(names={"S1": name}))[0]["store_name"] == name


def test_lines_end_as_the_standard_says_and_text_is_utf8(tmp_path: Path) -> None:
    write_positions_csv(small_settlement(names={"S1": "北京 Café"}), tmp_path / "positions.csv")
    content = (tmp_path / "positions.csv").read_bytes()

    assert content.count(b"\r\n") == content.count(b"\n") == 5
    assert "北京 Café".encode() in content
    assert not content.startswith(b"\xef\xbb\xbf")


def test_flows_keep_every_pair_with_its_points(tmp_path: Path) -> None:
    write_flows_csv(small_settlement(), tmp_path / "flows.csv")

    assert (tmp_path / "flows.csv").read_text("utf-8").splitlines() == [
        "issuing_code,redeeming_code,points",
        "S1,S1,40000",
        "S1,S2,12345",
        "S2,S1,30001",
        "HQ,S1,500",
        "S3,S1,7000",
    ]


def test_lines_say_who_owes_whom_what_and_of_which_month(tmp_path: Path) -> None:
    document = busy_settlement()
    rows = written(tmp_path, lambda path: write_lines_csv(document, path))

    assert [row["line"] for row in rows] == [str(number) for number in range(1, len(document.lines) + 1)]
    assert rows[1] == {
        "line": "2",
        "key": document.lines[1].key,
        "kind": "funding",
        "payer": "S1",
        "payee": "HQ",
        "quantity": "123456",
        "rate_minor": "0.755",
        "exact_minor": "93209.28",
        "amount": "932.09",
        "currency": "USD",
        "origin_month": "2026-11",
        "note": "",
    }
    adjustment = next(row for row in rows if row["note"] == "a till that was not sent")
    assert (adjustment["quantity"], adjustment["rate_minor"], adjustment["origin_month"]) == ("", "", "2026-09")
    assert "'=cmd()" in [row["note"] for row in rows]


def test_lines_add_up_to_the_positions(tmp_path: Path) -> None:
    document = busy_settlement(currency="KWD")
    lines = written(tmp_path, lambda path: write_lines_csv(document, path))

    for row in positions(tmp_path, document):
        paid = sum(Decimal(line["amount"]) for line in lines if line["payer"] == row["store_code"])
        received = sum(Decimal(line["amount"]) for line in lines if line["payee"] == row["store_code"])
        assert paid - received == Decimal(row["net"])


def test_a_month_without_anything_has_headers_only(tmp_path: Path) -> None:
    write_lines_csv(zero_settlement(), tmp_path / "lines.csv")
    write_ageing_csv(Ageing(date(2027, 1, 20), "USD", ()), tmp_path / "ageing.csv")

    assert (tmp_path / "lines.csv").read_bytes().count(b"\r\n") == 1
    assert (tmp_path / "ageing.csv").read_bytes().count(b"\r\n") == 1


def test_unpaid_legs_are_positive_in_both_directions(tmp_path: Path) -> None:
    legs = (
        UnpaidLeg(date(2026, 11, 1), "S1", "=Shop", "Ltd", 12_345, date(2026, 12, 15), "failed"),
        UnpaidLeg(date(2026, 12, 1), "S2", "Shop 2", "Ltd", -5, date(2027, 1, 20), "pending"),
    )
    ageing = Ageing(date(2027, 1, 20), "USD", legs)

    rows = written(tmp_path, lambda path: write_ageing_csv(ageing, path))

    assert rows[0] == {
        "as_of": "2027-01-20",
        "month": "2026-11",
        "store_code": "S1",
        "store_name": "'=Shop",
        "participant": "Ltd",
        "direction": "collection",
        "amount": "123.45",
        "currency": "USD",
        "due_on": "2026-12-15",
        "days_past_due": "36",
        "bucket": "days_31_60",
        "state": "failed",
    }
    assert [rows[1][name] for name in ("direction", "amount", "days_past_due", "bucket")] == [
        *("payout", "0.05", "0", "not_due"),
    ]


def positions(folder: Path, document: SettlementDocument) -> list[dict[str, str]]:
    return written(folder, lambda path: write_positions_csv(document, path))


def written(folder: Path, write: Callable[[Path], None]) -> list[dict[str, str]]:
    write(folder / "file.csv")
    with (folder / "file.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
