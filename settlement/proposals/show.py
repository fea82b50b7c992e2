"""Settlements as others see them, in JSON."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from settlement.proposals.rules import Line
from settlement.proposals.service import list_settlements
from settlement.proposals.tables import Settlement
from settlement.states.service import history
from settlement.windows.show import show_change
from tenants.foundation.database import unit_of_work
from tenants.foundation.months import show_month


def show_versions(tenant_id: UUID, month: date) -> list[dict[str, Any]]:
    settlements = list_settlements(tenant_id, month)
    with unit_of_work(tenant_id) as session:
        changes = {s.settlement_id: history(session, s.settlement_id) for s in settlements}
        return [
            {**show_version(s), "changes": [show_change(change) for change in changes[s.settlement_id]]}
            for s in settlements
        ]


def show_version(settlement: Settlement) -> dict[str, Any]:
    return {
        "month": show_month(settlement.month),
        "version": settlement.version,
        "state": settlement.state,
        "model": settlement.model,
        "proposed_at": settlement.proposed_at.isoformat(timespec="seconds"),
        "approved_at": settlement.approved_at and settlement.approved_at.isoformat(timespec="seconds"),
        "hq_net": settlement.hq_net,
        "content_hash": settlement.content_hash.hex(),
    }


def show_line(line: Line, codes: dict[UUID, str]) -> dict[str, Any]:
    return {
        "key": line.key,
        "kind": line.kind,
        "payer": codes[line.payer_id],
        "payee": codes[line.payee_id],
        "quantity": line.quantity,
        "rate": None if line.rate is None else f"{line.rate.normalize():f}",
        "exact": f"{line.exact.normalize():f}",
        "amount": line.amount,
        "origin_month": show_month(line.origin_month),
        "note": line.note,
    }
