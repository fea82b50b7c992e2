"""A valuation on the console and in HTTP answers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from settlement.valuation.documents import Valuation
from settlement.valuation.rules import RANGE_ERRORS, YOUNG_BELOW, BackTest, CohortValue, Range
from tenants.foundation.console import out, print_fields, print_rows
from tenants.foundation.money import show_money
from tenants.foundation.months import show_month
from tenants.networks.service import show_rate

FACTOR_DECIMALS = 6


def print_valuation(valuation: Valuation) -> None:
    print_cohorts(valuation)
    print_fields(totals_for_people(valuation), False)
    checked = valuation.reconciliation
    out.print(
        f"[green]holds[/green]  points of the months of issue less those owed = published outstanding: "
        f"{checked.outstanding + checked.issued_later:,} - {checked.owed:,} = {checked.closing_outstanding:,}",
        soft_wrap=True,
    )


def print_cohorts(valuation: Valuation) -> None:
    title = f"Points by month of issue, at the end of {show_month(valuation.month)}"
    print_rows([show_cohort(cohort) for cohort in valuation.cohorts], False, title)


def show_cohort(cohort: CohortValue) -> dict[str, Any]:
    rate, low, high = (show_percent(r) for r in rates_of(cohort).values())
    return {
        "month": show_month(cohort.cohort),
        "issued": cohort.issued,
        "redeemed": cohort.redeemed,
        "expired": cohort.expired,
        "outstanding": cohort.outstanding,
        "method": cohort.method,
        "developed": show_percent(cohort.developed),
        "URR": rate,
        "range": rate if low == high else f"{low} to {high}",
        "expected": cohort.expected,
    }


def rates_of(cohort: CohortValue) -> dict[str, Decimal | None]:
    """The ultimate redemption rate and its range."""
    return {name: cohort.rate_of(points) for name, points in vars(cohort.ultimate).items()}


def show_percent(rate: Decimal | None) -> str:
    return "-" if rate is None else f"{rate:.1%}"


def totals_for_people(valuation: Valuation) -> dict[str, Any]:
    liability, revenue, currency = valuation.liability, valuation.revenue, valuation.currency
    fields = {
        "network": valuation.network_code,
        "month": show_month(valuation.month),
        "cost_per_point": f"{show_rate(valuation.cost_per_point)} minor units",
        "outstanding": f"{valuation.total('outstanding'):,} points",
        "expected_redemptions": f"{show_range(liability.expected)} points",
        "breakage": f"{show_range(liability.breakage)} points",
        "worth": show_money_range(liability.breakage_amount, currency),
        "breakage_to": "head office" if valuation.is_breakage_kept else "members: it stays a liability",
        "liability": f"{currency} {show_money(liability.amount, currency)}",
        "of_it_redemptions": show_money_range(liability.expected_amount, currency),
    }
    if not valuation.is_breakage_kept:
        fields["of_it_breakage"] = (
            f"{currency} {show_money(liability.unredeemed_amount, currency)} to come, "
            f"{show_money(liability.expired_amount, currency)} so far"
        )
    if revenue is None:
        return {**fields, "revenue_of_the_month": "not known: the month before needs a --final-rate"}
    return {
        **fields,
        "revenue_of_the_month": f"{currency} {show_money(revenue.earned, currency)}, "
        f"of it {show_money(revenue.catch_up, currency)} because the estimate has changed",
        "revenue_deferred": f"{currency} {show_money(revenue.deferred, currency)}",
    }


def show_range(points: Range) -> str:
    return f"{points.estimate:,} ({points.low:,} to {points.high:,})"


def show_money_range(minor: Range, currency: str) -> str:
    estimate, low, high = (show_money(amount, currency) for amount in vars(minor).values())
    return f"{currency} {estimate} ({low} to {high})"


def back_test_as_json(test: BackTest) -> dict[str, Any]:
    return {**vars(test), "month": show_month(test.month)}


def show_back_test(test: BackTest) -> dict[str, Any]:
    return {
        "valued_at": show_month(test.month),
        "expected_next_month": test.expected_next,
        "came": test.came_next,
        "off_by": show_difference(test.expected_next, test.came_next),
        "expected_since": test.expected,
        "came_since": test.came,
        "off": show_difference(test.expected, test.came),
        "standard_error": test.standard_error,
    }


def show_difference(expected: int, came: int) -> str:
    """How much more was expected than came."""
    return f"{Decimal(expected - came) / came:+.1%}" if came else "-"


def valuation_as_json(valuation: Valuation) -> dict[str, Any]:
    liability, revenue, checked = valuation.liability, valuation.revenue, valuation.reconciliation
    issued = valuation.total("issued")
    ultimate = valuation.total("redeemed") + liability.expected.estimate
    return {
        "network": valuation.network_code,
        "month": show_month(valuation.month),
        "currency": valuation.currency,
        "assumptions": assumptions_as_json(valuation),
        "issued": issued,
        "redeemed": valuation.total("redeemed"),
        "expired": valuation.total("expired"),
        "outstanding": valuation.total("outstanding"),
        "ultimate_redemption_rate": f"{Decimal(ultimate) / issued:.4f}" if issued > 0 else None,
        "expected_redemptions": vars(liability.expected),
        "standard_error": valuation.standard_error,
        "breakage": vars(liability.breakage),
        "breakage_amount": vars(liability.breakage_amount),
        "liability": {
            "amount": liability.amount,
            "expected_redemptions": vars(liability.expected_amount),
            "unredeemed_amount": liability.unredeemed_amount,
            "expired_amount": liability.expired_amount,
        },
        "revenue": None if revenue is None else {**vars(revenue), "deferred": revenue.deferred},
        "reconciliation": {
            "outstanding": checked.outstanding,
            "issued_later": checked.issued_later,
            "owed": checked.owed,
            "closing_outstanding": checked.closing_outstanding,
            "recovered": checked.recovered,
            "beyond_lots": checked.beyond_lots,
            "holds": checked.holds,
        },
        "factors": [f"{factor:.{FACTOR_DECIMALS}f}" for factor in valuation.projection.development.factors],
        "cape_cod_rate": f"{valuation.projection.cape_cod_rate:.{FACTOR_DECIMALS}f}",
        "cohorts": [
            cohort_as_json(cohort, row)
            for cohort, row in zip(valuation.cohorts, valuation.triangle.redeemed, strict=True)
        ],
    }


def assumptions_as_json(valuation: Valuation) -> dict[str, Any]:
    stated = valuation.assumptions
    return {
        "cost_per_point": show_rate(valuation.cost_per_point),
        "price_per_point": None if stated.price_per_point is None else show_rate(stated.price_per_point),
        "breakage_to": stated.breakage_to,
        "final_rate": None if stated.final_rate is None else show_rate(stated.final_rate),
        "recent": stated.recent,
        "young_below": str(YOUNG_BELOW),
        "range_errors": str(RANGE_ERRORS),
    }


def cohort_as_json(cohort: CohortValue, redeemed_by_age: tuple[int, ...]) -> dict[str, Any]:
    return {
        "month": show_month(cohort.cohort),
        "age": cohort.age,
        "issued": cohort.issued,
        "redeemed": cohort.redeemed,
        "expired": cohort.expired,
        "outstanding": cohort.outstanding,
        "method": cohort.method,
        "developed": str(cohort.developed),
        "ultimate_redemption_rate": {
            name: None if rate is None else str(rate) for name, rate in rates_of(cohort).items()
        },
        "expected_redemptions": cohort.expected,
        "standard_error": cohort.standard_error,
        "redeemed_by_age": list(redeemed_by_age),
    }
