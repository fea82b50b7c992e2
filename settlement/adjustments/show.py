"""Adjustments as others see them, in JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from settlement.adjustments.rules import DISPUTE_RELEASED, LEG_CARRIED
from settlement.adjustments.tables import AdjustmentRow
from tenants.foundation import ids
from tenants.foundation.months import show_month

PREFIX_OF_REFERENCE = {DISPUTE_RELEASED: ids.DISPUTE, LEG_CARRIED: ids.LEG}


def show_adjustment(row: AdjustmentRow, codes: Mapping[UUID, str]) -> dict[str, Any]:
    return {
        "adjustment_id": ids.show(ids.ADJUSTMENT, row.adjustment_id),
        "settlement_month": show_month(row.settlement_month),
        "origin_month": show_month(row.origin_month),
        "payer": codes[row.payer_id],
        "payee": codes[row.payee_id],
        "amount": row.amount,
        "reason": row.reason,
        "note": row.note,
        "reference": row.reference and ids.show(PREFIX_OF_REFERENCE[row.reason], row.reference),
        "made_by": row.made_by,
        "made_at": row.made_at.isoformat(timespec="seconds"),
    }
