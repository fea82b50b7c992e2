"""What statements are made of beside positions and lines. To be called inside a unit of work."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, or_, select, text
from sqlalchemy.orm import InstrumentedAttribute

from clearinghouse.ledger.queries import check_attached
from settlement.fees.tables import FeeRow
from settlement.netting.queries import as_array
from settlement.netting.tables import DayRow, FlowRow
from settlement.proposals.queries import JOINS_EARLY_AT_MOST, line_of
from settlement.proposals.rules import Line
from settlement.proposals.tables import LineRow
from settlement.statements.documents import DayLine
from tenants.foundation import ids
from tenants.foundation.database import Unit
from tenants.rates.tables import RateRow

# By store: what reversed accruals took back of its issued points, and reversed redemptions of its recovered ones.
REVERSED = text("""
    SELECT CASE WHEN target = 'issued' THEN target_id ELSE source_id END AS store_id,
           coalesce(sum(points) FILTER (WHERE target = 'issued'), 0)::bigint AS issued,
           coalesce(sum(points) FILTER (WHERE source = 'recovered'), 0)::bigint AS recovered
    FROM ledger.postings
    WHERE settlement_month = :month AND (target = 'issued' OR source = 'recovered')
    GROUP BY 1
""")

# Own points outstanding before the month: issued and borne before, and neither recovered anywhere nor expired.
OPENING = text("""
    SELECT store_id, sum(points)::bigint FROM (
        SELECT store_id, issued + borne - expired AS points FROM settlement.positions
        WHERE month < :month AND store_id = ANY (CAST(:stores AS uuid[]))
        UNION ALL
        SELECT funder_id, -points FROM settlement.flows
        WHERE month < :month AND funder_id = ANY (CAST(:stores AS uuid[]))) AS moved
    GROUP BY store_id
