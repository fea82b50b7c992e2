"""Disputes as others see them, in JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from settlement.disputes.queries import FullDispute
from settlement.disputes.rules import decide_by
from settlement.states.rules import OPENED
from settlement.states.tables import StateChange
from settlement.windows.show import show_change
from tenants.foundation import ids
from tenants.foundation.months import show_month


def show_dispute(dispute: FullDispute) -> dict[str, Any]:
    row, change = dispute.row, dispute.change
    is_decided = row.state != OPENED
    return {
        "dispute_id": ids.show(ids.DISPUTE, row.dispute_id),
        "month": show_month(row.month),
        "store": dispute.store_code,
        "line": row.line_key,
        "kind": row.line_key.partition("/")[0],
        "amount": abs(row.amount),
        "reason": row.reason,
        "opened_by": dispute.opener_code,
        "opened_at": row.opened_at.isoformat(timespec="seconds"),
        "state": row.state,
        "decide_by": decide_by(dispute.window.dispute_until).isoformat(),
        "decided_by": change.changed_by if is_decided else None,
        "decided_at": change.changed_at.isoformat(timespec="seconds") if is_decided else None,
        "decision": change.reason if is_decided else None,
    }


def show_dispute_with_changes(dispute: FullDispute, changes: Iterable[StateChange]) -> dict[str, Any]:
    return {**show_dispute(dispute), "changes": [show_change(change) for change in changes]}
