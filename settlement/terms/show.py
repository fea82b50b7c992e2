from __future__ import annotations

from datetime import date
from typing import Any

from settlement.terms.rules import Terms
from settlement.terms.tables import TermsRow
from tenants.foundation.months import show_month


def show_terms(row: TermsRow) -> dict[str, Any]:
    return {
        "from_month": show_month(row.from_month),
        "version": row.version,
        **{name: getattr(row, name) for name in vars(Terms())},
        "made_by": row.made_by,
        "made_at": row.made_at.isoformat(timespec="seconds"),
    }


def show_in_force(month: date, terms: Terms) -> dict[str, Any]:
    return {"month": show_month(month), **vars(terms)}
