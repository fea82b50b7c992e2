"""The HTTP server as `serve` starts it, to be talked to byte by byte."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from apiflask import APIFlask

from settlement.serving.processes import http_command
from tenants.foundation.config import Settings
from tests.conftest import ROOT
from tests.observability.serving import free_port

START_SECONDS_MAX = 120
ANSWER_SECONDS_MAX = 20


@dataclass
class Server:
    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=ANSWER_SECONDS_MAX)

    def send(self, request: bytes) -> bytes:
        """Everything that comes back until the server closes, as `Connection: close` asks it to."""
        with self.connect() as connection:
            try:
                connection.sendall(request)
                return b"".join(iter(lambda: connection.recv(65536), b""))
            except ConnectionError:
                # It has answered a request that it did not read to the end.
                return b""


@pytest.fixture(scope="module")
def server(app: APIFlask, settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    port = free_port()
    environment = {
        **os.environ,
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "CLEARINGHOUSE_VAR": str(settings.var),
        "CLEARINGHOUSE_SECRET_KEY": settings.secret_key.decode(),
        "CLEARINGHOUSE_RATE_LIMIT": "off",
    }
    log = tmp_path_factory.mktemp("server") / "log"
    command = http_command("127.0.0.1", port, workers=1, threads=2)
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
    found = Server(port, process, log)
    try:
        wait_for(found)
        yield found
    finally:
        process.terminate()
        process.wait(START_SECONDS_MAX)


def wait_for(server: Server) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while True:
        try:
            if b" 200 OK" in server.send(b"GET /healthz HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"):
                return
        except OSError:
            time.sleep(0.2)
        assert time.monotonic() < deadline and server.process.poll() is None, server.log.read_text()
