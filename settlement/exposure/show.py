"""Exposures, caps and policies as they are answered and as `--json` prints them. Money is in minor units."""

from __future__ import annotations

from typing import Any

from clearinghouse.directory.service import show_moment
from settlement.exposure.rules import BLOCK
from settlement.exposure.service import Measured
from settlement.exposure.tables import CapRow, PolicyRow

PARTS = ("receivable", "unsettled", "outstanding", "deposit")


def show_exposure(measured: Measured) -> dict[str, Any]:
    """Figures are null as long as no store of the network has had a cap."""
    row = measured.exposure
    return {
        "store": measured.store.code,
        "name": measured.store.name,
        "participant": measured.participant_code,
        "cap": measured.cap,
        "exposure": row and row.exposure,
        "level": row and row.level,
        "issuing": measured.store.issuing,
        **{part: row and getattr(row, part) for part in PARTS},
        "as_of": row and show_moment(row.as_of),
    }


def show_cap(row: CapRow) -> dict[str, Any]:
    return {"version": row.version, "cap": row.cap, "made_by": row.made_by, "made_at": show_moment(row.made_at)}


def show_policy(row: PolicyRow) -> dict[str, Any]:
    return {"version": row.version, "policy": row.policy, "made_by": row.made_by, "made_at": show_moment(row.made_at)}


def show_policies(rows: list[PolicyRow]) -> dict[str, Any]:
    return {"policy": rows[0].policy if rows else BLOCK, "versions": [show_policy(row) for row in rows]}
