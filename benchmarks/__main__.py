"""`python -m benchmarks`: everything on one machine in one run, on servers of its own under var/bench."""

from __future__ import annotations

import json

import click

from benchmarks.closing import measure_closings
from benchmarks.http import (
    http_server,
    measure_batches,
    measure_fixed_rates,
    measure_saturation,
    memory_of_workers,
    serve_defaults,
)
from benchmarks.importing import measure_import
from benchmarks.posting import measure_posting, seed
from benchmarks.report import Report, aims, machine, measurements
from benchmarks.statements import measure_statements
from benchmarks.till import measure_calls
from benchmarks.valuation import measure_valuation
from benchmarks.world import World, fresh_world, make_network, populate
from tenants.foundation import clock
from tenants.foundation.console import err, print_fields, print_rows
from tenants.foundation.months import month_of

SUBJECTS = ("posting", "http", "batches", "till", "import", "close", "valuation", "statements")


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
@click.option("--workers", default=serve_defaults()[0], show_default=True, help="HTTP worker processes.")
@click.option("--threads", default=serve_defaults()[1], show_default=True, help="Threads of a worker.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def main(
    subjects: tuple[str, ...], seconds: int, postings: list[int], workers: int, threads: int, as_json: bool
) -> None:
    """Measure SUBJECTS, by default all: posting, http, batches, till, import, close, valuation, statements."""
    wanted = set(subjects or SUBJECTS)
    report = Report()
    with fresh_world() as world:
        if wanted & {"posting", "http", "batches", "till"}:
            measure_tills(world, wanted, report, seconds, workers, threads)
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
        show(report, {**machine(world), "http": f"{workers} workers of {threads} threads"}, as_json)


def measure_tills(world: World, wanted: set[str], report: Report, seconds: int, workers: int, threads: int) -> None:
    say("making 200 stores and 100,000 members with points")
    network = populate(world, make_network(world, "tills", month_of(clock.now().date())))
    seed(network)
    if "posting" in wanted:
        say("pgbench on the posting function")
        report.posting = measure_posting(world, network, seconds)
    if wanted & {"http", "batches", "till"}:
        with http_server(workers, threads) as server:
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
            report.memory = memory_of_workers(server)


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
