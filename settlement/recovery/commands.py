"""`clearinghouse restore`."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from clearinghouse.backups.commands import folder_option
from clearinghouse.backups.restoring import Restored, restore
from clearinghouse.backups.service import embedded_server, find_folder
from settlement.recovery.service import NetworkProof, prove_books
from tenants.foundation.config import load_var
from tenants.foundation.console import MOMENT, err, json_option, out, print_fields, print_rows

NOT_RESTORED = (
    "secret.key and data.keys: they are in no backup; put your copies into the new folder, or name them as before. "
    "Without them no PIN, wallet code, webhook secret or encrypted name can be used.",
    "What was in Redis: jobs that waited (the scheduler puts the periodic ones in again; ask again for documents) "
    "and the counters of request rates.",
    "Files under output/: statements and reports are made again from the books when they are asked for.",
)


@click.command("restore")
@click.option(
    "--at",
    type=MOMENT,
    help="To this moment, like 2026-11-22T10:15:00Z: what had committed by then, that very moment included.  "
    "[default: all there is]",
)
@click.option(
    "--into",
    type=click.Path(path_type=Path),
    help="A new folder for the restored database.  [default: beside the present one, with the moment in its name]",
)
@click.option("--base", help="Name of the base backup to begin with.  [default: the newest before the moment]")
@folder_option
@json_option
def restore_into(
    at: datetime | None, into: Path | None, base: str | None, folder: Path | None, as_json: bool
) -> None:
    """Restore the embedded PostgreSQL to a moment, into a new folder, and prove the books.

    The present database is not touched. Exits with status 1 when the restored books have a difference.
    """
    var = load_var()
    server = embedded_server(var)
    target = (into or default_target(var, at)).resolve()
    with err.status(f"restoring into {target}"):
        restored = restore(find_folder(server, folder), server, at, base, target)
    with err.status("proving the books"):
        proofs = prove_books(restored)
    shown = show_restored(restored, proofs)
    if as_json:
        print_fields(shown, as_json)
    else:
        print_restored(shown)
    if any(proof.findings for proof in proofs):
        sys.exit(1)


def default_target(var: Path, at: datetime | None) -> Path:
    moment = f"{at:%Y%m%dT%H%M%S}" if at else "newest"
    return var.with_name(f"{var.name}-restored-{moment}")


def show_restored(restored: Restored, proofs: list[NetworkProof]) -> dict[str, Any]:
    chain = restored.chain
    return {
        "var": str(restored.var),
        "at": restored.at.isoformat() if restored.at else None,
        "base": restored.base.name,
        "wal_segments": chain.segments,
        "missing": {
            "commits": chain.commits_after,
            "until": chain.last_moment.isoformat() if chain.last_moment else None,
        },
        "networks": [show_proof(proof) for proof in proofs],
        "not_restored": NOT_RESTORED,
    }


def show_proof(proof: NetworkProof) -> dict[str, Any]:
    return {
        "network": proof.code,
        **proof.checked,
        "last_posted_at": proof.last_posted_at.isoformat() if proof.last_posted_at else None,
        "approved_months_proven": proof.months,
        "differences": [vars(finding) for finding in proof.findings],
    }


def print_restored(shown: dict[str, Any]) -> None:
    source = f"{shown['base']} and {shown['wal_segments']} WAL segments"
    out.print(f"Restored into {shown['var']} from {source}.", soft_wrap=True)
    print_rows([{**row, "differences": len(row["differences"])} for row in shown["networks"]], False, "Proven")
    for row in shown["networks"]:
        if row["differences"]:
            print_rows(row["differences"], False, f"Differences of {row['network']}")
    missing = shown["missing"]
    newer = f"{missing['commits']:,}, until {missing['until']}" if missing["commits"] else "none"
    out.print(f"Transactions of tills and jobs that are newer, and so missing: {newer}.", soft_wrap=True)
    out.print("Not restored:")
    for sentence in shown["not_restored"]:
        out.print(f"- {sentence}", soft_wrap=True)
    out.print(f"To go on with it: export CLEARINGHOUSE_VAR={shown['var']}", soft_wrap=True)
