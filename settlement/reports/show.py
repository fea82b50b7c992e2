"""Reports of a network in JSON and on the console."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from settlement.reports.documents import Ageing, NetworkReport
from settlement.reports.rules import (
    BUCKETS,
    MONEY_FIGURES,
    POINT_FIGURES,
    AgedStore,
    Change,
    ComparedMonth,
    Efficiency,
    UnpaidLeg,
    bucket_totals,
)
from tenants.foundation.console import out, print_fields, print_rows
from tenants.foundation.money import show_money
from tenants.foundation.months import show_month

# In the order of BUCKETS, in days past the due day.
BUCKET_NAMES = ("not due", "1-30", "31-60", "61-90", "over 90")


def report_as_json(report: NetworkReport) -> dict[str, Any]:
    document = report.settlement
    return {
        "network": document.network_code,
        "month": show_month(document.month),
        "currency": document.currency,
        "version": document.version,
        "state": document.state,
        "model": document.model,
        "efficiency": efficiency_as_json(report.efficiency),
        "largest_flows": [
            {
                "issuing_store": flow.issuing_code,
                "redeeming_store": flow.redeeming_code,
                "points": flow.points,
                "amount": flow.amount,
            }
            for flow in report.largest_flows
        ],
        "months": months_as_json(report.months),
    }


def efficiency_as_json(efficiency: Efficiency) -> dict[str, Any]:
    return {
        **vars(efficiency),
        "bilateral_saved": share_as_json(efficiency.bilateral_saved),
        "multilateral_saved": share_as_json(efficiency.multilateral_saved),
    }


def share_as_json(share: Decimal | None) -> str | None:
    return None if share is None else str(share)


def months_as_json(months: Sequence[ComparedMonth]) -> list[dict[str, Any]]:
    return [month_as_json(month) for month in months]


def month_as_json(month: ComparedMonth) -> dict[str, Any]:
    figures = month.figures
    return {
        "month": show_month(figures.month),
        "state": figures.state,
        "version": figures.version,
        **{name: getattr(figures, name) for name in (*POINT_FIGURES, *MONEY_FIGURES)},
        "efficiency": None if figures.efficiency is None else efficiency_as_json(figures.efficiency),
        "changes": {name: change_as_json(month.changes.get(name)) for name in (*POINT_FIGURES, *MONEY_FIGURES)},
    }


def change_as_json(change: Change | None) -> dict[str, Any] | None:
    return None if change is None else {"absolute": change.absolute, "share": share_as_json(change.share)}


def ageing_as_json(ageing: Ageing) -> dict[str, Any]:
    return {
        "as_of": ageing.as_of.isoformat(),
        "currency": ageing.currency,
        "collections": aged_as_json(ageing.collections),
        "payouts": aged_as_json(ageing.payouts),
        "legs": [leg_as_json(leg, ageing) for leg in ageing.legs],
    }


def aged_as_json(stores: Sequence[AgedStore]) -> dict[str, Any]:
    return {
        "total": buckets_as_json(bucket_totals(stores)),
        "stores": [
            {
                "store": store.store_code,
                "name": store.store_name,
                "participant": store.participant_name,
                **buckets_as_json(store.amounts),
            }
            for store in stores
        ],
    }


def buckets_as_json(amounts: Sequence[int]) -> dict[str, int]:
    return {**dict(zip(BUCKETS, amounts, strict=True)), "total": sum(amounts)}


def leg_as_json(leg: UnpaidLeg, ageing: Ageing) -> dict[str, Any]:
    return {
        "month": show_month(leg.month),
        "store": leg.store_code,
        "direction": leg.direction,
        "amount": abs(leg.amount),
        "due_on": leg.due_on.isoformat(),
        "days_past_due": leg.days_past_due(ageing.as_of),
        "bucket": leg.bucket(ageing.as_of),
        "state": leg.state,
    }


def print_report(report: NetworkReport) -> None:
    document, currency = report.settlement, report.settlement.currency
    head = ("network", "month", "version", "state", "model")
    print_fields({name: value for name, value in report_as_json(report).items() if name in head}, False)
    print_rows(efficiency_rows(report.efficiency, currency), False, f"What netting saves, in {currency}")
    flows = [
        {
            "issued_by": flow.issuing_code,
            "recovered_by": flow.redeeming_code,
            "points": flow.points,
            "amount": right(flow.amount, currency),
        }
        for flow in report.largest_flows
    ]
    print_rows(flows, False, f"Largest flows, amounts in {currency}")
    print_months(report.months, document.currency)


def efficiency_rows(efficiency: Efficiency, currency: str) -> list[dict[str, Any]]:
    rows = (
        ("one by one", efficiency.gross, efficiency.gross_payments, None),
        (
            "each two their difference",
            efficiency.bilateral,
            efficiency.bilateral_payments,
            efficiency.bilateral_saved,
        ),
        ("each its net", efficiency.multilateral, efficiency.multilateral_payments, efficiency.multilateral_saved),
    )
    return [
        {"paid": name, "amount": right(minor, currency), "payments": payments, "saved": percent(saved)}
        for name, minor, payments, saved in rows
    ]


def right(minor: int | None, currency: str) -> str:
    return "-" if minor is None else f"{show_money(minor, currency):>16}"


def percent(share: Decimal | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def print_months(months: Sequence[ComparedMonth], currency: str) -> None:
    rows = [month_row(month, currency) for month in months]
    print_rows(rows, False, f"Months, money in {currency}; changes against the month before")


def month_row(month: ComparedMonth, currency: str) -> dict[str, Any]:
    figures = month.figures
    row: dict[str, Any] = {"month": show_month(figures.month), "state": figures.state}
    for name in POINT_FIGURES[:2]:
        row |= {name: getattr(figures, name), f"{name}_change": changed(month, name)}
    row |= {name: getattr(figures, name) for name in POINT_FIGURES[2:]}
    for name in MONEY_FIGURES:
        row[name] = right(getattr(figures, name), currency)
    return {**row, "netting_saves": percent(figures.saved)}


def changed(month: ComparedMonth, name: str) -> str:
    change = month.changes.get(name)
    return "-" if change is None or change.share is None else f"{change.share:+.1%}"


def print_ageing(ageing: Ageing) -> None:
    for title, stores in (("Collections", ageing.collections), ("Payouts", ageing.payouts)):
        rows = [{"store": store.store_code, "name": store.store_name, "amounts": store.amounts} for store in stores]
        rows.append({"store": "total", "name": "", "amounts": bucket_totals(stores)})
        shown = [aged_row(row, ageing.currency) for row in rows]
        print_rows(
            shown, False, f"{title} unpaid at the end of {ageing.as_of}, in {ageing.currency}, by days past due"
        )
    out.print(f"{len(ageing.legs)} legs unpaid")


def aged_row(row: dict[str, Any], currency: str) -> dict[str, Any]:
    amounts = row.pop("amounts")
    names = (*BUCKET_NAMES, "total")
    return row | {name: right(minor, currency) for name, minor in zip(names, (*amounts, sum(amounts)), strict=True)}
