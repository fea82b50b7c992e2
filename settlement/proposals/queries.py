"""What a month's lines are made of. To be called inside a unit of work."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import fields
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from sqlalchemy import TextClause, select, text

from clearinghouse.ledger.queries import check_attached
from settlement.adjustments.queries import adjustments_of
from settlement.disputes.queries import disputes_of
from settlement.fees.queries import fees_in_use
from settlement.fees.rules import TRANSFER, VOLUME, Fee
from settlement.netting.queries import published_days
from settlement.netting.tables import PositionRow
from settlement.proposals.rules import CARRIED_FORWARD, Activity, Line, Loss, Month, Use
from settlement.proposals.tables import LineRow, Settlement
from settlement.states.rules import FINAL, REJECTED
from settlement.terms.queries import terms_of
from settlement.terms.rules import ON_REDEMPTION
from tenants.foundation import clock, ids
from tenants.foundation.database import Unit
from tenants.foundation.months import last_day
from tenants.networks.service import get_network
from tenants.rates.queries import rate_book
from tenants.stores.tables import Store

# `period` counts the days of :first_days, on which rates change, up to the posting's: within one nothing changes.
# What repays a member's debt is used up too: head office, which carries the debt, recovers it.
USES = text("""
    SELECT funder_id,
           CASE WHEN target = 'recovered' THEN target_id
                WHEN source = 'recovered' THEN source_id ELSE tenant_id END AS redeemer_id,
           width_bucket(business_date, CAST(:first_days AS date[])) AS period,
           min(business_date) AS day,
           sum(CASE WHEN source = 'recovered' THEN -points ELSE points END)::bigint AS points
    FROM ledger.postings
    WHERE settlement_month = :month
      AND (target = 'recovered' OR source = 'recovered' OR source = 'lot' AND target = 'deficit')
    GROUP BY 1, 2, 3
""")

# Points that returns took back after they had been used: from whoever bears them, or from the member's other points.
LOSSES = text("""
    SELECT target_id AS issuer_id,
           CASE source WHEN 'borne' THEN source_id WHEN 'deficit' THEN tenant_id ELSE funder_id END AS bearer_id,
           width_bucket(business_date, CAST(:first_days AS date[])) AS period,
           min(business_date) AS day,
           sum(points)::bigint AS points
    FROM ledger.postings
    WHERE settlement_month = :month AND target = 'issued'
      AND (source IN ('borne', 'deficit') OR source = 'lot' AND funder_id <> target_id)
    GROUP BY 1, 2, 3
""")

# A transfer's id begins with the moment it was made, and none joins a month long before that begins.
ACTIVITY = text("""
    SELECT store_id, business_date,
           count(*) FILTER (WHERE kind IN ('accrual', 'redemption', 'capture')) AS transfers,
           coalesce(sum(CASE kind WHEN 'accrual' THEN amount WHEN 'accrual_reversal' THEN -amount END), 0)::bigint
    FROM ledger.transfers
    WHERE settlement_month = :month AND transfer_id >= :first_id AND store_id IS NOT NULL
    GROUP BY 1, 2
""")
JOINS_EARLY_AT_MOST = timedelta(days=2)


def month_of_settlement(session: Unit, tenant_id: UUID, month: date, approved: Settlement | None = None) -> Month:
    """All that `month`'s lines are made of: as it is now, or as it was when `approved` was approved."""
    terms = terms_of(session, month)
    rates = rate_book(session)
    fees = fees_in_use(session)
    stores = session.scalars(select(Store)).all()
    first_days = rates.first_days()
    time_zone = get_network(tenant_id).time_zone
    on_redemption = terms.model == ON_REDEMPTION
    return Month(
        tenant_id,
        month,
        terms.model,
        terms.minimum_payout,
        participants=participants_of(session, month),
        days=published_days(session, month),
        rates=rates,
        uses=[Use(*row) for row in by_period(session, USES, month, first_days)] if on_redemption else (),
        borne=[Loss(*row) for row in by_period(session, LOSSES, month, first_days)] if on_redemption else (),
        activity=activity(session, month) if needs_activity(fees) else (),
        fees=fees,
        adjustments=adjustments_of(session, month),
        disputes=disputes_of(session, month, None if approved is None else approved.settlement_id),
        opening=opening_balances(session, month),
        closed_stores=closed_stores(stores, month, time_zone),
        open_stores=open_stores(stores, month, time_zone),
    )


def participants_of(session: Unit, month: date) -> dict[UUID, UUID]:
    """By store, of those that there were when the month was published: one that is made later changes nothing."""
    statement = (
        select(Store.store_id, Store.participant_id)
        .join(PositionRow, (PositionRow.tenant_id == Store.tenant_id) & (PositionRow.store_id == Store.store_id))
        .where(PositionRow.month == month)
    )
    return {store_id: participant_id for store_id, participant_id in session.execute(statement)}


