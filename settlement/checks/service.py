"""Published months against the ledger they came from: the part of `ledger check` that knows of settlement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import select

from clearinghouse.ledger.checks import Finding
from settlement.netting import queries
from settlement.netting.rules import StoreDay, sum_stores, total_of
from settlement.netting.tables import DayRow, FlowRow, PositionRow
from settlement.proposals.tables import Settlement
from settlement.statements.service import points_of_row
from settlement.windows.service import totals_of
from settlement.windows.tables import Window
from tenants.foundation.database import Unit, unit_of_work
from tenants.foundation.months import show_month


def check_settlement(tenant_id: UUID) -> list[Finding]:
    """Net every published month again; empty when each comes out as it was published."""
    with unit_of_work(tenant_id, isolation="REPEATABLE READ") as session:
        windows = session.scalars(select(Window).where(Window.published_at.is_not(None)).order_by(Window.month)).all()
        findings: list[Finding] = []
        outstanding = 0
        for window in windows:
            findings += check_window(session, window, outstanding)
            outstanding = window.closing_outstanding or 0
        return findings


def check_proposal(session: Unit, settlement: Settlement) -> list[Finding]:
    """What has to be empty before a settlement is approved."""
    return []


def check_window(session: Unit, window: Window, opening_outstanding: int) -> list[Finding]:
    month = window.month
    days = queries.points_by_day(session, month)
    published = {
        row.store_id: points_of_row(row)
        for row in session.scalars(select(PositionRow).where(PositionRow.month == month))
    }
    summed = {points.store_id: points for points in sum_stores([*published], days)}
    return [
        *compare("positions", month, summed, published),
        *compare("days", month, {(d.store_id, d.day): d for d in days}, published_days(session, month)),
        *compare("matrix", month, queries.flows(session, month), published_flows(session, month)),
        *compare(
            "totals",
            month,
            {"network": total_of(summed.values(), opening_outstanding)},
            {"network": totals_of(window)},
        ),
    ]


def published_days(session: Unit, month: date) -> dict[tuple[UUID, date], StoreDay]:
    rows = session.scalars(select(DayRow).where(DayRow.month == month))
    return {
        (row.store_id, row.day): StoreDay(row.store_id, row.day, row.issued, row.recovered, row.expired, row.borne)
        for row in rows
    }


def published_flows(session: Unit, month: date) -> dict[tuple[UUID, UUID], int]:
    rows = session.scalars(select(FlowRow).where(FlowRow.month == month))
    return {(row.funder_id, row.redeeming_store_id): row.points for row in rows}


def compare(name: str, month: date, expected: Mapping[Any, Any], found: Mapping[Any, Any]) -> Iterable[Finding]:
    for key in expected.keys() | found.keys():
        if expected.get(key) != found.get(key):
            subject = f"{show_month(month)} {key}"
            yield Finding(f"published {name}", subject, str(expected.get(key)), str(found.get(key)))
