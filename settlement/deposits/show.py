"""Movements of deposits as they are answered and as `--json` prints them."""

from __future__ import annotations

from typing import Any

from clearinghouse.directory.service import show_moment
from settlement.deposits.tables import DepositRow
from tenants.foundation import ids


def show_deposit(row: DepositRow, store_code: str) -> dict[str, Any]:
    return {
        "deposit_id": ids.show(ids.DEPOSIT, row.deposit_id),
        "store": store_code,
        "kind": row.kind,
        "amount": row.amount,
        "balance": row.balance,
        "reference": row.reference,
        "leg_id": row.leg_id and ids.show(ids.LEG, row.leg_id),
        "made_by": row.made_by,
        "made_at": show_moment(row.made_at),
    }