""")

Party = InstrumentedAttribute[UUID]


def reversed_points(session: Unit, month: date) -> dict[UUID, tuple[int, int]]:
    """By store: (of its issued, of its recovered points)."""
    check_attached(session, month, month)
    rows = session.execute(REVERSED, {"month": month})
    return {store_id: (issued, recovered) for store_id, issued, recovered in rows}


def own_points_outstanding(session: Unit, month: date, store_ids: Collection[UUID]) -> dict[UUID, int]:
    """By store, at the beginning of the month."""
    rows = session.execute(OPENING, {"month": month, "stores": as_array(store_ids)})
    return {store_id: points for store_id, points in rows}


def days_by_store(session: Unit, month: date, store_ids: Collection[UUID]) -> dict[UUID, list[DayLine]]:
    """In the order of the days."""
    statement = select(DayRow.store_id, DayRow.day, DayRow.issued, DayRow.recovered, DayRow.expired)
    statement = statement.where(DayRow.month == month, DayRow.store_id.in_(store_ids)).order_by(DayRow.day)
    days: dict[UUID, list[DayLine]] = {}
    for store_id, day, issued, recovered, expired in session.execute(statement):
        days.setdefault(store_id, []).append(DayLine(day, issued, recovered, expired))
    return days


def flows_of_stores(session: Unit, month: date, store_ids: Collection[UUID]) -> list[tuple[UUID, UUID, int]]:
    """(issuer, redeemer, points) where one of the stores is either."""
    statement = select(FlowRow.funder_id, FlowRow.redeeming_store_id, FlowRow.points).where(
        FlowRow.month == month, either(FlowRow.funder_id, FlowRow.redeeming_store_id, store_ids)
    )
    return [(issuer, redeemer, points) for issuer, redeemer, points in session.execute(statement)]


def lines_of_stores(session: Unit, settlement_id: UUID, store_ids: Collection[UUID]) -> list[Line]:
    """In their order, where one of the stores pays or is paid."""
    statement = (
        select(LineRow)
        .where(LineRow.settlement_id == settlement_id, either(LineRow.payer_id, LineRow.payee_id, store_ids))
        .order_by(LineRow.line)
    )
    return [line_of(row) for row in session.scalars(statement)]


def either(one: Party, other: Party, store_ids: Collection[UUID]) -> ColumnElement[bool]:
    return or_(one.in_(store_ids), other.in_(store_ids))


def fee_bases(session: Unit) -> dict[UUID, str]:
    return {fee_id: basis for fee_id, basis in session.execute(select(FeeRow.fee_id, FeeRow.basis))}


def rate_begins(session: Unit) -> dict[UUID, date]:
    return {rate_id: day for rate_id, day in session.execute(select(RateRow.rate_id, RateRow.valid_from))}


# Every transfer that the store made in the month, and those that moved points which it had issued; of each the points
# by flow and by the store on the other side. A transfer's id begins with the moment it was made, and none joins a
# month long before that begins: so the store's own are a range of an index.
ITEMS = text("""
    WITH moved AS MATERIALIZED (
        SELECT posting.transfer_id, flow.name AS flow, flow.counter_id, sum(flow.points)::bigint AS points
        FROM ledger.postings AS posting
        CROSS JOIN LATERAL (VALUES
            ('issued', NULL::uuid,
             CASE WHEN source = 'issued' AND source_id = :store THEN points
                  WHEN target = 'issued' AND target_id = :store THEN -points END),
            ('borne', CASE WHEN target = 'issued' THEN target_id WHEN source = 'issued' THEN source_id
                           ELSE funder_id END,
             CASE WHEN source = 'borne' AND source_id = :store THEN points
                  WHEN target = 'borne' AND target_id = :store THEN -points END),
            ('borne_elsewhere', CASE WHEN source = 'borne' THEN source_id ELSE target_id END,
             CASE WHEN source = 'borne' AND target = 'issued' AND target_id = :store THEN points
                  WHEN target = 'borne' AND source = 'issued' AND source_id = :store THEN -points END),
            ('recovered', funder_id,
             CASE WHEN target = 'recovered' AND target_id = :store THEN points
                  WHEN source = 'recovered' AND source_id = :store THEN -points END),
            ('own_recovered', CASE WHEN target = 'recovered' THEN target_id ELSE source_id END,
             CASE WHEN target = 'recovered' AND funder_id = :store THEN points
                  WHEN source = 'recovered' AND funder_id = :store THEN -points END),
            ('expired', NULL::uuid,
             CASE WHEN target = 'expired' AND funder_id = :store THEN points
                  WHEN source = 'expired' AND funder_id = :store THEN -points END)
        ) AS flow (name, counter_id, points)
        WHERE posting.settlement_month = :month AND :store IN (source_id, target_id, funder_id)
          AND flow.points IS NOT NULL
        GROUP BY posting.transfer_id, flow.name, flow.counter_id
    ), named AS (
        SELECT transfer_id FROM moved
        UNION
        SELECT transfer_id FROM ledger.transfers
        WHERE store_id = :store AND settlement_month = :month AND transfer_id >= :first_id
    )
    SELECT transfer.transfer_id, transfer.kind, transfer.business_date, transfer.store_id, transfer.order_ref,
           right(card.number, 4) AS card, moved.flow, moved.counter_id, moved.points, transfer.hash
    FROM named JOIN ledger.transfers AS transfer USING (transfer_id)
    LEFT JOIN moved USING (transfer_id)
    LEFT JOIN tenants.cards AS card USING (tenant_id, card_id)
    ORDER BY transfer.transfer_id, moved.flow, moved.counter_id
""")
ROWS_A_FETCH = 2_000


def stream_items(session: Unit, month: date, store_id: UUID) -> Iterator[Row[Any]]:
    """Some thousand rows at a time."""
    check_attached(session, month, month)
    begins = datetime.combine(month, time(), UTC) - JOINS_EARLY_AT_MOST
    parameters = {"month": month, "store": store_id, "first_id": ids.lowest_id_at(begins)}
    return iter(session.execute(ITEMS, parameters, execution_options={"yield_per": ROWS_A_FETCH}))
