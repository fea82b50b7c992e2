"""Example months for the tests of what people read: consistent, so that their sums close."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from settlement.adjustments.rules import Adjustment
from settlement.fees.rules import MONTH, POINT_ISSUED, Fee
from settlement.netting.rules import Identity, StoreDay, points_of, total_of
from settlement.proposals.rules import (
    FUNDING,
    Dispute,
    Line,
    Month,
    Use,
    derive_lines,
    nets_of,
    positions_of,
    rounding_of,
)
from settlement.statements.documents import DayLine, Flow, SettlementDocument, StatementDocument, StoreLine
from settlement.terms.rules import POOLED
from tenants.foundation.months import last_day
from tenants.rates.rules import Rate, RateBook
from tenants.stores.rules import HEAD_OFFICE

NOVEMBER = date(2026, 11, 1)
OPENING = 250_000
HEAD_OFFICE_ID = UUID(int=9999_0000)


def rates_of(funding: str, redemption: str) -> Rate:
    """For everybody, for ever."""
    return Rate(UUID(int=7), None, date(2020, 1, 1), None, Decimal(funding), Decimal(redemption))


RATES = rates_of("1", "0.9")


def settlement_of(
    flows: list[Flow],
    issued: dict[str, int],
    names: dict[str, str] | None = None,
    participant_name: str = "Northgate Foods Ltd",
    currency: str = "USD",
    network_name: str = "Harbour Coffee",
    rates: Rate = RATES,
    state: str = "approved",
    **more: Any,
) -> SettlementDocument:
    """A month that issued `issued` (code -> points) and recovered along `flows`; a fiftieth expired.

    `more` are fees, adjustments and whatever else a `settlement.proposals.rules.Month` has. The lines are derived
    from all that.
    """
    ids = {code: UUID(int=number) for number, code in enumerate(issued, start=1)}
    days = [store_month(ids[code], code, points, flows) for code, points in issued.items()]
    lines = lines_of_month(ids, days, flows, rates, more)
    points = [points_of(day.store_id, [day]) for day in days]
    positions = positions_of(points, lines)
    stores = tuple(
        StoreLine(code, (names or {}).get(code, f"Shop {code}"), participant_name, position)
        for code, position in zip(issued, positions, strict=True)
    )
    return SettlementDocument(
        tenant_id=HEAD_OFFICE_ID,
        network_code="harbour",
        network_name=network_name,
        currency=currency,
        time_zone="America/New_York",
        month=NOVEMBER,
        closed_at=datetime(2026, 12, 2, 14, 5, tzinfo=UTC),
        settlement_id=UUID(int=5),
        version=2,
        state=state,
        model=more.get("model", POOLED),
        proposed_by="ana",
        approved_by=None if state == "proposed" else "ben",
        as_of=datetime(2026, 12, 12, 15, 30, tzinfo=UTC),
        totals=total_of(points, OPENING),
        hq_net=nets_of(lines).get(HEAD_OFFICE_ID, 0),
        rounding=rounding_of(lines, HEAD_OFFICE_ID),
        stores=stores,
        hq_funded=None,
        lines=tuple(lines),
        flows=tuple(flows),
        identities=(Identity("points outstanding by postings and by lots", Decimal(250), Decimal(250)),),
        merkle_root=bytes(range(32)),
    )


def lines_of_month(
    ids: Mapping[str, UUID], days: Sequence[StoreDay], flows: Sequence[Flow], rates: Rate, more: dict[str, Any]
) -> list[Line]:
    parties = {HEAD_OFFICE: HEAD_OFFICE_ID, **ids}
    month: dict[str, Any] = {
        "head_office_id": HEAD_OFFICE_ID,
        "month": NOVEMBER,
        "model": POOLED,
        "minimum_payout": 0,
        "participants": {store_id: UUID(int=500) for store_id in ids.values()},
        "days": days,
        "rates": RateBook([rates]),
        "uses": [
            Use(parties.get(flow.issuing_code, HEAD_OFFICE_ID), ids[flow.redeeming_code], NOVEMBER, flow.points)
            for flow in flows
            if flow.redeeming_code in ids
        ],
    }
    return derive_lines(Month(**{**month, **more}))


def store_month(store_id: UUID, code: str, issued: int, flows: list[Flow]) -> StoreDay:
    """All of a store's month on its first day."""
    recovered = sum(flow.points for flow in flows if flow.redeeming_code == code)
    return StoreDay(store_id, NOVEMBER, issued, recovered, expired=issued // 50)


def small_settlement(**changes: object) -> SettlementDocument:
    flows = [
        Flow("S1", "S1", 40_000),
        Flow("S1", "S2", 12_345),
        Flow("S2", "S1", 30_001),
        Flow("HQ", "S1", 500),
        Flow("S3", "S1", 7_000),
    ]
    return settlement_of(flows, {"S1": 123_456, "S2": 80_000, "S3": 9_999}, **changes)


def busy_settlement(**changes: Any) -> SettlementDocument:
    """With a line of every kind that the pooled model has."""
    store_ids = [UUID(int=number) for number in range(1, 5)]
    funding = f"{FUNDING}/{store_ids[0]}/{HEAD_OFFICE_ID}/{RATES.rate_id}"
    month = {
        "fees": [
            Fee(UUID(int=61), "platform", None, MONTH, Decimal("2500"), Decimal("0.19"), NOVEMBER, None),
            Fee(UUID(int=62), "points", None, POINT_ISSUED, Decimal("0.0125"), Decimal("0.07"), NOVEMBER, None),
        ],
        "adjustments": [
            Adjustment(
                UUID(int=71), store_ids[1], HEAD_OFFICE_ID, 4_999, date(2026, 9, 1), "a till that was not sent"
            ),
            Adjustment(UUID(int=72), store_ids[0], store_ids[2], 12_01, NOVEMBER, "=cmd()"),
        ],
        "disputes": [
            Dispute(UUID(int=81), funding, 1_000, "accepted"),
            Dispute(UUID(int=82), funding, 250, "opened"),
        ],
        "opening": {store_ids[1]: 75},
        "minimum_payout": 100_000,
    }
    flows = [Flow("S1", "S2", 12_345), Flow("S2", "S1", 30_001), Flow("HQ", "S1", 500), Flow("S3", "S4", 95_001)]
    issued = {"S1": 123_456, "S2": 80_000, "S3": 9_999, "S4": 0}
    return settlement_of(flows, issued, **{**month, "rates": rates_of("0.755", "0.6"), **changes})


def zero_settlement(**changes: object) -> SettlementDocument:
    return settlement_of([], {"S1": 0}, **changes)


def wide_settlement(count: int, scale: int = 1, **changes: object) -> SettlementDocument:
    """`count` stores besides S1, each with flows from and to S1."""
    codes = [f"C{number:04d}" for number in range(count)]
    names = {code: f"{number} Long Avenue, Riverside Shopping Centre" for number, code in enumerate(codes)}
    flows = [Flow("S1", "S1", 999 * scale)]
    flows += [Flow("S1", code, (number * 37 % 900 + 10) * scale) for number, code in enumerate(codes)]
    flows += [Flow(code, "S1", (number * 53 % 800 + 10) * scale) for number, code in enumerate(codes)]
    issued = {"S1": 400_000 * scale} | dict.fromkeys(codes, 5_000 * scale)
    return settlement_of(flows, issued, **({"names": names} | changes))


def statement_of(settlement: SettlementDocument, code: str = "S1") -> StatementDocument:
    line = next(line for line in settlement.stores if line.store_code == code)
    recovered = sum(flow.points for flow in settlement.flows if flow.issuing_code == code)
    position = line.position
    return StatementDocument(
        settlement=settlement,
        line=line,
        opening_outstanding=OPENING,
        own_points_recovered=recovered,
        closing_outstanding=OPENING + position.issued - recovered - position.expired,
        days=days_of(settlement.month, position.issued, position.recovered, position.expired),
        counter_flows=tuple(
            flow
            for flow in settlement.flows
            if code in (flow.issuing_code, flow.redeeming_code) and flow.issuing_code != flow.redeeming_code
        ),
        store_id=position.store_id,
    )


def days_of(month: date, issued: int, recovered: int, expired: int) -> tuple[DayLine, ...]:
    """The month's points by day in uneven shares; the last day takes what is left."""
    count = last_day(month).day
    shares = [1 + (day * 7) % 11 for day in range(count)]
    columns = [split(total, shares) for total in (issued, recovered, expired)]
    days = [month + timedelta(days=number) for number in range(count)]
    return tuple(DayLine(day, *points) for day, points in zip(days, zip(*columns, strict=True), strict=True))


def split(total: int, shares: list[int]) -> list[int]:
    parts = [total * share // sum(shares) for share in shares]
    return [*parts[:-1], total - sum(parts[:-1])]
