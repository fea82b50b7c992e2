"""`python -m benchmarks`: everything on one machine in one run, on servers of its own under var/bench."""

from __future__ import annotations

import json
from pathlib import Path

import click

from benchmarks.chart import write_chart
from benchmarks.closing import measure_closings
from benchmarks.growth import bytes_for, fitting, measure_growth
from benchmarks.hot import measure_hot
from benchmarks.http import (
    HttpServer,
    http_server,
    measure_batches,
    measure_fixed_rates,
    measure_saturation,
    memory_of_workers,
    serve_defaults,
)
from benchmarks.importing import measure_import
from benchmarks.peers.measure import MISSING, measure_peers, peers_are_installed
from benchmarks.posting import measure_posting, seed
from benchmarks.queues import measure_queues
from benchmarks.report import Report, aims, machine, measurements
from benchmarks.statements import measure_statements
from benchmarks.till import measure_calls
from benchmarks.valuation import measure_valuation
from benchmarks.world import Network, World, fresh_world, make_network, populate
from tenants.foundation import clock
from tenants.foundation.console import err, print_fields, print_rows
from tenants.foundation.months import month_of

# Measured through the HTTP server, in this order: growth last, as it fills the ledger.
SERVED = ("http", "till", "batches", "peers", "hot", "queues", "growth")
SUBJECTS = ("posting", *SERVED, "import", "close", "valuation", "statements")


def parse_sizes(context: click.Context, option: click.Parameter, value: str) -> list[int]:
    try:
        sizes = [int(size) for size in value.split(",")]
    except ValueError:
        sizes = []
    if not sizes or min(sizes) < 1:
        raise click.BadParameter("write it like 1,5,10")
    return sizes


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("subjects", nargs=-1, type=click.Choice(SUBJECTS))
@click.option("--seconds", default=15, show_default=True, help="Of each measurement of posting, HTTP and batches.")
@click.option(
    "--postings", default="1,5,10", show_default=True, callback=parse_sizes, help="Millions in the month to close."
)
@click.option(
    "--millions", default="1,10", show_default=True, callback=parse_sizes, help="Of postings to grow the ledger to."
)
@click.option("--workers", default=serve_defaults()[0], show_default=True, help="HTTP worker processes.")
@click.option("--threads", default=serve_defaults()[1], show_default=True, help="Threads of a worker.")
@click.option("--chart", type=click.Path(dir_okay=False, path_type=Path), help="Draw what was measured as SVG.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def main(
    subjects: tuple[str, ...],
    seconds: int,
    postings: list[int],
    millions: list[int],
    workers: int,
    threads: int,
    chart: Path | None,
    as_json: bool,
) -> None:
    """Measure SUBJECTS, by default all: posting, http, till, batches, peers, hot, queues, growth, import, close,
    valuation, statements."""
    wanted = set(subjects or SUBJECTS)
    if "peers" in wanted and not peers_are_installed():
        err.print(MISSING, markup=False)
        wanted.remove("peers")
    if not wanted:
        return
    report = Report()
    with fresh_world() as world:
        try:
            measure(world, wanted, report, seconds, postings, millions, workers, threads)
        finally:
            # Also of what had been measured when one of them failed.
            show(report, {**machine(world), "http": f"{workers} workers of {threads} threads"}, as_json)
        if chart:
            write_chart(report, chart)


def measure(
    world: World,
    wanted: set[str],
    report: Report,
    seconds: int,
    postings: list[int],
    millions: list[int],
    workers: int,
    threads: int,
) -> None:
    if wanted & {"posting", *SERVED}:
        measure_tills(world, wanted, report, seconds, millions, workers, threads)
    if "import" in wanted:
        say("importing a year")
        report.importing = measure_import(world)
    if "close" in wanted:
        say(f"generating and closing months of {', '.join(map(str, postings))} million postings")
        report.closings = measure_closings(world, postings)
    if "valuation" in wanted:
        report.valuation_milliseconds = measure_valuation()
    if "statements" in wanted:
        say("closing two months of 1,000 stores and writing their statements")
        report.statements = measure_statements(world)


def measure_tills(
    world: World, wanted: set[str], report: Report, seconds: int, millions: list[int], workers: int, threads: int
) -> None:
    say("making 200 stores and 100,000 members with points")
    network = populate(world, make_network(world, "tills", month_of(clock.now().date())))
    seed(network)
    if "posting" in wanted:
        say("pgbench on the posting function")
        report.posting = measure_posting(world, network, seconds)
    if wanted & set(SERVED):
        with http_server(workers, threads) as server:
            measure_served(world, server, network, wanted, report, seconds, millions)


def measure_served(
    world: World,
    server: HttpServer,
    network: Network,
    wanted: set[str],
    report: Report,
    seconds: int,
    millions: list[int],
) -> None:
    if "http" in wanted:
        say("HTTP: saturation, then fixed rates")
        report.saturation = measure_saturation(server, network, seconds)
        report.fixed_rates = measure_fixed_rates(server, network, report.http_maximum, seconds)
    if "till" in wanted:
        say("HTTP: the other calls of a till")
        report.calls = measure_calls(world, server, network, max(seconds // 2, 1))
    if "batches" in wanted:
        say("HTTP: batches")
        report.batches = measure_batches(server, network, seconds)
    if wanted & {"http", "till", "batches"}:
        report.memory = memory_of_workers(server)
    if "peers" in wanted:
        say("django-hordak and django-ledger beside the clearinghouse")
        report.peers = measure_peers(world, server, network, seconds)
    if "hot" in wanted:
        say("one store, one card")
        report.hot = measure_hot(world, server, network, seconds)
    if "queues" in wanted:
        say("batches accepted while somebody listens, and queues worked off")
        report.queues = measure_queues(world, server, network, seconds)
    if "growth" in wanted:
        sizes = fitting(millions)
        for size in sorted(set(millions) - set(sizes)):
            gigabytes = bytes_for(size) / 10**9
            err.print(f"growth: {size} million postings left out: the disk has no room for {gigabytes:.0f} GB")
        say(f"posting into a ledger of {', '.join(map(str, sizes))} million postings")
        report.growth = measure_growth(world, server, network, sizes, seconds)


def say(sentence: str) -> None:
    err.print(f"[dim]{sentence} …[/dim]")


def show(report: Report, facts: dict[str, object], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"machine": facts, "measured": measurements(report), "aims": aims(report)}, indent=2))
        return
    print_fields(facts, as_json=False)
    print_rows(measurements(report), as_json=False)
    print_rows(aims(report), as_json=False)


if __name__ == "__main__":
    main()
