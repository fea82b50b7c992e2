"""A load generator for HTTP that leaves the two cores to those it measures: one thread, ready-made requests,
connections that are kept."""

from __future__ import annotations

import re
import selectors
import socket
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

RECEIVED_BYTES_MAX = 1 << 18
# Of each answer, enough to see what it says.
OPENING_BYTES = 80
CONTENT_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


@dataclass
class Load:
    """Latencies are in seconds; an answer's opening is the first bytes of its body."""

    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    openings: list[bytes] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds

    def percentile(self, percent: float) -> float:
        """In milliseconds."""
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(int(len(ordered) * percent / 100), len(ordered) - 1)]


def merged(loads: Sequence[Load]) -> Load:
    """Those of several rounds, as if there had been one."""
    together = Load()
    for load in loads:
        together.latencies += load.latencies
        together.statuses += load.statuses
        together.openings += load.openings
        together.seconds += load.seconds
    return together


class Connection:
    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.since = 0.0
        self.received = bytearray()
        self.body_start = self.length = 0

    def send(self, request: bytes, since: float) -> None:
        self.since = since
        self.received.clear()
        self.length = 0
        self.socket.sendall(request)

    def receive(self) -> bool:
        """Whether the answer is complete."""
        data = self.socket.recv(RECEIVED_BYTES_MAX)
        if not data:
            raise ConnectionError("the server closed a connection")
        self.received += data
        if not self.length:
            self.read_head()
        return 0 < self.length <= len(self.received)

    def read_head(self) -> None:
        end = self.received.find(b"\r\n\r\n")
        if end < 0:
            return
        found = CONTENT_LENGTH.search(self.received, 0, end)
        assert found is not None, self.received[:end]
        self.body_start = end + 4
        self.length = self.body_start + int(found[1])

    def record(self, load: Load, now: float) -> None:
        load.latencies.append(now - self.since)
        load.statuses[int(self.received[9:12])] += 1
        load.openings.append(bytes(self.received[self.body_start : self.body_start + OPENING_BYTES]))


class Connections:
    def __init__(self, port: int, count: int) -> None:
        # select() takes a timeout in microseconds, epoll in milliseconds: too coarse to send at a given moment.
        self.selector = selectors.SelectSelector()
        self.idle: deque[Connection] = deque(Connection(port) for _ in range(count))
        self.count = count
        for connection in self.idle:
            self.selector.register(connection.socket, selectors.EVENT_READ, connection)

    @property
    def busy(self) -> bool:
        return len(self.idle) < self.count

    def send(self, request: bytes, since: float) -> None:
        self.idle.popleft().send(request, since)

    def receive(self, load: Load, timeout: float | None) -> None:
        for key, _ in self.selector.select(timeout):
            connection: Connection = key.data
            if connection.receive():
                connection.record(load, time.perf_counter())
                self.idle.append(connection)

    def close(self) -> None:
        for key in list(self.selector.get_map().values()):
            key.data.socket.close()
        self.selector.close()


def saturate(port: int, count: int, requests: Iterator[bytes], seconds: float) -> Load:
    """Closed loop: each connection sends its next request as soon as it has an answer. Ends with the requests."""
    connections, load = Connections(port, count), Load()
    start = time.perf_counter()
    while time.perf_counter() < start + seconds:
        for request in islice(requests, len(connections.idle)):
            connections.send(request, time.perf_counter())
        if not connections.busy:
            break
        connections.receive(load, None)
    finish(connections, load, start)
    return load


def hold_rate(port: int, count: int, requests: Sequence[bytes], per_second: float) -> Load:
    """Open loop: requests are due at fixed moments, and latency counts from there, even if it had to wait for a
    connection. Otherwise a server that stalls would hold up the very requests that would show it."""
    connections, load = Connections(port, count), Load()
    start = time.perf_counter()
    sent = 0
    while sent < len(requests):
        wait = start + sent / per_second - time.perf_counter()
        if connections.idle and wait <= 0:
            connections.send(requests[sent], start + sent / per_second)
            sent += 1
            wait = 0.0
        connections.receive(load, max(wait, 0.0) if connections.idle else None)
    finish(connections, load, start)
    return load


def finish(connections: Connections, load: Load, start: float) -> None:
    while connections.busy:
        connections.receive(load, None)
    load.seconds = time.perf_counter() - start
    connections.close()
