from __future__ import annotations

import logging

import click
from flask import current_app

from clearinghouse.health.service import what_is_missing
from settlement.serving.processes import (
    check_port,
    cli_command,
    http_command,
    run_scheduler,
    run_worker,
    serve_until_told,
)
from tenants.foundation.console import out, with_app

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8080, show_default=True, type=click.IntRange(1, 65535))
@click.option("--workers", default=2, show_default=True, help="HTTP worker processes.")
@click.option("--threads", default=4, show_default=True, help="Requests that a worker handles at once.")
@with_app
def serve(host: str, port: int, workers: int, threads: int) -> None:
    """Serve HTTP, run jobs and the scheduler, until Ctrl-C."""
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    for problem in what_is_missing():
        raise problem
    check_port(host, port)
    out.print(f"http://{host}:{port}       API")
    out.print(f"http://{host}:{port}/docs/  its documentation")
    serve_until_told(
        {
            "http": http_command(host, port, workers, threads),
            "worker": cli_command("worker"),
            "webhooks": cli_command("worker", "--only-webhooks"),
            "scheduler": cli_command("scheduler"),
        },
        current_app.config["SETTINGS"].var,
    )


@click.command()
@click.option("--burst", is_flag=True, help="Stop when the queues are empty.")
@click.option("--only-webhooks", is_flag=True, help="Leave every other job to other workers.")
@with_app
def worker(burst: bool, only_webhooks: bool) -> None:
    """Run jobs from the queues; start as many as there are cores to spare."""
    logging.basicConfig(level=logging.WARNING, format=LOG_FORMAT)
    run_worker(burst, only_webhooks)


@click.command()
@with_app
def scheduler() -> None:
    """Put periodic jobs into the queues: expiry, monthly close, partitions, webhooks. One is enough."""
    logging.basicConfig(level=logging.WARNING, format=LOG_FORMAT)
    run_scheduler()
