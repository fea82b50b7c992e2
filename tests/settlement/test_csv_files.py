"""What a programme or a spreadsheet finds in the CSV files of a month."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path

import pytest

from settlement.statements.csv_files import write_flows_csv, write_positions_csv
from settlement.statements.documents import Flow, SettlementDocument
from tenants.foundation.csv_text import text_cell
from tests.settlement.documents import settlement_of, small_settlement


def test_positions_state_money_in_major_units(tmp_path: Path) -> None:
    rows = positions(tmp_path, small_settlement())

    assert rows[0] == {
        "store_code": "S1",
        "store_name": "Shop S1",
        "participant": "Northgate Foods Ltd",
        "issued": "123456",
        "recovered": "77501",
        "expired": "2469",
        "borne": "0",
        "net_points": "45955",
        "to_pay": "1234.56",
        "to_receive": "697.51",
        "net": "537.05",
        "direction": "remit",
        "currency": "USD",
    }


def test_head_office_line_closes_the_nets_to_zero(tmp_path: Path) -> None:
    rows = positions(tmp_path, small_settlement())

    assert (rows[-1]["store_code"], rows[-1]["direction"]) == ("HQ", "")
    assert len(rows) == 4
    assert sum(Decimal(row["net"]) for row in rows) == 0


@pytest.mark.parametrize(("currency", "to_pay"), [("JPY", "123456"), ("USD", "1234.56"), ("KWD", "123.456")], ids=str)
def test_money_has_the_decimals_of_its_currency(tmp_path: Path, currency: str, to_pay: str) -> None:
    assert positions(tmp_path, small_settlement(currency=currency))[0]["to_pay"] == to_pay


def test_billions_are_written_without_separators_or_exponent(tmp_path: Path) -> None:
    document = settlement_of([], {"S1": 987_654_321_012_345})

    assert positions(tmp_path, document)[0]["to_pay"] == "9876543210123.45"


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"], ids=repr)
def test_a_name_that_looks_like_a_formula_stays_text(tmp_path: Path, name: str) -> None:
    rows = positions(tmp_path, small_settlement(names={"S1": name}, participant_name=name))

    assert rows[0]["store_name"] == rows[0]["participant"] == f"'{name}"


def test_an_ordinary_name_is_written_as_it_is() -> None:
    assert text_cell("Café 1+1=2 @ home") == "Café 1+1=2 @ home"


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


def positions(folder: Path, document: SettlementDocument) -> list[dict[str, str]]:
    write_positions_csv(document, folder / "positions.csv")
    with (folder / "positions.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
