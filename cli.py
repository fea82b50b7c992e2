"""Composes the three packages: the application, and the `clearinghouse` command.

A command group is imported when it is used, so that a worker of the HTTP server, which imports this
module too, does not carry what only some commands need.
"""

from __future__ import annotations

import gc
import importlib
import logging
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Any

import click
import redis
from apiflask import APIFlask

from clearinghouse.app import create_app
from settlement.blueprints import BLUEPRINTS
from tenants.foundation import afterwards, logs
from tenants.foundation.config import load_settings
from tenants.foundation.console import err
from tenants.foundation.database import db
from tenants.foundation.database_errors import explain_database_error
from tenants.foundation.embedded import EmbeddedServerError
from tenants.foundation.errors import ClearinghouseError
from tenants.foundation.lifetimes import STOP_SECONDS_MAX, end_with_serve
from tenants.foundation.metrics import watch_pools
from tenants.foundation.payment_cards import refuse_payment_cards

log = logging.getLogger(__name__)

COMMANDS = {
    "init": "clearinghouse.networks.commands:init",
    "serve": "settlement.serving.commands:serve",
    "worker": "settlement.serving.commands:worker",
    "scheduler": "settlement.serving.commands:scheduler",
    "demo": "settlement.demo.commands:demo",
    "network": "clearinghouse.networks.commands:network",
    "participant": "clearinghouse.directory.commands:participant",
    "store": "clearinghouse.directory.commands:store",
    "terminal": "clearinghouse.directory.commands:terminal",
    "staff": "clearinghouse.staff.commands:staff",
    "key": "clearinghouse.directory.commands:key",
    "member": "clearinghouse.directory.commands:member",
    "data-key": "clearinghouse.data_keys.commands:data_key",
    "card": "clearinghouse.cards.commands:card",
    "programme": "clearinghouse.programme.commands:programme",
    "day-close": "clearinghouse.dayclose.commands:day_close",
    "import": "clearinghouse.imports.commands:import_",
    "webhook": "clearinghouse.webhooks.commands:webhook",
    "hold": "clearinghouse.holds.commands:hold",
    "expire": "clearinghouse.expiry.commands:expire",
    "rate": "settlement.rates.commands:rate",
    "fee": "settlement.fees.commands:fee",
    "terms": "settlement.terms.commands:terms",
    "window": "settlement.commands:window",
    "settlement": "settlement.commands:settlement",
    "adjustment": "settlement.adjustments.commands:adjustment",
    "dispute": "settlement.commands:dispute",
    "bank-account": "clearinghouse.bank_accounts.commands:bank_account",
    "payments": "settlement.payments.commands:payments",
    "exposure": "settlement.exposure.commands:exposure",
    "deposit": "settlement.deposits.commands:deposit",
    "report": "settlement.reports.commands:report",
    "journal": "settlement.accounting.commands:journal",
    "valuation": "settlement.valuation.commands:valuation",
    "ledger": "settlement.checks.commands:ledger",
    "audit": "clearinghouse.audit.commands:audit",
    "partition": "clearinghouse.partitions.commands:partition",
    "backup": "clearinghouse.backups.commands:backup",
    "restore": "settlement.recovery.commands:restore_into",
}


class LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        # Before anything is looked at: messages about an argument repeat it.
        refuse_payment_cards("\n".join(args))
        return super().parse_args(ctx, args)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


def make_app() -> APIFlask:
    return create_app(load_settings(), BLUEPRINTS)


def make_http_app() -> APIFlask:
    """The application in a worker of the HTTP server, where what counts is the slowest request in a hundred."""
    end_with_serve(STOP_SECONDS_MAX)
    app = make_app()
    afterwards.start()
    with app.app_context():
        watch_pools({"postings": app.extensions["calls"].engine, "other": db.engine})
    # A thread that has its answer from the database waits this long for the interpreter, not the usual 5 ms.
    sys.setswitchinterval(0.0005)
    # What is loaded by now stays: a collection that looks through it again holds up every request.
    gc.collect()
    gc.freeze()
    return app


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="clearinghouse")
@click.pass_context
def clearinghouse(ctx: click.Context) -> None:
    """Loyalty points of franchise networks: issued, redeemed in any store, settled every month."""
    ctx.obj = ctx.obj or make_app


def explain(error: Exception) -> str | None:
    """The one line that a user sees instead of a stack trace; None for a bug of ours."""
    if isinstance(error, ClearinghouseError):
        return error.message
    explained = explain_database_error(error)
    if explained is not None:
        return explained.message
    if isinstance(error, redis.RedisError):
        return f"Redis can't be reached: {error}"
    if isinstance(error, EmbeddedServerError | OSError):
        return str(error)
    return None


def exit_on_terminate(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


def main(arguments: list[str] | None = None) -> Any:
    # Not the default, which skips atexit and would leave the embedded servers running.
    signal.signal(signal.SIGTERM, exit_on_terminate)
    end_with_serve()
    try:
        logs.configure(command_in(sys.argv[1:] if arguments is None else arguments))
        return clearinghouse.main(arguments, prog_name="clearinghouse")
    except Exception as error:
        message = explain(error)
        if message is None:
            raise
        tell(message, error)
        sys.exit(1)


def command_in(words: Sequence[str]) -> str:
    return next((word for word in words if word in COMMANDS), "clearinghouse")


def tell(message: str, error: Exception) -> None:
    """Why a command ends: to whoever reads the log of a service, or to whoever has typed the command."""
    if logs.is_read_by_machines():
        log.critical(message, extra={"code": getattr(error, "code", None)})
    else:
        err.print(f"[red]error:[/red] {message}", soft_wrap=True)


if __name__ == "__main__":
    main()
