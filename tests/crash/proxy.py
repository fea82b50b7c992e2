"""A line between tills and server that breaks: in the middle of a request, or in the middle of its answer."""

from __future__ import annotations

import random
import socket
import struct
import threading
from contextlib import suppress

# Within the head or the first part of what goes over a connection.
CUT_AFTER_BYTES_MAX = 3_000
CHUNK_BYTES = 64 * 1024
RESET = struct.pack("ii", 1, 0)


class CuttingProxy:
    """Carries bytes on to `port`, and breaks each connection after a random number of them in either direction."""

    def __init__(self, port: int, chance: random.Random) -> None:
        self.target, self.chance = port, chance
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.accept)
        self.lines: list[threading.Thread] = []
        self.thread.start()

    def accept(self) -> None:
        while True:
            try:
                till, _ = self.listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                till.close()
                continue
            allowed = (self.chance.randint(1, CUT_AFTER_BYTES_MAX), self.chance.randint(1, CUT_AFTER_BYTES_MAX))
            for source, sink, byte_count in ((till, server, allowed[0]), (server, till, allowed[1])):
                line = threading.Thread(target=self.carry, args=(source, sink, byte_count))
                self.lines.append(line)
                line.start()

    def carry(self, source: socket.socket, sink: socket.socket, allowed_bytes: int) -> None:
        with suppress(OSError):
            while data := source.recv(CHUNK_BYTES):
                sink.sendall(data[:allowed_bytes])
                allowed_bytes -= len(data)
                if allowed_bytes <= 0:
                    break
        for end in (source, sink):
            with suppress(OSError):
                # Without a farewell, as when a cable is pulled.
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()
        for line in self.lines:
            line.join()
