"""Example reports, around the example months of tests/settlement/documents.py."""

from __future__ import annotations

from datetime import date

from settlement.proposals.rules import BILATERAL, REDEMPTION
from settlement.reports.documents import Ageing, NetworkReport, largest_flows
from settlement.reports.rules import (
    ComparedMonth,
    MonthFigures,
    UnpaidLeg,
    compare,
    efficiency_of,
    mean_rates,
    pooled_obligations,
)
from settlement.statements.documents import SettlementDocument
from tenants.foundation.months import add_months

AS_OF = date(2027, 1, 20)


def report_of(document: SettlementDocument, months: int = 12, legs: bool = True) -> NetworkReport:
    """With `months` months before it, the oldest without money, and a leg of each store of two ages."""
    obligations = obligations_of(document)
    return NetworkReport(
        settlement=document,
        efficiency=efficiency_of(obligations, str(document.tenant_id)),
        largest_flows=tuple(largest_flows(document, obligations)),
        ageing=Ageing(AS_OF, document.currency, legs_of(document) if legs else ()),
        months=tuple(months_before(document, months)),
        loaded_at=document.as_of,
    )


def obligations_of(document: SettlementDocument) -> dict[tuple[str, str], int]:
    bilateral = [line for line in document.lines if line.kind == BILATERAL]
    if bilateral:
        return {(str(line.payer_id), str(line.payee_id)): line.amount for line in bilateral}
    ids = {code: str(party) for party, code in document.codes().items()}
    flows = {(ids[flow.issuing_code], ids[flow.redeeming_code]): flow.points for flow in document.flows}
    paid = [(str(line.payee_id), line.quantity, line.rate) for line in document.lines if line.kind == REDEMPTION]
    return pooled_obligations(flows, mean_rates(paid))


def legs_of(document: SettlementDocument) -> tuple[UnpaidLeg, ...]:
    return tuple(
        UnpaidLeg(
            document.month,
            line.store_code,
            line.store_name,
            line.participant_name,
            line.position.net,
            due_on,
            "failed",
        )
        for number, line in enumerate(document.stores)
        for due_on in (date(2026, 12, 15), date(2026, 10, 12))[: 1 + number % 2]
        if line.position.net
    )


def months_before(document: SettlementDocument, count: int) -> list[ComparedMonth]:
    efficiency = efficiency_of({})
    figures = [
        MonthFigures(add_months(document.month, number - count), None, None, 100 + number, 50, number % 2, 7 * number)
        if number < 2
        else MonthFigures(
            add_months(document.month, number - count),
            "settled",
            1,
            *(1000 * number, 700 + number, 0, 90 - number),
            *(12_345 * number, 7_000, number, -5_345),
            efficiency,
        )
        for number in range(count + 1)
    ]
    return compare(figures)[-12:]
