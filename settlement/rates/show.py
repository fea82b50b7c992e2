"""Rates as others see them, in JSON. The rates themselves are decimal strings."""

from __future__ import annotations

from datetime import date
from typing import Any

from settlement.validity.show import show_effective
from tenants.foundation import ids
from tenants.networks.service import show_rate
from tenants.rates.tables import RateRow


def show_rate_row(row: RateRow, participant_code: str | None) -> dict[str, Any]:
    return {
        "rate_id": ids.show(ids.RATE, row.rate_id),
        "funding_rate": show_rate(row.funding_rate),
        "redemption_rate": show_rate(row.redemption_rate),
        **show_effective(row, participant_code),
    }


def show_gap(first: date, last: date | None) -> dict[str, str | None]:
    return {"valid_from": first.isoformat(), "valid_until": None if last is None else last.isoformat()}
