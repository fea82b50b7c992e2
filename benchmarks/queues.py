"""(l) Queues: what is accepted while somebody listens, and apart from it how fast what was queued is carried away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from statistics import mean
from uuid import UUID

from benchmarks.http import HttpServer, measure_batch
from benchmarks.world import Network, World, ask
from clearinghouse.webhooks.delivery import carry, deliver
from clearinghouse.webhooks.jobs import purge_network
from clearinghouse.webhooks.service import create_endpoint, delete_endpoint
from settlement.serving.processes import run_worker
from tenants.foundation.queue import job_queue

BATCH_EVENTS = 1_000
ROUNDS = 2
JOBS = 100
QUEUED = "SELECT count(*) FROM ledger.outbox WHERE tenant_id = :tenant"
DELIVERED = "SELECT count(*) FROM webhooks.deliveries WHERE tenant_id = :tenant AND state = 'delivered'"


@dataclass(frozen=True)
class QueueRun:
    """Events a second: accepted in batches while nobody and while one receiver listens; taken from the outbox;
    delivered by one worker. `jobs_per_second`: small jobs, each in a process of its own, as all are."""

    accepted_unheard: float
    accepted_heard: float
    carried: float
    delivered: float
    jobs_per_second: float


def measure_queues(world: World, server: HttpServer, network: Network, seconds: int) -> QueueRun:
    unheard, heard, carried, delivered = [], [], [], []
    with receiver() as port:
        for _ in range(ROUNDS):
            unheard.append(accept(server, network, seconds))
            endpoint, _secret = create_endpoint(network.tenant_id, f"http://127.0.0.1:{port}/")
            heard.append(accept(server, network, seconds))
            carried.append(carry_all(world, network))
            delivered.append(deliver_for(world, network, endpoint.endpoint_id, seconds / ROUNDS))
            delete_endpoint(network.tenant_id, endpoint.endpoint_id)
    return QueueRun(mean(unheard), mean(heard), mean(carried), mean(delivered), work_off_jobs(network))


def accept(server: HttpServer, network: Network, seconds: int) -> float:
    return measure_batch(server, network, BATCH_EVENTS, max(seconds // ROUNDS, 1)).per_second


def carry_all(world: World, network: Network) -> float:
    queued = ask(world, QUEUED, tenant=network.tenant_id)
    start = time.perf_counter()
    carry(network.tenant_id)
    return queued / (time.perf_counter() - start)


def deliver_for(world: World, network: Network, endpoint_id: UUID, seconds: float) -> float:
    """Or until there is nothing more to deliver."""
    before = ask(world, DELIVERED, tenant=network.tenant_id)
    start = time.perf_counter()
    while deliver(network.tenant_id, endpoint_id) and time.perf_counter() < start + seconds:
        pass
    passed = time.perf_counter() - start
    return (ask(world, DELIVERED, tenant=network.tenant_id) - before) / passed


def work_off_jobs(network: Network) -> float:
    queue = job_queue()
    for _ in range(JOBS):
        queue.enqueue(purge_network, str(network.tenant_id))
    start = time.perf_counter()
    run_worker(burst=True)
    passed = time.perf_counter() - start
    if queue.failed_job_registry.count:
        raise RuntimeError(f"{queue.failed_job_registry.count} jobs failed")
    return JOBS / passed


@contextmanager
def receiver() -> Iterator[int]:
    """The port of an HTTP server in a process of its own that accepts everything."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=receive_all, args=(theirs,), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


def receive_all(tell: Connection) -> None:
    asyncio.run(serve_receiver(tell))


async def serve_receiver(tell: Connection) -> None:
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    tell.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(int(length.split(b":")[1]))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
            return
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
