from __future__ import annotations

from datetime import UTC, date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from clearinghouse.imports.rules import COLUMNS, Conditions, Row, check_header, check_row, parse_moment
from tenants.foundation.errors import InvalidInput

STORE_ID = UUID(int=7)
CARD = "6290000000000014"
NEW_YORK = ZoneInfo("America/New_York")
CONDITIONS = Conditions({"S1": STORE_ID}, NEW_YORK, date(2026, 1, 1), datetime(2026, 11, 21, 12, tzinfo=UTC))
GOOD = Row(2, "A-1", "S1", CARD, "2026-03-01T10:00:00-05:00", "2599", "")


def test_a_good_row_becomes_a_purchase_in_utc_with_the_networks_own_day() -> None:
    purchase = check_row(GOOD._replace(occurred_at="2026-03-01T03:00:00+00:00"), CONDITIONS)

    assert purchase.store_id == STORE_ID
    assert purchase.occurred_at == datetime(2026, 3, 1, 3, tzinfo=UTC)
    assert purchase.business_date == date(2026, 2, 28)
    assert (purchase.amount, purchase.redeem_points) == (2599, 0)


@pytest.mark.parametrize(
    ("column", "cell", "code"),
    [
        ("order_ref", "", "order_ref_invalid"),
        ("order_ref", None, "order_ref_invalid"),
        ("order_ref", "x" * 65, "order_ref_invalid"),
        ("order_ref", "a\x07b", "order_ref_invalid"),
        ("order_ref", "a\x00b", "order_ref_invalid"),
        ("store", "S2", "store_unknown"),
        ("store", "", "store_unknown"),
        ("store", None, "store_unknown"),
        ("card", "6290000000000018", "card_number_invalid"),
        ("card", "", "card_number_invalid"),
        ("card", None, "card_number_invalid"),
        ("amount", "", "amount_invalid"),
        ("amount", None, "amount_invalid"),
        ("amount", "-1", "amount_invalid"),
        ("amount", -1, "amount_invalid"),
        ("amount", "25.99", "amount_invalid"),
        ("amount", "1e3", "amount_invalid"),
        ("amount", " 1", "amount_invalid"),
        ("amount", "²", "amount_invalid"),
        ("amount", "٣", "amount_invalid"),
        ("amount", str(2**53 + 1), "amount_invalid"),
        ("amount", "9" * 5000, "amount_invalid"),
        ("redeem_points", "-1", "redeem_points_invalid"),
        ("redeem_points", "1.5", "redeem_points_invalid"),
        ("redeem_points", 2**53 + 1, "redeem_points_invalid"),
        ("occurred_at", "", "occurred_at_invalid"),
        ("occurred_at", None, "occurred_at_invalid"),
        ("occurred_at", "yesterday", "occurred_at_invalid"),
        ("occurred_at", "2026-03-01", "occurred_at_invalid"),
        ("occurred_at", "2026-02-30T10:00:00Z", "occurred_at_invalid"),
        ("occurred_at", "2026-03-01T25:00:00Z", "occurred_at_invalid"),
        ("occurred_at", "0001-01-01T00:00:00+14:00", "occurred_at_invalid"),
        ("occurred_at", "2026-11-21T12:00:01Z", "occurred_at_in_future"),
        ("occurred_at", "9999-12-31T23:59:59+00:00", "occurred_at_in_future"),
        ("occurred_at", "2025-12-31T23:59:59-05:00", "occurred_at_too_early"),
        ("occurred_at", "2026-03-08T02:30:00", "occurred_at_skipped"),
    ],
)
def test_a_row_is_rejected_for_the_first_column_that_is_wrong(column: str, cell: object, code: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_row(GOOD._replace(**{column: cell}), CONDITIONS)

    assert caught.value.code == code


@pytest.mark.parametrize(
    ("column", "cell", "value"),
    [
        ("amount", "0", 0),
        ("amount", 0, 0),
        ("amount", str(2**53), 2**53),
        ("redeem_points", None, 0),
        ("redeem_points", "", 0),
        ("redeem_points", 5, 5),
        ("redeem_points", "5", 5),
    ],
)
def test_whole_numbers_from_0_to_2_to_the_53_are_good(column: str, cell: object, value: int) -> None:
    assert getattr(check_row(GOOD._replace(**{column: cell}), CONDITIONS), column) == value


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-03-01T10:00:00Z", "2026-03-01T10:00:00+00:00"),
        ("2026-03-01T10:00:00-05:00", "2026-03-01T15:00:00+00:00"),
        ("2026-03-01 10:00", "2026-03-01T15:00:00+00:00"),
        ("2026-07-01T10:00:00.25", "2026-07-01T14:00:00.250000+00:00"),
        ("2026-03-08T01:59:59", "2026-03-08T06:59:59+00:00"),
        ("2026-03-08T03:00:00", "2026-03-08T07:00:00+00:00"),
        ("2026-11-01T01:30:00", "2026-11-01T05:30:00+00:00"),
        ("2026-11-01T02:00:00", "2026-11-01T07:00:00+00:00"),
    ],
)
def test_a_time_without_offset_is_local_and_one_shown_twice_is_the_first(text: str, utc: str) -> None:
    assert parse_moment(text, NEW_YORK).isoformat() == utc


@pytest.mark.parametrize(
    "names",
    [
        list(COLUMNS),
        list(reversed(COLUMNS)),
        [name for name in COLUMNS if name != "redeem_points"],
        ["line", "code", "reason", *COLUMNS],
    ],
)
def test_the_columns_may_have_any_order_and_be_those_of_a_rejected_file(names: list[str]) -> None:
    assert check_header(names) is None


@pytest.mark.parametrize(
    ("names", "named"),
    [
        ([], "missing: 'order_ref'"),
        (["order_ref;store;card;occurred_at;amount"], "unknown: 'order_ref;store"),
        ([*COLUMNS, "redeem_point"], "unknown: 'redeem_point'"),
        ([*COLUMNS, "amount"], "twice: 'amount'"),
        (["order_ref", "store", "card", "amount"], "missing: 'occurred_at'"),
    ],
)
def test_a_header_with_a_column_missing_unknown_or_twice_is_refused(names: list[str], named: str) -> None:
    with pytest.raises(InvalidInput, match="columns must be") as caught:
        check_header(names)

    assert named in caught.value.message
