"""Valuations of published months: by service, over HTTP and on the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from apiflask import APIFlask
from click.testing import CliRunner
from sqlalchemy import create_engine, text

from clearinghouse.ledger.checks import check_ledger
from cli import clearinghouse
from settlement.valuation.assumptions import Assumptions
from settlement.valuation.rules import CAPE_COD, CHAIN_LADDER, CLOSED
from settlement.valuation.service import back_tests, value_month
from settlement.windows.service import close_month
from tenants.foundation.config import Settings
from tenants.foundation.errors import Conflict, IntegrityFailure
from tests.conftest import ROOT, NetworkForTests

MONTHS = [date(2026, month, 1) for month in range(1, 6)]
RULE = "/v1/settlement/valuations/<month>"


@pytest.fixture
def valued(make_network: Callable[..., NetworkForTests]) -> NetworkForTests:
    """Five months of a programme whose points live for two: each month one member gets 1,000 points and redeems 100
    of them at once, 200 in the month after, and 100 or 150 in the last."""
    network = make_network(expiry_policy="P2M", funding_rate=Decimal("1.2"), redemption_rate=Decimal(1))
    till = network.add_till("A")
    for number, month in enumerate(MONTHS):
        card = network.add_card()
        till.accrue(card, 100_000, occurred_at=f"{month}T12:00:00Z")
        for later, points in zip(MONTHS[number:], (100, 200, 100 + 50 * (number % 2)), strict=False):
            till.redeem(card, points, occurred_at=f"{later}T13:00:00Z")
    for month in MONTHS:
        close_month(network.tenant_id, month, "test")
    return network


def test_each_month_of_issue_is_valued_by_what_older_ones_have_shown(valued: NetworkForTests) -> None:
    valuation = value_month(valued.tenant_id, None, Assumptions())

    assert valuation.month == MONTHS[-1]
    assert [c.method for c in valuation.cohorts] == [CLOSED, CLOSED, CLOSED, CHAIN_LADDER, CAPE_COD]
    assert [(c.redeemed, c.expired, c.outstanding) for c in valuation.cohorts] == [
        (400, 600, 0),
        (450, 550, 0),
        (400, 600, 0),
        (300, 0, 700),
        (100, 0, 900),
    ]
    # 300 x (400 + 450 + 400) / (300 + 300 + 300); Cape Cod develops 1,000 points by 0.72 and 0.24.
    assert valuation.cohorts[3].ultimate.estimate == 417
    assert valuation.cohorts[4].ultimate.estimate == round(100 + 0.76 * 1000 * 1650 / 3960)
    assert valuation.total("expected") == valuation.liability.expected.estimate == 117 + 317
    assert valuation.liability.amount == 434
    assert valuation.reconciliation.holds and valuation.reconciliation.closing_outstanding == 1600


def test_a_month_is_valued_with_what_was_known_then(valued: NetworkForTests) -> None:
    card = valued.add_card()
    valued.tills["A"].accrue(card, 5000, occurred_at="2026-03-10T12:00:00Z")  # Late: joins June.

    assert value_month(valued.tenant_id, MONTHS[2], Assumptions()).total("issued") == 3000


def test_revenue_follows_redemptions_and_the_change_of_the_estimate(valued: NetworkForTests) -> None:
    revenue = value_month(valued.tenant_id, None, Assumptions()).revenue

    assert revenue is not None
    # 1,200 deferred a month: three months earned whole, 300 of 417 and 100 of 417 redemptions.
    assert (revenue.allocated, revenue.recognised) == (6000, 3 * 1200 + 863 + 288)
    assert revenue.deferred == 1249
    before = value_month(valued.tenant_id, MONTHS[3], Assumptions()).revenue
    assert before is not None and revenue.earned == revenue.recognised - before.recognised


def test_breakage_of_the_members_is_not_earned_but_owed(valued: NetworkForTests) -> None:
    valuation = value_month(valued.tenant_id, None, Assumptions(breakage_to="members"))

    assert valuation.liability.amount == 1600 + 600 + 550 + 600
    assert valuation.revenue is not None
    assert valuation.revenue.recognised == round(Decimal("1.2") * (400 + 450 + 400 + 300 + 100))


def test_the_back_test_sets_what_came_against_what_was_expected_then(valued: NetworkForTests) -> None:
    tests = back_tests(valued.tenant_id, None, Assumptions())

    assert [t.month for t in tests] == MONTHS[2:4]
    assert [(t.came_next, t.came) for t in tests] == [(350, 450), (300, 300)]
    # At the end of March only January's points had ended: 300 -> 400, and 100 -> 300.
    assert tests[0].expected == 100 + (200 + 100)


def test_a_month_without_an_end_in_sight_asks_for_one(valued: NetworkForTests) -> None:
    with pytest.raises(Conflict, match="--final-rate"):
        value_month(valued.tenant_id, MONTHS[1], Assumptions())

    stated = value_month(valued.tenant_id, MONTHS[1], Assumptions(final_rate=Decimal("0.4")))

    assert [c.ultimate.estimate for c in stated.cohorts] == [400, 400]
    assert value_month(valued.tenant_id, MONTHS[2], Assumptions()).revenue is None


def test_points_that_never_expire_need_a_stated_end(make_network: Callable[..., NetworkForTests]) -> None:
    network = make_network(expiry_policy="never")
    till, card = network.add_till("A"), network.add_card()
    till.accrue(card, 100_000, occurred_at="2026-01-10T12:00:00Z")
    till.redeem(card, 300, occurred_at="2026-01-11T12:00:00Z")
    close_month(network.tenant_id, MONTHS[0], "test")

    with pytest.raises(Conflict) as refused:
        value_month(network.tenant_id, None, Assumptions())
    stated = value_month(network.tenant_id, None, Assumptions(final_rate=Decimal("0.9")))

    assert refused.value.code == "final_rate_missing"
    assert stated.liability.expected.estimate == 600


def test_nothing_is_valued_without_points_or_a_published_month(network: NetworkForTests) -> None:
    with pytest.raises(Conflict, match="No month has been published"):
        value_month(network.tenant_id, None, Assumptions())
    close_month(network.tenant_id, MONTHS[0], "test")

    with pytest.raises(Conflict, match="No points had been issued"):
        value_month(network.tenant_id, None, Assumptions())


def test_lots_that_differ_from_the_published_month_are_not_valued(valued: NetworkForTests) -> None:
    owner = create_engine(valued.app.config["SQLALCHEMY_DATABASE_URI"])
    with owner.begin() as connection:
        connection.execute(
            text(
                "UPDATE settlement.windows SET opening_outstanding = opening_outstanding - 1, "
                "closing_outstanding = closing_outstanding - 1 WHERE tenant_id = :tenant AND month = '2026-05-01'"
            ),
            {"tenant": valued.tenant_id},
        )
    owner.dispose()

    with pytest.raises(IntegrityFailure, match="ledger check"):
        value_month(valued.tenant_id, None, Assumptions())


def test_the_answer_over_http_conforms_to_its_schema(app: APIFlask, valued: NetworkForTests) -> None:
    answer = valued.hq("GET", "/v1/settlement/valuations/2026-05?cost_per_point=0.8&breakage_to=hq&recent=2")

    body = answer.json
    assert body["assumptions"]["cost_per_point"] == "0.8"
    assert body["liability"]["amount"] == round(Decimal("0.8") * body["expected_redemptions"]["estimate"])
    assert body["cohorts"][0]["redeemed_by_age"] == [100, 300, 400, 400, 400]
    assert body["cohorts"][0]["ultimate_redemption_rate"] == dict.fromkeys(("estimate", "low", "high"), "0.4000")
    assert valued.hq("GET", "/v1/settlement/valuations/2026-03").status_code == 200


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("2026-13", 422, "invalid_month"),
        ("2027-01", 404, "window_unknown"),
        ("2026-02", 409, "final_rate_missing"),
        ("2026-05?cost_per_point=NaN", 422, "invalid_input"),
        ("2026-05?cost_per_point=-1", 422, "invalid_input"),
        ("2026-05?price_per_point=1e999", 422, "invalid_input"),
        ("2026-05?breakage_to=nobody", 422, "invalid_input"),
        ("2026-05?final_rate=0", 422, "invalid_assumption"),
        ("2026-05?final_rate=1.01", 422, "invalid_assumption"),
        ("2026-05?final_rate=sNaN", 422, "invalid_input"),
        ("2026-05?recent=0", 422, "invalid_input"),
        ("2026-05?recent=1.5", 422, "invalid_input"),
        ("2026-05?unknown=1", 422, "invalid_input"),
    ],
)
def test_what_can_not_be_valued_says_why(valued: NetworkForTests, path: str, status: int, code: str) -> None:
    answer = valued.hq("GET", f"/v1/settlement/valuations/{path}")

    assert (answer.status_code, answer.json["code"]) == (status, code), answer.json


def test_a_till_may_not_see_it(valued: NetworkForTests) -> None:
    answer = valued.tills["A"].call("GET", "/v1/settlement/valuations/2026-05")

    assert (answer.status_code, answer.json["code"]) == (403, "wrong_kind_of_key")


@pytest.fixture
def run(settings: Settings, valued: NetworkForTests) -> Callable[..., str]:
    environment = {
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "CLEARINGHOUSE_VAR": str(settings.var),
    }

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(clearinghouse, ["valuation", *arguments, "-n", valued.code], env=environment)
        assert result.exit_code == 0, (result.output, result.exception)
        return result.stdout

    return run


def test_command_line_and_http_give_the_same_figures(run: Callable[..., str], valued: NetworkForTests) -> None:
    shown = json.loads(run("show", "-m", "2026-05", "--price-per-point", "2", "--json"))

    assert shown == valued.hq("GET", "/v1/settlement/valuations/2026-05?price_per_point=2").json


def test_the_console_shows_every_month_of_issue_and_the_totals(run: Callable[..., str]) -> None:
    shown = run("show")

    assert "2026-04" in shown and "41.7%" in shown
    assert "USD 4.34" in shown
    assert "1,600 - 0 = 1,600" in shown
    assert "it stays a liability" in run("show", "--breakage-to", "members")
    assert "needs a --final-rate" in run("show", "-m", "2026-03")


def test_the_back_test_is_shown(run: Callable[..., str]) -> None:
    found: list[dict[str, Any]] = json.loads(run("backtest", "--json"))

    assert [test["month"] for test in found] == ["2026-03", "2026-04"]
    assert "2026-03" in run("backtest")


def test_networks_stay_apart(valued: NetworkForTests, network: NetworkForTests) -> None:
    network.tills["A"].accrue(network.add_card(), 7_000, occurred_at="2026-01-10T12:00:00Z")
    close_month(network.tenant_id, MONTHS[0], "test")

    own = value_month(network.tenant_id, None, Assumptions(final_rate=Decimal(1)))

    assert own.total("issued") == 70
    assert check_ledger(network.tenant_id) == []


def test_the_export_writes_a_pdf_and_a_workbook(run: Callable[..., str]) -> None:
    paths = [Path(row["file"]) for row in json.loads(run("export", "-m", "2026-05", "--json"))]

    assert [path.name for path in paths] == ["valuation.pdf", "valuation.xlsx"]
    assert [path.read_bytes()[:4] for path in paths] == [b"%PDF", b"PK\x03\x04"]


def test_a_worker_of_the_http_server_does_not_carry_the_method() -> None:
    check = "import cli, sys; sys.exit('numpy' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", check], cwd=ROOT, check=False).returncode == 0
