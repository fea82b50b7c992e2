"""`clearinghouse audit`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import click

from clearinghouse.audit.schemas import OUTCOMES
from clearinghouse.audit.show import lines, show, show_head, show_verified
from tenants.audit.rules import parse_head
from tenants.audit.service import Wanted, all_entries, find_head, list_entries, verify, was_sent
from tenants.foundation import ids
from tenants.foundation.console import MOMENT, err, json_option, out, print_fields, print_rows, with_app
from tenants.foundation.files import put_in_place
from tenants.networks.service import find_network_id

Command = TypeVar("Command", bound=Callable[..., Any])

LISTED_FIELDS = ("sequence", "happened_at", "actor", "via", "action", "outcome", "error_code", "subject", "written")


def whose_option(command: Command) -> Command:
    network = click.option("--network", "-n", envvar="CLEARINGHOUSE_NETWORK", help="Code of the network.")
    installation = click.option(
        "--installation", is_flag=True, help="What concerns no network: setting up, making networks."
    )
    return network(installation(command))


def log_of(network: str | None, installation: bool) -> UUID:
    if installation:
        return ids.INSTALLATION
    if network is None:
        raise click.UsageError("Give --network or --installation.")
    return find_network_id(network)


@click.group()
def audit() -> None:
    """The audit log: who has done what, chained so that no entry can be changed or removed unseen."""


@audit.command("list")
@whose_option
@click.option("--since", type=MOMENT, help="Of this moment and later, like 2026-11-30T12:00+01:00.")
@click.option("--until", type=MOMENT, help="Before this moment.")
@click.option("--actor", help="Id of a key, code of a person, user of the operating system, or scheduler.")
@click.option("--action", help="A part of the action, like /approve.")
@click.option("--subject", help="A code, an id, a month or a card's number that was named or changed.")
@click.option("--outcome", type=click.Choice(OUTCOMES))
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many at most.")
@click.option("--before", type=click.IntRange(1), metavar="SEQUENCE", help="Go on before this entry.")
@json_option
@with_app
def list_some(
    network: str | None,
    installation: bool,
    since: datetime | None,
    until: datetime | None,
    actor: str | None,
    action: str | None,
    subject: str | None,
    outcome: str | None,
    limit: int,
    before: int | None,
    as_json: bool,
) -> None:
    """List administrative acts, newest first."""
    wanted = Wanted(since, until, actor, action, subject, outcome)
    rows = [show(*entry) for entry in list_entries(log_of(network, installation), limit, before, wanted)]
    print_rows(rows if as_json else [{name: row[name] for name in LISTED_FIELDS} for row in rows], as_json)


@audit.command("head")
@whose_option
@with_app
def print_head(network: str | None, installation: bool) -> None:
    """Print the number and the hash of the newest entry.

    Keep it where nobody who has the database can change it: `audit verify --head` tells later whether everything up
    to there is still as it was.
    """
    click.echo(show_head(find_head(log_of(network, installation))) or "(no entry yet)")


@audit.command("verify")
@whose_option
@click.option("--head", "heads", multiple=True, help="One that `audit head` has printed; repeatable.")
@json_option
@with_app
def verify_one(network: str | None, installation: bool, heads: tuple[str, ...], as_json: bool) -> None:
    """Recompute the chain; names what is wrong, first things first, and exits with status 1 if anything is.

    Also compares it with every head that the scheduler has noted in audit-heads.txt, outside the database.
    """
    tenant_id, kept = log_of(network, installation), [parse_head(head) for head in heads]
    with err.status("verifying"):
        shown = show_verified(verify(tenant_id, *kept))
    if as_json:
        print_fields(shown, as_json)
    else:
        if shown["differences"]:
            print_rows(shown["differences"], as_json, "Differences")
        out.print(f"{len(shown['differences'])} differences in {shown['entries']:,} entries", soft_wrap=True)
        out.print(f"head {shown['head'] or '(no entry yet)'}", soft_wrap=True)
    if shown["differences"]:
        sys.exit(1)


@audit.command("export")
@whose_option
@click.argument("output", type=click.Path(dir_okay=False, path_type=Path))
@with_app
def export(network: str | None, installation: bool, output: Path) -> None:
    """Write all entries to a file, oldest first, a line of JSON each.

    Whoever has the file can recompute it: the hash of an entry is `jq -cjS 'del(.hash)' | sha256sum` of its line, and
    previous_hash is the hash of the line before.
    """
    put_in_place(output, lines(all_entries(log_of(network, installation))))
    out.print(str(output), soft_wrap=True)


@audit.command("compare")
@whose_option
@click.argument("sequence", type=click.IntRange(1))
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@with_app
def compare(network: str | None, installation: bool, sequence: int, file: Path) -> None:
    """Tell whether FILE is, byte for byte, the body of the request of entry SEQUENCE; exits with status 1 if not."""
    if was_sent(log_of(network, installation), sequence, file.read_bytes()):
        out.print(f"{file} is what was sent.", soft_wrap=True)
        return
    out.print(f"{file} is not what was sent.", soft_wrap=True)
    sys.exit(1)
