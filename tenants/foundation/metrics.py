"""What is counted while requests are served, in the form of Prometheus.

Every worker of the HTTP server keeps its counts in files of its own under the folder that PROMETHEUS_MULTIPROC_DIR
names, and `clearinghouse serve` adds them up when it is asked. Without that variable they are counted in memory, for
nobody. Labels take few values: templates of routes, kinds, codes; never stores, cards or members.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Mapping
from functools import cache

from prometheus_client import Counter, Gauge, Histogram
from sqlalchemy import Engine
from sqlalchemy.pool import QueuePool

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

# Seconds: from what a posting takes on an idle machine to what no till waits for.
DURATIONS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 30.0)
# How often a worker says how its connections are used.
SAMPLE_SECONDS = 5.0

requests = Histogram(
    "clearinghouse_http_request_duration_seconds",
    "Requests answered, by route, and how long they took",
    ["method", "route", "status"],
    buckets=DURATIONS,
)
refusals = Counter("clearinghouse_refusals", "Requests refused, by the code of the problem", ["code"])
events = Counter(
    "clearinghouse_postings", "Events that came to the ledger, by what became of them", ["kind", "outcome"]
)
batch_refusals = Counter("clearinghouse_batch_refusals", "Events of batches refused, by code", ["code"])
uncounted = Counter(
    "clearinghouse_rate_limit_uncounted", "Requests that passed uncounted, as Redis did not answer at once"
)
connections = Gauge(
    "clearinghouse_database_pool_connections",
    "Connections of the HTTP workers: open, in_use, and those beyond the pool's size (overflow)",
    ["pool", "state"],
    multiprocess_mode="livesum",
)
pool_sizes = Gauge(
    "clearinghouse_database_pool_size",
    "Connections that the HTTP workers keep open at most when idle",
    ["pool"],
    multiprocess_mode="livesum",
)


# Kept at hand: finding a metric by its labels takes longer than counting.
duration_of = cache(requests.labels)
number_of = cache(events.labels)


def count_request(method: str, route: str, status: int, seconds: float, code: str | None) -> None:
    """`code` is that of the problem, None when there was none."""
    duration_of(method, route, status).observe(seconds)
    if code is not None:
        refusals.labels(code).inc()


def count_events(settled: Iterable[tuple[str, str]]) -> None:
    """Of each its kind and what became of it: posted, replayed or refused."""
    for kind, outcome in settled:
        number_of(kind, outcome).inc()


def count_batch_refusal(code: str) -> None:
    batch_refusals.labels(code).inc()


def count_uncounted(requests: int) -> None:
    uncounted.inc(requests)


def watch_pools(pools: Mapping[str, Engine]) -> None:
    """Have a thread of this process say every few seconds how these pools are used."""
    if FOLDER_VARIABLE in os.environ:
        threading.Thread(target=keep_sampling, args=(pools.items(),), name="pools", daemon=True).start()


def keep_sampling(pools: Iterable[tuple[str, Engine]]) -> None:
    while True:
        for name, engine in pools:
            sample_pool(name, engine)
        time.sleep(SAMPLE_SECONDS)


def sample_pool(name: str, engine: Engine) -> None:
    pool = engine.pool
    assert isinstance(pool, QueuePool)
    in_use = pool.checkedout()
    pool_sizes.labels(name).set(pool.size())
    connections.labels(name, "open").set(pool.checkedin() + in_use)
    connections.labels(name, "in_use").set(in_use)
    connections.labels(name, "overflow").set(max(pool.overflow(), 0))
