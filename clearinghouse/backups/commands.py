"""`clearinghouse backup`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from clearinghouse.backups.rules import Base
from clearinghouse.backups.service import Contents, back_up, contents, embedded_server, find_folder
from tenants.audit.service import record_act
from tenants.foundation import ids
from tenants.foundation.config import load_var
from tenants.foundation.console import err, json_option, out, print_fields, print_rows, with_app

KEEP = 7

folder_option = click.option(
    "--from", "folder", type=click.Path(path_type=Path), help="The backup folder.  [default: where the last one went]"
)


@click.group(invoke_without_command=True)
@click.option(
    "--to",
    type=click.Path(path_type=Path),
    help="Folder for this and all later backups, best on another disk.  [default: where the last one went, else "
    "backups/ beside the database]",
)
@click.option(
    "--keep", type=click.IntRange(min=1), default=KEEP, show_default=True, help="Base backups that are kept."
)
@json_option
@click.pass_context
def backup(ctx: click.Context, to: Path | None, keep: int, as_json: bool) -> None:
    """Back up the embedded PostgreSQL, tills or no tills; with `list`, show the backups.

    The first backup also begins the archiving of all that is written from then on, so that `clearinghouse restore`
    reaches every moment after it. secret.key and data.keys are not in a backup: keep copies elsewhere.
    """
    if ctx.invoked_subcommand is None:
        make_backup(to, keep, as_json)


@with_app
def make_backup(to: Path | None, keep: int, as_json: bool) -> None:
    with err.status("backing up"):
        base, dropped = back_up(to, keep)
    record_act(ids.INSTALLATION, ("backup", base.name))
    print_fields({**show_base(base), "deleted": [each.name for each in dropped]}, as_json)


@backup.command("list")
@folder_option
@json_option
def list_backups(folder: Path | None, as_json: bool) -> None:
    """Show the base backups, and from when until when any moment can be restored. Needs no database."""
    server = embedded_server(load_var())
    found = contents(server, find_folder(server, folder))
    if as_json:
        print_fields({**show_range(found), "bases": [show_base(base) for base in found.bases]}, as_json)
        return
    print_rows([show_base(base) for base in found.bases], as_json)
    for name, value in show_range(found).items():
        out.print(f"[bold]{name.replace('_', ' ')}[/bold]  {value}", soft_wrap=True)


def show_base(base: Base) -> dict[str, Any]:
    return {
        "name": base.name,
        "started_at": base.started_at.isoformat(),
        "ended_at": base.ended_at.isoformat(),
        "bytes": base.bytes,
        "first_segment": base.first_segment,
        "revision": base.revision,
    }


def show_range(found: Contents) -> dict[str, Any]:
    first, last = found.first_moment, found.last_moment
    return {
        "folder": str(found.folder),
        "bytes": found.bytes,
        "first_moment": first.isoformat() if first else None,
        "last_moment": last.isoformat() if last else None,
    }
