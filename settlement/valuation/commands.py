from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from functools import wraps
from typing import Any

import click

from settlement.valuation.assumptions import BREAKAGE_TO, HEAD_OFFICE, Assumptions
from settlement.valuation.service import back_tests, export_valuation, value_month
from settlement.valuation.show import back_test_as_json, print_valuation, show_back_test, valuation_as_json
from tenants.foundation.console import DECIMAL, err, json_option, network_option, print_rows, with_app
from tenants.foundation.months import parse_month
from tenants.networks.service import find_network_id

month_option = click.option("--month", "-m", help="A published month, like 2026-11; the newest when left out.")

ASSUMPTIONS = (
    click.option(
        "--cost-per-point", type=DECIMAL, help="Minor units a redeemed point costs; else the redemption rate."
    ),
    click.option("--price-per-point", type=DECIMAL, help="Minor units deferred for a point; else the funding rate."),
    click.option(
        "--breakage-to",
        type=click.Choice(BREAKAGE_TO),
        default=HEAD_OFFICE,
        show_default=True,
        help="Who is entitled to breakage; if not hq, it stays a liability.",
    ),
    click.option(
        "--final-rate", type=DECIMAL, help="Part that the oldest points without an end in sight will redeem."
    ),
    click.option("--recent", type=int, help="Let each age develop as in the newest so many months of issue."),
)


def assumption_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command gets them as `assumptions`."""

    @wraps(command)
    def with_assumptions(
        *args: Any,
        cost_per_point: Decimal | None,
        price_per_point: Decimal | None,
        breakage_to: str,
        final_rate: Decimal | None,
        recent: int | None,
        **kwargs: Any,
    ) -> Any:
        assumptions = Assumptions(cost_per_point, price_per_point, breakage_to, final_rate, recent)
        return command(*args, assumptions=assumptions, **kwargs)

    for option in reversed(ASSUMPTIONS):
        with_assumptions = option(with_assumptions)
    return with_assumptions


@click.group()
def valuation() -> None:
    """What outstanding points will cost: ultimate redemption rates, liability, breakage, revenue."""


@valuation.command()
@network_option
@month_option
@assumption_options
@json_option
@with_app
def show(network: str, month: str | None, assumptions: Assumptions, as_json: bool) -> None:
    """Value the points of each month of issue at the end of a published month."""
    tenant_id = find_network_id(network)
    with err.status("valuing"):
        valued = value_month(tenant_id, parse_month(month) if month else None, assumptions)
    if as_json:
        click.echo(json.dumps(valuation_as_json(valued), indent=2, ensure_ascii=False))
    else:
        print_valuation(valued)


@valuation.command()
@network_option
@month_option
@assumption_options
@json_option
@with_app
def backtest(network: str, month: str | None, assumptions: Assumptions, as_json: bool) -> None:
    """Value each past month with only what was known then, against the redemptions that came.

    Left out are months that needed a --final-rate.
    """
    tenant_id = find_network_id(network)
    with err.status("valuing"):
        tests = back_tests(tenant_id, parse_month(month) if month else None, assumptions)
    shown = back_test_as_json if as_json else show_back_test
    print_rows([shown(test) for test in tests], as_json, "Redemptions expected and come, in points")


@valuation.command()
@network_option
@month_option
@assumption_options
@json_option
@with_app
def export(network: str, month: str | None, assumptions: Assumptions, as_json: bool) -> None:
    """Write a PDF and an XLSX of a valuation with its triangle, assumptions and back-test."""
    tenant_id = find_network_id(network)
    with err.status("valuing"):
        paths = export_valuation(tenant_id, parse_month(month) if month else None, assumptions)
    print_rows([{"file": str(path)} for path in paths], as_json)
