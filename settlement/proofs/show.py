"""What proving a settlement again has come to, in JSON and on the console."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import select

from settlement.proofs.service import Proof
from tenants.foundation.console import out
from tenants.foundation.database import unit_of_work
from tenants.foundation.months import show_month
from tenants.stores.rules import HEAD_OFFICE
from tenants.stores.tables import Store

LINES_SHOWN_MAX = 100
UUIDS = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def show_proofs(tenant_id: UUID, proofs: Iterable[Proof]) -> list[dict[str, Any]]:
    """Lines name stores by their codes."""
    with unit_of_work(tenant_id) as session:
        codes = {str(store_id): code for store_id, code in session.execute(select(Store.store_id, Store.code))}
    codes[str(tenant_id)] = HEAD_OFFICE
    return [show_proof(proof, codes) for proof in proofs]


def show_proof(proof: Proof, codes: dict[str, str]) -> dict[str, Any]:
    def with_codes(lines: Iterable[str]) -> list[str]:
        return [UUIDS.sub(lambda found: codes.get(found[0], found[0]), line) for line in lines]

    return {
        "month": show_month(proof.month),
        "version": proof.version,
        "state": proof.state,
        "holds": proof.holds,
        "lines": proof.lines,
        "content_hash": proof.content_hash.hex(),
        "derived_hash": proof.derived_hash.hex(),
        "kept_hash": proof.kept_hash.hex(),
        "only_derived": with_codes(proof.only_derived[:LINES_SHOWN_MAX]),
        "only_kept": with_codes(proof.only_kept[:LINES_SHOWN_MAX]),
    }


def print_proof(shown: dict[str, Any]) -> None:
    mark = "[green]same[/green]" if shown["holds"] else "[red]DIFFERS[/red]"
    out.print(f"{mark}  {shown['month']} version {shown['version']}: {shown['lines']:,} lines", soft_wrap=True)
    if shown["holds"]:
        return
    for name in ("content_hash", "derived_hash", "kept_hash"):
        out.print(f"  {name.replace('_', ' '):<12}  {shown[name]}", soft_wrap=True)
    for sign, name in (("+", "only_derived"), ("-", "only_kept")):
        for line in shown[name]:
            out.print(f"  {sign} {line}", soft_wrap=True, markup=False)
