from __future__ import annotations

import logging
import signal
import sys
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from flask import current_app

from clearinghouse.health.service import readiness, weak_key
from settlement.metrics.server import counts_folder, serve_metrics
from settlement.serving.processes import (
    PortInUse,
    check_port,
    cli_command,
    http_command,
    noting_stop_signals,
    run_scheduler,
    run_worker,
    serve_until_told,
)
from tenants.foundation import logs
from tenants.foundation.config import Settings
from tenants.foundation.console import out, with_app
from tenants.foundation.database import CONNECTIONS_FOR_CALLS

log = logging.getLogger(__name__)

# A database that has just been started may be slow to answer.
START_SECONDS_MAX = 30.0


Address = tuple[str, int]


class AddressType(click.ParamType):
    name = "host:port"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Address | None:
        if value == "off":
            return None
        host, _, port = str(value).rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) <= 65535:
            self.fail(f"{value!r} is no address: write it like 127.0.0.1:9108, or off.", param, ctx)
        return host.strip("[]"), int(port)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8080, show_default=True, type=click.IntRange(1, 65535))
@click.option("--workers", default=2, show_default=True, help="HTTP worker processes.")
@click.option(
    "--threads", default=CONNECTIONS_FOR_CALLS, show_default=True, help="Requests that a worker handles at once."
)
@click.option(
    "--metrics",
    type=AddressType(),
    default="127.0.0.1:9108",
    show_default=True,
    help="Where Prometheus asks for metrics; `off` for nowhere.",
)
@with_app
def serve(host: str, port: int, workers: int, threads: int, metrics: Address | None) -> None:
    """Serve HTTP, run jobs and the scheduler, until Ctrl-C.

    A first SIGTERM or Ctrl-C lets requests and jobs finish, for half a minute at most; a second one does not.
    """
    for problem in readiness(START_SECONDS_MAX).missing:
        raise problem
    for weakness in weak_key(current_app.config["SETTINGS"]):
        log.warning(weakness.message, extra={"code": weakness.code})
    check_port(host, port)
    folder = open_metrics(*metrics) if metrics and may_have(metrics) else None
    with noting_stop_signals() as signals:
        say_where(f"http://{host}:{port}")
        number = serve_until_told(
            {
                "http": http_command(host, port, workers, threads, folder),
                "worker": cli_command("worker"),
                "webhooks": cli_command("worker", "--only-webhooks"),
                "scheduler": cli_command("scheduler"),
            },
            signals,
            current_app.config["SETTINGS"].var,
        )
    if number == signal.SIGTERM:
        sys.exit(128 + number)


def may_have(address: Address) -> bool:
    """Raises `PortInUse` for an address that somebody has asked for. Without the usual one, which another `serve` of
    this machine may have, it goes on."""
    try:
        check_port(*address, "--metrics")
    except PortInUse as error:
        if click.get_current_context().get_parameter_source("metrics") != ParameterSource.DEFAULT:
            raise
        log.warning("no metrics are served: %s", error.message)
        return False
    return True


def open_metrics(host: str, port: int) -> Path:
    """Answers from now on; the folder where the HTTP workers are to keep their counts."""
    settings: Settings = current_app.config["SETTINGS"]
    folder = counts_folder(settings, port)
    serve_metrics(settings, host, port, folder)
    return folder


def say_where(address: str) -> None:
    if logs.is_read_by_machines():
        log.info("serving", extra={"address": address})
    else:
        out.print(f"{address}       API")
        out.print(f"{address}/docs/  its documentation")


@click.command()
@click.option("--burst", is_flag=True, help="Stop when the queues are empty.")
@click.option("--only-webhooks", is_flag=True, help="Leave every other job to other workers.")
@with_app
def worker(burst: bool, only_webhooks: bool) -> None:
    """Run jobs from the queues; start as many as there are cores to spare."""
    run_worker(burst, only_webhooks)


@click.command()
@with_app
def scheduler() -> None:
    """Put periodic jobs into the queues: expiry, monthly close, partitions, webhooks. One is enough."""
    run_scheduler()
