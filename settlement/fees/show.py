"""Fees as others see them, in JSON. The rates are decimal strings."""

from __future__ import annotations

from typing import Any

from settlement.fees.tables import FeeRow
from settlement.validity.show import show_effective
from tenants.foundation import ids
from tenants.networks.service import show_rate


def show_fee(row: FeeRow, participant_code: str | None) -> dict[str, Any]:
    return {
        "fee_id": ids.show(ids.FEE, row.fee_id),
        "code": row.code,
        "basis": row.basis,
        "rate": show_rate(row.rate),
        "tax_rate": show_rate(row.tax_rate),
        **show_effective(row, participant_code),
    }
