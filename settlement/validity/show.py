from __future__ import annotations

from typing import Any

from tenants.validity.tables import Effective


def show_effective(row: Effective, participant_code: str | None) -> dict[str, Any]:
    return {
        "participant": participant_code,
        "valid_from": row.valid_from.isoformat(),
        "valid_until": row.valid_until and row.valid_until.isoformat(),
        "made_by": row.made_by,
        "made_at": row.made_at.isoformat(timespec="seconds"),
        "ended_by": row.ended_by,
        "ended_at": row.ended_at and row.ended_at.isoformat(timespec="seconds"),
        "withdrawn_by": row.withdrawn_by,
        "withdrawn_at": row.withdrawn_at and row.withdrawn_at.isoformat(timespec="seconds"),
    }
