"""Example months for the tests of what stores read: consistent, so that their sums close."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from settlement.netting.rules import StoreDay, StorePoints, points_of
from settlement.proposals.rules import Line, Month, Use, derive_lines, nets_of, positions_of
from settlement.statements.documents import (
    AdviceDocument,
    DayLine,
    Flow,
    MonthHeading,
    Names,
    StatementDocument,
    StoreLine,
)
from settlement.states.rules import APPROVED
from settlement.terms.rules import ON_REDEMPTION, POOLED, Terms, calendar_of
from tenants.foundation.months import last_day
from tenants.rates.rules import Rate, RateBook
from tenants.stores.rules import HEAD_OFFICE

NETWORK_ID = UUID(int=1 << 64)
NOVEMBER = date(2026, 11, 1)
OPENING = 250_000
RATE = Rate(UUID(int=77), None, date(2026, 1, 1), None, Decimal("1"), Decimal("0.9"))


@dataclass(frozen=True)
class Example:
    """A month that issued `issued` (code -> points) and recovered along `flows`; a fiftieth expired.

    `more` are further fields of `settlement.proposals.rules.Month`: fees, adjustments, disputes, opening balances.
    """

    flows: tuple[Flow, ...]
    issued: dict[str, int]
    names: dict[str, str] | None = None
    participant_name: str = "Northgate Foods Ltd"
    currency: str = "USD"
    network_name: str = "Harbour Coffee"
    model: str = POOLED
    state: str = APPROVED
    month: date = NOVEMBER
    rates: tuple[Rate, ...] = (RATE,)
    minimum_payout: int = 0
    more: tuple[tuple[str, Any], ...] = ()

    def store_id(self, code: str) -> UUID:
        return NETWORK_ID if code == HEAD_OFFICE else UUID(int=list(self.issued).index(code) + 1)

    def days_of(self, code: str) -> list[StoreDay]:
        recovered = sum(flow.points for flow in self.flows if flow.redeeming_code == code)
        issued = self.issued[code]
        return [
            StoreDay(self.store_id(code), line.day, line.issued, line.recovered, line.expired)
            for line in spread(self.month, issued, recovered, issued // 50)
        ]

    def lines(self) -> list[Line]:
        uses = [
            Use(self.store_id(flow.issuing_code), self.store_id(flow.redeeming_code), self.month, flow.points)
            for flow in self.flows
        ]
        return derive_lines(
            Month(
                NETWORK_ID,
                self.month,
                self.model,
                self.minimum_payout,
                participants={self.store_id(code): self.store_id(code) for code in self.issued},
                days=[day for code in self.issued for day in self.days_of(code)],
                rates=RateBook(self.rates),
                uses=uses if self.model == ON_REDEMPTION else (),
                **dict(self.more),
            )
        )

    def statement(self, code: str = "S1", **changes: Any) -> StatementDocument:
        store_id, lines, days = self.store_id(code), self.lines(), self.days_of(code)
        points: StorePoints = points_of(store_id, days)
        [position] = positions_of([points], lines)
        assert position.net == nets_of(lines).get(store_id, 0)
        own_recovered = sum(flow.points for flow in self.flows if flow.issuing_code == code)
        names = {each: (self.names or {}).get(each, f"Shop {each}") for each in self.issued}
        statement = StatementDocument(
            heading=self.heading(),
            calendar=calendar_of(self.month, Terms()),
            content_hash=bytes(range(32)),
            names=Names(
                {self.store_id(each): each for each in (*self.issued, HEAD_OFFICE)},
                names,
                {fee.fee_id: fee.basis for fee in dict(self.more).get("fees", ())},
                {rate.rate_id: rate.valid_from for rate in self.rates},
            ),
            line=StoreLine(code, names[code], self.participant_name, position),
            lines=tuple(line for line in lines if store_id in (line.payer_id, line.payee_id)),
            issued_reversed=0,
            recovered_reversed=0,
            opening_outstanding=OPENING,
            own_points_recovered=own_recovered,
            closing_outstanding=OPENING + position.issued - own_recovered - position.expired,
            days=tuple(DayLine(day.day, day.issued, day.recovered, day.expired) for day in days),
            counter_flows=tuple(
                flow
                for flow in self.flows
                if code in (flow.issuing_code, flow.redeeming_code) and flow.issuing_code != flow.redeeming_code
            ),
            verification_url="https://points.example.com/verify/" + "Ab3_" * 21 + "xy",
        )
        return replace(statement, **changes)

    def heading(self) -> MonthHeading:
        return MonthHeading(
            tenant_id=NETWORK_ID,
            network_code="harbour",
            network_name=self.network_name,
            currency=self.currency,
            time_zone="America/New_York",
            month=self.month,
            closed_at=datetime(2026, 12, 2, 14, 5, tzinfo=UTC),
            settlement_id=UUID(int=99),
            version=2,
            state=self.state,
            model=self.model,
            proposed_by="ana",
            approved_by="ben",
            as_of=datetime(2026, 12, 12, 15, 30, tzinfo=UTC),
            merkle_root=bytes(range(32, 64)),
        )

    def advice(self, code: str = "S1", **changes: Any) -> AdviceDocument:
        statement = self.statement(code)
        advice = AdviceDocument(
            heading=statement.heading,
            line=statement.line,
            leg_id=UUID(int=4242),
            amount=statement.line.position.net,
            due_on=statement.calendar.collect_on,
            bank_account=None,
            verification_url=statement.verification_url,
        )
        return replace(advice, **changes)


def small(**changes: Any) -> Example:
    flows = (
        Flow("S1", "S1", 40_000),
        Flow("S1", "S2", 12_345),
        Flow("S2", "S1", 30_001),
        Flow("HQ", "S1", 500),
        Flow("S3", "S1", 7_000),
    )
    return replace(Example(flows, {"S1": 123_456, "S2": 80_000, "S3": 9_999}), **changes)


def empty(**changes: Any) -> Example:
    return replace(Example((), {"S1": 0}), **changes)


def wide(count: int, scale: int = 1, **changes: Any) -> Example:
    """`count` stores besides S1, each with flows from and to S1."""
    codes = [f"C{number:04d}" for number in range(count)]
    names = {code: f"{number} Long Avenue, Riverside Shopping Centre" for number, code in enumerate(codes)}
    flows = [Flow("S1", "S1", 999 * scale)]
    flows += [Flow("S1", code, (number * 37 % 900 + 10) * scale) for number, code in enumerate(codes)]
    flows += [Flow(code, "S1", (number * 53 % 800 + 10) * scale) for number, code in enumerate(codes)]
    issued = {"S1": 400_000 * scale} | dict.fromkeys(codes, 5_000 * scale)
    return replace(Example(tuple(flows), issued, names), **changes)


def spread(month: date, issued: int, recovered: int, expired: int) -> tuple[DayLine, ...]:
    """The month's points by day in uneven shares; the last day takes what is left."""
    count = last_day(month).day
    shares = [1 + (day * 7) % 11 for day in range(count)]
    columns = [split(total, shares) for total in (issued, recovered, expired)]
    days = [month + timedelta(days=number) for number in range(count)]
    return tuple(DayLine(day, *points) for day, points in zip(days, zip(*columns, strict=True), strict=True))


def split(total: int, shares: list[int]) -> list[int]:
    parts = [total * share // sum(shares) for share in shares]
    return [*parts[:-1], total - sum(parts[:-1])]
