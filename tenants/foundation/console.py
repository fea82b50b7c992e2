"""What every command shares: the application context, tables or JSON, one line for an error, progress."""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import wraps
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from tenants.audit.rules import named_in, safe
from tenants.audit.service import record_refusal
from tenants.foundation.acts import COMMAND_LINE, STAFF, Act, acting
from tenants.foundation.database import compact_json
from tenants.foundation.errors import Forbidden
from tenants.networks.service import find_network_id

Command = TypeVar("Command", bound=Callable[..., Any])

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

PIPE_WIDTH = 1_000

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
network_option = click.option(
    "--network", "-n", "network", required=True, envvar="CLEARINGHOUSE_NETWORK", help="Code of the network."
)


class DecimalType(click.ParamType):
    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        try:
            number = Decimal(value)
        except InvalidOperation:
            number = Decimal("NaN")
        if not number.is_finite():
            self.fail(f"{value!r} is not a number: write it like 0.85.", param, ctx)
        return number


class DayType(click.ParamType):
    name = "day"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a day: write it like 2026-11-30.", param, ctx)


class MomentType(click.ParamType):
    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            self.fail(f"{value!r} is not a moment: write it like 2026-11-30T12:00+01:00.", param, ctx)
        return moment


DECIMAL = DecimalType()
DAY = DayType()
MOMENT = MomentType()


def print_rows(rows: Sequence[dict[str, Any]], as_json: bool, title: str | None = None) -> None:
    """Numbers to the right, everything else to the left; `--json` prints the same rows."""
    if as_json:
        click.echo(json.dumps(rows, indent=2, default=str, ensure_ascii=False))
        return
    if not rows:
        out.print("(none)" if title is None else f"{title}: none")
        return
    table = Table(title=title, title_justify="left", header_style="bold")
    for name, value in rows[0].items():
        is_number = isinstance(value, int) and not isinstance(value, bool)
        table.add_column(name.replace("_", " "), justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(show_cell(value) for value in row.values()))
    # A pipe has no width: an id that is broken over two lines could not be found with grep.
    console = out if out.is_terminal else Console(highlight=False, width=PIPE_WIDTH)
    console.print(table)


def print_fields(fields: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(fields, indent=2, default=str, ensure_ascii=False))
        return
    width = max(len(name) for name in fields)
    for name, value in fields.items():
        out.print(f"[bold]{name.replace('_', ' '):<{width}}[/bold]  {show_cell(value)}", soft_wrap=True)


def show_cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, list):
        return ", ".join(map(show_cell, value))
    return str(value).replace("[", "\\[")


@contextmanager
def progress(description: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A bar on the console; the value is called with the number of steps just done."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err) as bar:
        task = bar.add_task(description, total=total)
        yield lambda steps: bar.update(task, advance=steps)


def with_app(command: Command) -> Command:
    """Run a command inside the application, which the root command knows how to make; the audit log says who does."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        context = click.get_current_context()
        with context.find_root().obj().app_context(), acting(act_of(context)):
            try:
                return command(*args, **kwargs)
            except Forbidden as error:
                if "network" in context.params:
                    record_refusal(find_network_id(context.params["network"]), error.code)
                raise

    return run  # type: ignore[return-value]


def act_of(context: click.Context) -> Act:
    """The person's name that a user of this machine acts in is in `actor_code` (`tenants.staff.commands`)."""
    user, person = safe(command_line_user()), context.params.get("actor_code")
    return Act(
        kind=COMMAND_LINE if person is None else STAFF,
        actor=user if person is None else safe(person),
        via=None if person is None else f"command line {user}",
        action=context.command_path.partition(" ")[2],
        subject=named_in({name: value for name, value in context.params.items() if name != "network"}),
        content=compact_json(context.params).encode(),
    )


def command_line_user() -> str:
    """A container may run as a user who has a number only."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"
