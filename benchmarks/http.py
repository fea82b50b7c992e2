"""(b), (c) What tills see: single postings and batches through the HTTP server as `serve` runs it."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any
from uuid import uuid4

from benchmarks.load import Load, hold_rate, saturate
from benchmarks.posting import ACCRUALS, REDEMPTIONS
from benchmarks.world import FILES, VAR, Network, pick
from settlement.serving.commands import serve
from settlement.serving.processes import http_command
from tenants.foundation.lifetimes import children_of

# Of the server, with its line for each request, as in earnest.
LOG = FILES / "http.log"
SATURATING_CONNECTIONS = (8, 16, 32)
# At a fixed rate there are more than are ever busy, so that waiting happens in the server.
OPEN_LOOP_CONNECTIONS = 64
SHARES_OF_MAXIMUM = (0.50, 0.75, 0.90)
BATCH_SIZES = (1_000, 5_000)
BATCH_CONNECTIONS = 4
BATCHED_EVENTS_PER_SECOND_MAX = 20_000
WARM_UP_SECONDS = 3.0
START_SECONDS_MAX = 60.0

POSTED, REFUSED = 201, 409
RUN = uuid4().hex[:8]
numbers = count(1)


@dataclass(frozen=True)
class HttpServer:
    port: int
    process: subprocess.Popen[bytes]


@dataclass(frozen=True)
class WorkerMemory:
    """Megabytes. `pss` counts a page that n processes share as 1/n."""

    rss: float
    pss: float


@dataclass(frozen=True)
class Saturation:
    connections: int
    load: Load


@dataclass(frozen=True)
class FixedRate:
    share: float
    per_second: float
    load: Load


@dataclass(frozen=True)
class BatchRun:
    events: int
    per_second: float
    milliseconds_median: float
    refused: int


def serve_defaults() -> tuple[int, int]:
    """Workers and threads that `clearinghouse serve` starts."""
    defaults: dict[str | None, Any] = {parameter.name: parameter.default for parameter in serve.params}
    return defaults["workers"], defaults["threads"]


@contextmanager
def http_server(workers: int, threads: int) -> Iterator[HttpServer]:
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    environment |= {"CLEARINGHOUSE_VAR": str(VAR), "CLEARINGHOUSE_LOG": "json"}
    FILES.mkdir(exist_ok=True)
    with LOG.open("wb") as log:
        command = http_command("127.0.0.1", port, workers, threads)
        process = subprocess.Popen(command, env=environment, stderr=log)
    try:
        wait_until_listening(port, process)
        yield HttpServer(port, process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until_listening(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the HTTP server does not listen:\n{LOG.read_text()}") from error
            time.sleep(0.1)


def measure_saturation(server: HttpServer, network: Network, seconds: int) -> list[Saturation]:
    requests = single_requests(network)
    saturate(server.port, SATURATING_CONNECTIONS[0], requests, WARM_UP_SECONDS)
    return [
        Saturation(connections, checked(saturate(server.port, connections, requests, seconds)))
        for connections in SATURATING_CONNECTIONS
    ]


def measure_fixed_rates(server: HttpServer, network: Network, maximum: float, seconds: int) -> list[FixedRate]:
    requests = single_requests(network)
    measured = []
    for share in SHARES_OF_MAXIMUM:
        rate = share * maximum
        prepared = list(islice(requests, int(rate * seconds)))
        load = checked(hold_rate(server.port, OPEN_LOOP_CONNECTIONS, prepared, rate))
        measured.append(FixedRate(share, rate, load))
    return measured


def checked(load: Load) -> Load:
    """Refusals (too few points) belong to the mix; anything else means that something else was measured."""
    unexpected = {status: count for status, count in load.statuses.items() if status not in (POSTED, REFUSED)}
    if unexpected:
        raise RuntimeError(f"unexpected answers {unexpected}, like {load.openings[-1]!r}")
    return load


def single_requests(network: Network) -> Iterator[bytes]:
    while True:
        event = an_event(network)
        kind = event.pop("kind")
        yield request(f"/v1/{kind}s", pick(network.keys), event, event.pop("idempotency_key"))


def batch_requests(network: Network, size: int) -> Iterator[bytes]:
    while True:
        yield request("/v1/batches", pick(network.keys), {"events": [an_event(network) for _ in range(size)]})


def an_event(network: Network) -> dict[str, Any]:
    number = next(numbers)
    event = {"idempotency_key": f"{RUN}-{random.getrandbits(96):024x}", "card": pick(network.cards)}
    event["order_ref"] = f"{RUN}-{number}"
    if random.random() * (ACCRUALS + REDEMPTIONS) < REDEMPTIONS:
        return {**event, "kind": "redemption", "points": random.randint(1, 100)}
    return {**event, "kind": "accrual", "amount": random.randint(100, 10_000)}


def request(
    path: str, api_key: str, payload: dict[str, Any] | None = None, idempotency_key: str | None = None
) -> bytes:
    """A POST of the payload, or a GET."""
    body = b"" if payload is None else json.dumps(payload).encode()
    lines = [
        f"{'GET' if payload is None else 'POST'} {path} HTTP/1.1",
        "Host: benchmark",
        "Content-Type: application/json",
        f"Authorization: Bearer {api_key}",
        f"Content-Length: {len(body)}",
    ]
    if idempotency_key:
        lines.append(f"Idempotency-Key: {idempotency_key}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def measure_batches(server: HttpServer, network: Network, seconds: int) -> list[BatchRun]:
    return [measure_batch(server, network, size, seconds) for size in BATCH_SIZES]


def measure_batch(server: HttpServer, network: Network, size: int, seconds: int) -> BatchRun:
    # Made beforehand: making 5,000 events takes as long as a tenth of posting them.
    prepared = list(islice(batch_requests(network, size), BATCHED_EVENTS_PER_SECOND_MAX * seconds // size))
    load = saturate(server.port, BATCH_CONNECTIONS, iter(prepared), seconds)
    counts = [[int(n) for n in re.findall(rb":(\d+)", opening)[:3]] for opening in load.openings]
    if set(load.statuses) != {200} or any(replayed for _, replayed, _ in counts):
        raise RuntimeError(f"unexpected answers to batches: {load.statuses}, like {load.openings[-1]!r}")
    posted, refused = sum(c[0] for c in counts), sum(c[2] for c in counts)
    return BatchRun(size, (posted + refused) / load.seconds, load.percentile(50), refused)


def memory_of_workers(server: HttpServer) -> list[WorkerMemory]:
    return [memory_of(pid) for pid in children_of(server.process.pid) if is_worker(pid)]


def is_worker(pid: int) -> bool:
    """The others are the resource tracker of multiprocessing."""
    return b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes()


def memory_of(pid: int) -> WorkerMemory:
    kilobytes = dict(re.findall(r"^(\w+): +(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE))
    return WorkerMemory(int(kilobytes["Rss"]) / 1024, int(kilobytes["Pss"]) / 1024)