def closed_stores(stores: Iterable[Store], month: date, time_zone: str) -> list[UUID]:
    """Those closed before the month began."""
    return [
        store.store_id
        for store in stores
        if store.closed_at is not None and clock.business_date(store.closed_at, time_zone) < month
    ]


def open_stores(stores: Iterable[Store], month: date, time_zone: str) -> list[UUID]:
    """Those made before the month was over, and not closed before it began."""
    return [
        store.store_id
        for store in stores
        if clock.business_date(store.created_at, time_zone) <= last_day(month)
        and (store.closed_at is None or clock.business_date(store.closed_at, time_zone) >= month)
    ]


def by_period(
    session: Unit, statement: TextClause, month: date, first_days: Sequence[date]
) -> Iterable[tuple[UUID, UUID, date, int]]:
    check_attached(session, month, month)
    days = "{" + ",".join(map(str, first_days)) + "}"
    for issuer_id, other_id, _, day, points in session.execute(statement, {"month": month, "first_days": days}):
        if points:
            yield issuer_id, other_id, day, points


def needs_activity(fees: Iterable[Fee]) -> bool:
    return any(fee.basis in (TRANSFER, VOLUME) for fee in fees)


def activity(session: Unit, month: date) -> list[Activity]:
    begins = datetime.combine(month, time(), UTC) - JOINS_EARLY_AT_MOST
    rows = session.execute(ACTIVITY, {"month": month, "first_id": ids.lowest_id_at(begins)})
    return [Activity(*row) for row in rows]


def opening_balances(session: Unit, month: date) -> dict[UUID, int]:
    """By store, what the month before carried forward."""
    before = settlement_before(session, month)
    if before is None:
        return {}
    statement = select(LineRow.payer_id, LineRow.amount).where(
        LineRow.settlement_id == before.settlement_id, LineRow.kind == CARRIED_FORWARD
    )
    return {store_id: amount for store_id, amount in session.execute(statement)}


def settlement_before(session: Unit, month: date) -> Settlement | None:
    return session.scalar(
        select(Settlement)
        .where(Settlement.month < month, Settlement.state.in_(FINAL))
        .order_by(Settlement.month.desc())
        .limit(1)
    )


def live_settlement(session: Unit, month: date) -> Settlement | None:
    """The version of `month` that is not rejected."""
    return session.scalar(select(Settlement).where(Settlement.month == month, Settlement.state != REJECTED))


def lines_of(session: Unit, settlement_id: UUID, store_id: UUID | None = None) -> list[Line]:
    """All, or those that a store pays or is paid."""
    columns = [getattr(LineRow, field.name) for field in fields(Line)]
    statement = select(*columns).where(LineRow.settlement_id == settlement_id).order_by(LineRow.line)
    if store_id is not None:
        statement = statement.where((LineRow.payer_id == store_id) | (LineRow.payee_id == store_id))
    return [Line(*row) for row in session.execute(statement)]


def line_of(row: LineRow) -> Line:
    return Line(*(getattr(row, field.name) for field in fields(Line)))


# As JSON, a part at a time: as parameters, each value of hundreds of thousands of lines would be parsed as one.
WRITE_LINES = text("""
    INSERT INTO settlement.lines (tenant_id, settlement_id, line, kind, payer_id, payee_id, quantity, rate, exact,
                                  amount, origin_month, reference, note)
    SELECT tenants.current_tenant(), :settlement, given.* FROM json_to_recordset(CAST(:lines AS json)) AS given (
        line integer, kind text, payer_id uuid, payee_id uuid, quantity bigint, rate numeric, exact numeric,
        amount bigint, origin_month date, reference uuid, note text)
""")
LINES_AT_ONCE = 20_000


def write_lines(session: Unit, settlement_id: UUID, lines: Sequence[Line]) -> None:
    for start in range(0, len(lines), LINES_AT_ONCE):
        part = [{"line": start + n, **vars(line)} for n, line in enumerate(lines[start : start + LINES_AT_ONCE], 1)]
        session.execute(WRITE_LINES, {"settlement": settlement_id, "lines": json.dumps(part, default=str)})


# By the database from the lines as they are written; by payer and payee apart.
NETS = text("""
    WITH owed AS (
        SELECT payer_id AS party, amount FROM settlement.lines
        WHERE settlement_id = :settlement AND payer_id <> payee_id
        UNION ALL
        SELECT payee_id, -amount FROM settlement.lines
        WHERE settlement_id = :settlement AND payer_id <> payee_id)
    SELECT party, sum(amount)::bigint FROM owed GROUP BY party
""")


def nets_by_party(session: Unit, settlement_id: UUID) -> dict[UUID, int]:
    return {party: net for party, net in session.execute(NETS, {"settlement": settlement_id})}
