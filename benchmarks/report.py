"""What was measured, as rows, and the ratios that the design aims at."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.closing import STORES, ClosingRun
from benchmarks.growth import GrowthRun
from benchmarks.hot import EVEN, STORE, HotRun
from benchmarks.http import BatchRun, FixedRate, Saturation, WorkerMemory
from benchmarks.importing import ImportRun
from benchmarks.peers import measure as peers
from benchmarks.peers.measure import PeerRun
from benchmarks.posting import PgbenchRun
from benchmarks.queues import QueueRun
from benchmarks.statements import StatementRun
from benchmarks.till import ACCRUAL, BALANCE, QUOTE, REPLAY, CallRun
from benchmarks.world import World, ask

Row = dict[str, Any]


@dataclass
class Report:
    """What was not asked for stays empty."""

    posting: PgbenchRun | None = None
    saturation: list[Saturation] = field(default_factory=list)
    fixed_rates: list[FixedRate] = field(default_factory=list)
    memory: list[WorkerMemory] = field(default_factory=list)
    batches: list[BatchRun] = field(default_factory=list)
    calls: list[CallRun] = field(default_factory=list)
    importing: ImportRun | None = None
    closings: list[ClosingRun] = field(default_factory=list)
    valuation_milliseconds: float | None = None
    statements: list[StatementRun] = field(default_factory=list)
    peers: list[PeerRun] = field(default_factory=list)
    hot: list[HotRun] = field(default_factory=list)
    growth: list[GrowthRun] = field(default_factory=list)
    queues: QueueRun | None = None

    @property
    def http_maximum(self) -> float:
        return max(run.load.per_second for run in self.saturation)


def machine(world: World) -> Row:
    cpu = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())
    return {
        "cores": os.cpu_count(),
        "cpu": cpu[1] if cpu else platform.machine(),
        "memory": f"{int(memory[1]) / 1024**2:.0f} GB" if memory else "?",
        "python": platform.python_version(),
        "postgresql": ask(world, "SHOW server_version"),
    }


def measurements(report: Report) -> list[Row]:
    return [
        *posting_rows(report),
        *http_rows(report),
        *memory_rows(report),
        *batch_rows(report),
        *call_rows(report),
        *import_rows(report),
        *closing_rows(report),
        *valuation_rows(report),
        *statement_rows(report),
        *peer_rows(report),
        *hot_rows(report),
        *growth_rows(report),
        *queue_rows(report),
    ]


def row(name: str, value: float, unit: str, remark: str = "") -> Row:
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return {"measured": name, "value": f"{value:,.{digits}f}", "unit": unit, "remark": remark}


def posting_rows(report: Report) -> list[Row]:
    if not (measured := report.posting):
        return []
    remark = f"mean {measured.milliseconds_mean:.2f} ms; {measured.redeemed:.1%} of redemptions had the points"
    return [row("(a) posting function, pgbench", measured.per_second, "events/s", remark)]


def http_rows(report: Report) -> list[Row]:
    saturated = [
        row(f"(b) HTTP, {run.connections} connections", run.load.per_second, "events/s", latencies(run.load))
        for run in report.saturation
    ]
    fixed = [
        row(f"(b) HTTP at {run.share:.0%} of maximum", run.load.per_second, "events/s", latencies(run.load))
        for run in report.fixed_rates
    ]
    return saturated + fixed


def latencies(load: Any) -> str:
    return ", ".join(f"p{percent:g} {load.percentile(percent):.1f} ms" for percent in (50, 99, 99.9))


def memory_rows(report: Report) -> list[Row]:
    return [
        row(f"(b) HTTP worker {number}", worker.rss, "MB", f"RSS; PSS {worker.pss:.0f} MB")
        for number, worker in enumerate(report.memory, 1)
    ]


def batch_rows(report: Report) -> list[Row]:
    return [
        row(
            f"(c) batches of {run.events:,}",
            run.per_second,
            "events/s",
            f"median {run.milliseconds_median:,.0f} ms a batch; {run.refused:,} events refused",
        )
        for run in report.batches
    ]


def call_rows(report: Report) -> list[Row]:
    return [
        row(f"(f) {run.name}", run.per_second, "calls/s", f"p99 {run.milliseconds_p99:.1f} ms")
        for run in report.calls
    ]


def import_rows(report: Report) -> list[Row]:
    if not (measured := report.importing):
        return []
    remark = f"{measured.rows:,} rows, {measured.transfers:,} transfers, {measured.rejected:,} rejected"
    return [
        row("(d) import of the demo year", measured.seconds, "s", remark),
        row("(d) import of the demo year", measured.rows / measured.seconds, "rows/s"),
    ]


def closing_rows(report: Report) -> list[Row]:
    rows = []
    for run in report.closings:
        memory = f"memory {run.memory_before:.0f} MB, peak {run.memory_peak:.0f} MB"
        remark = f"bare sum {run.bare_seconds:.2f} s; {memory}"
        rows.append(row(f"(e) close {run.millions} M postings", run.close_seconds, "s", remark))
        rows.append(row(f"(e) propose their settlement, {len(STORES):,} stores", run.propose_seconds, "s"))
    return rows


def valuation_rows(report: Report) -> list[Row]:
    if report.valuation_milliseconds is None:
        return []
    return [row("(g) valuation beyond its query", report.valuation_milliseconds, "ms", "36 months of issue")]


def statement_rows(report: Report) -> list[Row]:
    return [
        row(
            f"(h) statements {run.name}, {run.language}",
            run.per_second,
            "a second and core",
            f"1,000 in {run.seconds:.1f} s, {run.bytes_a_file / 1000:.0f} kB each; "
            f"memory {run.memory_before:.0f} MB, peak {run.memory_peak:.0f} MB",
        )
        for run in report.statements
    ]


def peer_rows(report: Report) -> list[Row]:
    return [
        row(f"(i) {run.name}, {run.clients}", run.per_second, "transfers/s", latency(run)) for run in report.peers
    ]


def latency(run: PeerRun) -> str:
    if run.milliseconds_median is None:
        return ""
    return f"p50 {run.milliseconds_median:.1f} ms, p99 {run.milliseconds_p99:.1f} ms"


def hot_rows(report: Report) -> list[Row]:
    rows = []
    for run in report.hot:
        rows.append(row(f"(j) posting function, {run.name}", run.posting_per_second, "events/s"))
        rows.append(
            row(f"(j) HTTP, {run.name}", run.http_per_second, "events/s", f"p99 {run.milliseconds_p99:.1f} ms")
        )
    return rows


def growth_rows(report: Report) -> list[Row]:
    rows = []
    for run in report.growth:
        size = f"ledger of {run.ledger_bytes / 10**9:.1f} GB"
        rows.append(row(f"(k) posting function, {run.millions} M postings", run.posting_per_second, "events/s", size))
        remark = f"p50 {run.milliseconds_median:.1f} ms, p99 {run.milliseconds_p99:.1f} ms"
        rows.append(row(f"(k) HTTP, {run.millions} M postings", run.http_per_second, "events/s", remark))
    return rows


def queue_rows(report: Report) -> list[Row]:
    if not (measured := report.queues):
        return []
    return [
        row("(l) batches accepted, nobody listens", measured.accepted_unheard, "events/s"),
        row("(l) batches accepted, a receiver listens", measured.accepted_heard, "events/s"),
        row("(l) outbox made into deliveries", measured.carried, "events/s"),
        row("(l) delivered by one worker", measured.delivered, "events/s", "8 calls at once"),
        row("(l) small jobs worked off", measured.jobs_per_second, "jobs/s", "one worker, a process for each"),
    ]


def aims(report: Report) -> list[Row]:
    """Only those whose figures were measured."""
    rows = []
    posting = report.posting
    if posting and report.saturation:
        rows.append(at_least("HTTP (b) / posting function (a)", report.http_maximum / posting.per_second, 0.20))
    for run in report.fixed_rates:
        rows.append(at_most(f"p99 at {run.share:.0%} of maximum, ms", run.load.percentile(99), 10))
    if posting:
        for batch in report.batches:
            name = f"batches of {batch.events:,} (c) / posting function (a)"
            rows.append(at_least(name, batch.per_second / posting.per_second, 1.0))
    rows += call_ratios(report)
    if report.importing:
        rows.append(at_most("import (d), s", report.importing.seconds, 60))
    for closing in report.closings:
        rows.append(at_most(f"propose {closing.millions} M (e) / bare sum", closing.proposal_times_bare, 3.0))
        rows.append(at_most(f"close and propose {closing.millions} M (e) / bare sum", closing.times_bare, 3.0))
    if report.valuation_milliseconds is not None:
        rows.append(at_most("valuation (g), ms", report.valuation_milliseconds, 100))
    for written in report.statements:
        name = f"statements {written.name} (h), {written.language}, a second and core"
        rows.append(at_least(name, written.per_second, 40))
    rows += peer_ratios(report) + hot_ratios(report) + growth_ratios(report)
    if measured := report.queues:
        ratio = measured.accepted_heard / measured.accepted_unheard
        rows.append(at_least("accepted while a receiver listens (l) / while nobody does", ratio, 0.8))
    if report.memory:
        rows.append(at_most("largest HTTP worker, RSS, MB", max(worker.rss for worker in report.memory), 150))
    return rows


def call_ratios(report: Report) -> list[Row]:
    """Of each call to the plain accrual; what only reads must not be slower than that."""
    rates = {run.name: run.per_second for run in report.calls}
    plain = rates.pop(ACCRUAL, None)
    if plain is None:
        return []
    aim = {REPLAY: 1.0, QUOTE: 1.0, BALANCE: 1.0}
    return [at_least(f"{name} (f) / accrual", rate / plain, aim.get(name, 0.5)) for name, rate in rates.items()]


def peer_ratios(report: Report) -> list[Row]:
    """Each with the clients that suit it best."""
    if not report.peers:
        return []
    rate = {name: peers.best(report.peers, name) for name in {run.name for run in report.peers}}
    aim = {peers.OURS: 1, peers.HTTP: 1, peers.BATCHES: 10}
    return [
        at_least(f"{name} (i) / {peer}", rate[name] / rate[peer], least)
        for peer in (peers.HORDAK, peers.HORDAK_TILL, peers.DJANGO_LEDGER)
        for name, least in aim.items()
    ]


def hot_ratios(report: Report) -> list[Row]:
    runs = {run.name: run for run in report.hot}
    if not runs:
        return []
    even, store = runs[EVEN], runs[STORE]
    return [
        at_least("one store (j) / even, posting function", store.posting_per_second / even.posting_per_second, 0.8),
        at_least("one store (j) / even, HTTP", store.http_per_second / even.http_per_second, 0.8),
    ]


def growth_ratios(report: Report) -> list[Row]:
    """To the smallest ledger of the run."""
    if not report.growth:
        return []
    first, *larger = report.growth
    return [
        at_least(f"HTTP, {run.millions} M (k) / {first.millions} M", run.http_per_second / first.http_per_second, 0.8)
        for run in larger
    ]


def at_least(name: str, value: float, aim: float) -> Row:
    return compared(name, value, f">= {aim:g}", value >= aim)


def at_most(name: str, value: float, aim: float) -> Row:
    return compared(name, value, f"<= {aim:g}", value <= aim)


def compared(name: str, value: float, aim: str, reached: bool) -> Row:
    return {"ratio": name, "value": f"{value:.2f}", "aim": aim, "reached": "yes" if reached else "NO"}
