"""The figures of the data set, counted here from its table and not by the import."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from settlement.demo.dataset import card_number, households, load_baskets, stores, write_purchases
from tenants.foundation.luhn import is_card_number


@pytest.fixture(scope="module")
def baskets() -> pa.Table:
    return load_baskets()


def test_the_year_has_155848_purchases_of_2469_households_in_457_stores(baskets: pa.Table) -> None:
    assert baskets.num_rows == 155_848
    assert len(households(baskets)) == 2_469
    assert len(stores(baskets)) == 457
    assert len(set(baskets["order_ref"].to_pylist())) == 155_848


def test_purchases_are_in_the_order_they_happened_and_of_their_number(baskets: pa.Table) -> None:
    order = list(zip(baskets["occurred_at"].to_pylist(), map(int, baskets["order_ref"].to_pylist()), strict=True))

    assert order == sorted(order)


def test_the_whole_dollars_of_january_are_367112_points(baskets: pa.Table) -> None:
    amounts = zip(baskets["month"].to_pylist(), baskets["amount"].to_pylist(), strict=True)

    assert sum(cents // 100 for month, cents in amounts if month == "2017-01") == 367_112


def test_redeeming_before_earning_recovers_49717_points_in_january(baskets: pa.Table) -> None:
    balances: dict[str, int] = {}
    recovered = 0
    columns = [baskets[name].to_pylist() for name in ("month", "card", "amount", "redeem_points")]
    for month, card, amount, wanted in zip(*columns, strict=True):
        if month != "2017-01":
            break
        redeemed = min(wanted, balances.get(card, 0))
        recovered += redeemed
        balances[card] = balances.get(card, 0) - redeemed + amount // 100

    assert recovered == 49_717


def test_every_household_has_a_card_with_a_check_digit(baskets: pa.Table) -> None:
    cards = households(baskets)

    assert card_number("1").startswith("600900000000001")
    assert all(is_card_number(card) for card in cards.values())
    assert set(cards.values()) == set(baskets["card"].to_pylist())


def test_each_local_month_is_a_file_and_together_they_are_the_year(baskets: pa.Table, tmp_path: Path) -> None:
    written = write_purchases(baskets, tmp_path)

    tables = {month: pq.read_table(path) for month, path in written.items()}
    assert list(tables) == [f"2017-{month:02}" for month in range(1, 13)]
    assert sum(table.num_rows for table in tables.values()) == baskets.num_rows
    december = tables["2017-12"]["occurred_at"].cast(pa.timestamp("us", "America/New_York"))
    assert max(december.to_pylist()).date() == date(2017, 12, 31)
    assert max(tables["2017-12"]["occurred_at"].to_pylist()).date() == date(2018, 1, 1)
