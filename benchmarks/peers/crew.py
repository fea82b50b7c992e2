"""Processes and threads that post as fast as they can, the same for every contender.

A contender's module is imported in the crew's processes only. One function of it gives another, which posts one
transfer and may be called by several threads at once.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context
from threading import Barrier
from traceback import format_exception
from typing import Any

from benchmarks.load import Load

WARM_UP_SECONDS = 2.0
START_SECONDS_MAX = 120.0

Post = Callable[[], None]
SPAWN = get_context("spawn")


@dataclass(frozen=True)
class Crew:
    processes: int
    threads: int

    def __str__(self) -> str:
        return f"{self.processes} x {self.threads} threads"


@dataclass(frozen=True)
class Contender:
    """`opens`: the function of the module that gives what posts."""

    name: str
    module: str
    arguments: tuple[Any, ...]
    opens: str = "open_poster"


def post_together(contender: Contender, crew: Crew, seconds: float) -> Load:
    """Closed loop: each thread posts its next transfer when it is done with the last. Starting and warming up do not
    count."""
    barrier = SPAWN.Barrier(crew.processes)
    with ProcessPoolExecutor(crew.processes, SPAWN, remember, (barrier,)) as processes:
        futures = [processes.submit(work, contender, crew.threads, seconds) for _ in range(crew.processes)]
        measured = [latencies for future in futures for latencies in future.result()]
    load = Load([latency for latencies in measured for latency in latencies])
    load.seconds = max(sum(latencies) for latencies in measured)
    return load


def in_child(contender: Contender, function: str) -> Any:
    """Call a function of the contender's module with its arguments in a process that ends with it."""
    with ProcessPoolExecutor(1, SPAWN) as process:
        return process.submit(call, contender, function).result()


def call(contender: Contender, function: str) -> Any:
    with plain_errors():
        return getattr(import_module(contender.module), function)(*contender.arguments)


@contextmanager
def plain_errors() -> Iterator[None]:
    """Errors that can leave the process: a framework's own can't be read without it."""
    try:
        yield
    except Exception as error:
        raise RuntimeError("".join(format_exception(error))) from None


barriers: list[Barrier] = []


def remember(barrier: Barrier) -> None:
    """A barrier can be handed to a process only when it starts."""
    barriers.append(barrier)


def work(contender: Contender, threads: int, seconds: float) -> list[list[float]]:
    """Latencies in seconds, a list for each thread."""
    post: Post = call(contender, contender.opens)
    with plain_errors(), ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda _: post_for(post, WARM_UP_SECONDS), range(threads)))
        # Whatever was imported, by the contender or by this benchmark, must not burden the garbage collector.
        gc.freeze()
        barriers[0].wait(START_SECONDS_MAX)
        return list(pool.map(lambda _: post_for(post, seconds), range(threads)))


def post_for(post: Post, seconds: float) -> list[float]:
    latencies: list[float] = []
    since = time.perf_counter()
    until = since + seconds
    while since < until:
        post()
        now = time.perf_counter()
        latencies.append(now - since)
        since = now
    return latencies
