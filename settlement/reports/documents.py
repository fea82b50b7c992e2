"""What a report of a network looks like to whoever renders it: plain values, no database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from settlement.legs.rules import COLLECTION, PAYOUT
from settlement.reports.rules import (
    AgedStore,
    ComparedMonth,
    Efficiency,
    Obligations,
    UnpaidLeg,
    aged_stores,
)
from settlement.statements.documents import SettlementDocument

LARGEST_FLOWS_MAX = 15


@dataclass(frozen=True)
class Ageing:
    """The legs that were not paid at the end of the day `as_of`."""

    as_of: date
    currency: str
    legs: tuple[UnpaidLeg, ...]

    def stores(self, direction: str) -> list[AgedStore]:
        return aged_stores(self.legs, direction, self.as_of)

    @property
    def collections(self) -> list[AgedStore]:
        return self.stores(COLLECTION)

    @property
    def payouts(self) -> list[AgedStore]:
        return self.stores(PAYOUT)


@dataclass(frozen=True)
class FlowValue:
    """Points that one recovered of another's, and what these two would owe each other for them (minor units)."""

    issuing_code: str
    redeeming_code: str
    points: int
    amount: int


@dataclass(frozen=True)
class NetworkReport:
    """A month of a network beside the months before it. `largest_flows` are those between two parties, by points;
    `months` are the newest last, and the last is the settlement's own. What has changed since `loaded_at` is not in
    it.
    """

    settlement: SettlementDocument
    efficiency: Efficiency
    largest_flows: tuple[FlowValue, ...]
    ageing: Ageing
    months: tuple[ComparedMonth, ...]
    loaded_at: datetime


def largest_flows(
    document: SettlementDocument, obligations: Obligations, count: int = LARGEST_FLOWS_MAX
) -> Sequence[FlowValue]:
    codes = {str(party): code for party, code in document.codes().items()}
    owed = {(codes[payer], codes[payee]): amount for (payer, payee), amount in obligations.items()}
    between = [flow for flow in document.flows if flow.issuing_code != flow.redeeming_code and flow.points > 0]
    between.sort(key=lambda flow: (-flow.points, flow.issuing_code, flow.redeeming_code))
    return [
        FlowValue(
            flow.issuing_code, flow.redeeming_code, flow.points, owed.get((flow.issuing_code, flow.redeeming_code), 0)
        )
        for flow in between[:count]
    ]
