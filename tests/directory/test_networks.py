from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import psycopg2
import pytest

from tenants.foundation.database_errors import explain_database_error
from tenants.foundation.errors import ClearinghouseError, Conflict
from tenants.networks.service import list_networks, show_rate
from tests.conftest import NetworkForTests

REFUSED = [
    ({"code": "Upper"}, "invalid_code"),
    ({"code": "a" * 41}, "invalid_code"),
    ({"code": "a\n"}, "invalid_code"),
    ({"name": ""}, "invalid_name"),
    ({"name": "a\x07"}, "invalid_name"),
    ({"time_zone": "Mars/Olympus"}, "invalid_time_zone"),
    ({"time_zone": "../../etc/passwd"}, "invalid_time_zone"),
    ({"currency": "usd"}, "invalid_currency"),
    ({"currency": "XXX"}, "invalid_currency"),
    ({"funding_rate": Decimal(-1)}, "invalid_rate"),
    ({"redemption_rate": Decimal("NaN")}, "invalid_rate"),
    ({"redemption_rate": Decimal("0.0000001")}, "invalid_rate"),
    ({"redemption_rate": Decimal(10) ** 6}, "invalid_rate"),
    ({"opened_on": date(1, 1, 1)}, "opened_on_out_of_range"),
    ({"opened_on": date(9999, 1, 1)}, "opened_on_out_of_range"),
    ({"days_accepted_late": -1}, "invalid_days"),
    ({"close_grace_days": 28}, "invalid_days"),
    ({"expiry_policy": "soon"}, "invalid_expiry_policy"),
]


@pytest.mark.parametrize(("fields", "code"), REFUSED)
def test_a_network_that_could_not_work_is_refused(
    make_network: Callable[..., NetworkForTests], fields: dict[str, Any], code: str
) -> None:
    before = list_networks()

    with pytest.raises(ClearinghouseError) as refusal:
        make_network(**fields)

    assert refusal.value.code == code
    assert list_networks() == before


def test_a_network_code_is_used_once(network: NetworkForTests, make_network: Callable[..., NetworkForTests]) -> None:
    with pytest.raises(Conflict, match=network.code):
        make_network(code=network.code)


RATES = [("1.000000", "1"), ("0.850000", "0.85"), ("100.000000", "100"), ("0", "0"), ("1E+5", "100000")]


@pytest.mark.parametrize(("rate", "shown"), RATES)
def test_a_rate_is_shown_without_needless_digits(rate: str, shown: str) -> None:
    assert show_rate(Decimal(rate)) == shown


def test_before_the_first_init_the_reader_is_told_to_run_it() -> None:
    error = psycopg2.OperationalError('FATAL:  role "clearinghouse_app" does not exist')

    explained = explain_database_error(error)

    assert explained is not None
    assert explained.code == "database_not_migrated"
    assert "clearinghouse init" in explained.message
