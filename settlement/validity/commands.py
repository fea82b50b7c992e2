"""What the commands of rates and fees share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from tenants.foundation.console import DAY

Command = TypeVar("Command", bound=Callable[..., Any])

NOT_IN_TABLES = ("made_at", "ended_by", "ended_at", "withdrawn_by")
PARTICIPANT_HELP = "Code of a participant, for its stores only.  [default: everybody without one of their own]"

withdrawn_option = click.option("--withdrawn", is_flag=True, help="Withdrawn ones too.")
participant_filter = click.option("--participant", help="Only those of the participant with this code.")
last_day_argument = click.argument("last_day", type=DAY)


def in_one_row(shown: dict[str, Any]) -> dict[str, Any]:
    """What a table has room for; --json has all."""
    return {name: value for name, value in shown.items() if name not in NOT_IN_TABLES}


def days_options(command: Command) -> Command:
    for option in (
        click.option("--yes", "confirmed", is_flag=True, help="It is meant, though it is unlike the one before."),
        click.option("--participant", help=PARTICIPANT_HELP),
        click.option("--until", "valid_until", type=DAY, help="The last day.  [default: until another is set]"),
        click.option("--from", "valid_from", type=DAY, required=True, help="The first day, like 2026-12-01."),
    ):
        command = option(command)
    return command
